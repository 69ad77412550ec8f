// Verification packs (data-formats.md section 3): the vectors, written by Python 2 and 3 in every form, and damaged ones.
#include "harness/data/sets/verification_pack.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "harness/data/image.h"
#include "tests/core/pickle_support.h"
#include "tests/support/catch.h"
#include "tests/support/sha256.h"
#include "tests/support/test_data.h"

using namespace qcface;
using data::VerificationPack;
using test::int_opcode;
using test::number;

namespace {

std::string refusal(const std::string& body) {
  const std::string text = test::pickle(body);
  try {
    const VerificationPack pack(test::file_of(text));
  } catch (const Error& error) {
    return error.what();
  }
  return "read";
}
void refused(const std::string& body, const std::string& expected) {
  const std::string message = refusal(body);
  INFO(message);
  CHECK(message.find("memory: ") == 0);
  CHECK(message.find(expected) != std::string::npos);
}

}  // namespace

TEST_CASE("packs: eleven encodings of the same four pairs give the same bytes", "[pack]") {
  std::ifstream stream(test::vectors("bin/expected.json"));
  const nlohmann::json wanted = nlohmann::json::parse(stream);
  int packs = 0, rejected = 0;
  for (const auto& [name, opcodes] : wanted.at("opcodes").items()) {
    INFO(name);
    const auto file = test::vectors(("bin/" + name).c_str());
    const auto& must_reject = wanted.at("must_reject");
    if (std::find(must_reject.begin(), must_reject.end(), name) != must_reject.end()) {
      ++rejected;
      CHECK_THROWS_WITH(VerificationPack(file), test::contains(name + ": "));
      continue;
    }
    ++packs;
    const VerificationPack pack(file);
    REQUIRE(pack.size() == wanted.at("n_images").get<std::int64_t>());
    const data::PairList pairs = pack.pairs();
    REQUIRE(pairs.size() == wanted.at("n_pairs").get<std::size_t>());
    CHECK(std::vector<int>(pairs.same.begin(), pairs.same.end()) ==
          wanted.at("issame").get<std::vector<int>>());
    CHECK(pairs.pairs.at(3) == std::pair(6, 7));
    CHECK(pairs.images.at(7) == file.string() + "/7");
    data::ImageDecoder decoder;
    data::Image image;
    std::vector<std::uint8_t> buffer;
    for (std::int64_t i = 0; i < pack.size(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      data::StoredPicture stored;
      REQUIRE(pack.read(i, buffer, stored).ok());
      CHECK(stored.bytes.size() == wanted.at("jpeg_bytes").at(at).get<std::size_t>());
      CHECK(test::sha256(stored.bytes) == wanted.at("jpeg_sha256").at(at).get<std::string>());
      REQUIRE(decoder.decode(stored, image).ok());
      CHECK(image.width() == wanted.at("sizes").at(at).at(0).get<int>());
      CHECK(image.height() == wanted.at("sizes").at(at).at(1).get<int>());
      CHECK(pack.name(i) == pairs.images[at]);
      CHECK(pack.file(i) == file.string());
    }
    // Slices of the file where it holds the bytes as they are.
    if (name.find("py3_protocol2") == std::string::npos &&
        name.find("ndarray_protocol2") == std::string::npos) {
      CHECK(buffer.empty());
    }
  }
  CHECK(packs == 11);
  CHECK(rejected == 2);
}

TEST_CASE("packs: what must be refused is refused with its place", "[pack]") {
  CHECK_THROWS_WITH(VerificationPack(test::vectors("bin/reject_global.bin")),
                    test::contains("reject_global.bin: holds what calling ") &&
                        test::contains("(byte 29), which is never done"));
  CHECK_THROWS_WITH(
      VerificationPack(test::vectors("bin/reject_truncated.bin")),
      test::contains("reject_truncated.bin: byte 2: pickle: a frame of ") && test::contains("cut off"));
  CHECK_THROWS_WITH(VerificationPack(test::vectors("bin/expected.json")),
                    test::contains("byte 0: not a verification pack (.bin)"));
  const std::string two =
                        "](C\x01"
                        "aC\x01"
                        "be",
                    label =
                        "]\x88"
                        "a";
  CHECK(refusal(two + label + "\x86") == "read");
  CHECK(refusal("](" + two + label + "e") == "read");  // a list of the two
  refused("](NNNe", "holds a list of 3, expected the pair of pictures and labels");
  refused("N" + label + "\x86", "None where the list of pictures is expected");
  refused(two + "N\x86", "None where the list of labels is expected");
  refused(
      "](C\x01"
      "aC\x01"
      "bC\x01"
      "ce" +
          label + "\x86",
      "holds 3 pictures and 1 labels, expected two pictures a label");
  refused(two +
              "](\x88\x89"
              "e\x86",
          "holds 2 pictures and 2 labels");
  refused("]]\x86", "holds no pair");
  refused(
      "](C\x01"
      "aNe" +
          label + "\x86",
      "picture 1 (counted from 0) is None, expected the bytes");
  refused(
      "](C\x01"
      "acos\nsystem\nU\x02id\x85Re" +
          label + "\x86",
      "picture 1 (counted from 0) is what calling os.system would make (byte 23)");
  refused(two +
              "]K\x02"
              "a\x86",
          "label 0 (counted from 0) is 2, expected 0 or 1");
  refused(two + "]U\x01xa\x86", "label 0 (counted from 0) is bytes, expected a truth value");
  refused(two + "]cos\nsystem\n)Ra\x86", "label 0 (counted from 0) is what calling os.system would make");
  // A persistent id has no place in a pack.
  refused(two + label + "\x86Q", "a persistent id, which only checkpoints have");
}

TEST_CASE("packs: arrays of another type or shape, and shared bytes", "[pack]") {
  const auto array = [](const std::string& code, const std::string& shape, const std::string& bytes) {
    return "cnumpy.core.numeric\n_frombuffer\n(" + bytes + "cnumpy\ndtype\n" + test::text_opcode(code) +
           "\x89\x88\x87R(K\x03U\x01<NNNtb" + shape +
           "U\x01"
           "CtR";
  };
  const auto pack = [](const std::string& picture, const std::string& labels) {
    return "](" + picture +
           "C\x01"
           "be" +
           labels + "\x86";
  };
  const std::string good = array("u1", test::tuple_opcode({4}),
                                 "C\x04"
                                 "abcd"),
                    label =
                        "]\x88"
                        "a";
  CHECK(refusal(pack(good, label)) == "read");
  CHECK(refusal(pack(array("u1", test::tuple_opcode({4, 1}),
                           "C\x04"
                           "abcd"),
                     label)) == "read");
  refused(pack(array("u1", test::tuple_opcode({2, 2}),
                     "C\x04"
                     "abcd"),
               label),
          "is not of u1 in the shape (n,) or (n, 1)");
  refused(pack(array("i4", test::tuple_opcode({1}),
                     "C\x04"
                     "abcd"),
               label),
          "is not of u1");
  refused(pack(array("u1", test::tuple_opcode({1 << 30}),
                     "C\x04"
                     "abcd"),
               label),
          "its shape needs more bytes than it holds");
  const auto labels = [&](const std::string& code, const std::string& bytes) {
    return refusal(pack(good, array(code, test::tuple_opcode({1}),
                                    "C" + std::string(1, static_cast<char>(bytes.size())) + bytes)));
  };
  CHECK(labels("b1", "\x01") == "read");
  CHECK(labels("i4", number(std::int32_t{1})) == "read");
  CHECK(labels("i8", number(std::int64_t{0})) == "read");
  CHECK(labels("i8", number(std::int64_t{-1})).find("label 0 (counted from 0) is -1") != std::string::npos);
  CHECK(labels("f4", number(1.0f)).find("or are no integers") != std::string::npos);
  // The same text, converted for array after array.
  const std::string text = "](c_codecs\nencode\n" + test::text_opcode(std::string(50'000, 'x')) +
                           test::text_opcode("latin1") + "\x86Rq\x01";
  std::string many = text;
  for (int i = 0; i < 10; ++i) many += array("u1", test::tuple_opcode({50'000}), "h\x01");
  refused(many + "e" + label + "\x86", "shares its bytes with others");
}

TEST_CASE("packs: a text that is no bytes is a corrupt picture, not the end", "[pack]") {
  std::string body =
      "](c_codecs\nencode\n" + test::text_opcode("\xc4\x80") + test::text_opcode("latin1") + "\x86R";
  body += std::string("C\x00", 2) +
          "e]\x88"
          "a\x86";
  const std::string file = test::pickle(body);
  const VerificationPack pack(test::file_of(file));
  std::vector<std::uint8_t> buffer;
  data::StoredPicture stored;
  CHECK(pack.read(0, buffer, stored).status == data::DecodeStatus::kCorrupt);
  CHECK(pack.read(1, buffer, stored).ok());
  data::ImageDecoder decoder;
  data::Image image;
  CHECK(decoder.decode(stored, image).reason == "empty file");
}
