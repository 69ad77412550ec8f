#include "core/tensors/safetensors.h"

#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;

namespace {

std::string message_of(const std::filesystem::path& path) {
  try {
    read_safetensors(map_file(path));
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string with_header(const std::string& header, const std::string& data = "") {
  std::uint64_t length = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  return file + header + data;
}

}  // namespace

TEST_CASE("safetensors round trip keeps names, shapes, bits and metadata") {
  test::TemporaryFolder folder;
  const float weights[6] = {1, -2.5f, 3e-40f, 4, 5, 6};
  const std::int64_t counter = -9;
  const SafeTensorOut out[] = {{"head.weight", Dtype::kF32, {2, 3}, weights},
                               {"scalar", Dtype::kI64, {}, &counter},
                               {"empty", Dtype::kF32, {0, 4}, nullptr}};
  write_safetensors(folder / "a.safetensors", out, {{"arch", "ir18"}, {"quote", "\"x\"\n"}});
  const TensorSource file = open_tensors(folder / "a.safetensors");
  REQUIRE(file.tensors().size() == 3);
  REQUIRE(file.metadata().at("quote") == "\"x\"\n");
  REQUIRE(file.at("head.weight").shape == std::vector<std::int64_t>{2, 3});
  REQUIRE(std::memcmp(file.at("head.weight").data, weights, sizeof weights) == 0);
  REQUIRE(std::memcmp(file.at("scalar").data, &counter, sizeof counter) == 0);
  REQUIRE(file.at("empty").to_float().empty());
  REQUIRE(file.find("missing") == nullptr);
  REQUIRE_THROWS_AS(file.at("missing"), Error);
  REQUIRE_THROWS_AS(file.at("scalar").to_float(), Error);
  REQUIRE_FALSE(std::filesystem::exists(folder / "a.safetensors.tmp"));
}

TEST_CASE("a tensor that comes a block after the other is written as one that lies there") {
  test::TemporaryFolder folder;
  const float values[6] = {1, 2, 3, 4, 5, 6}, after = 7;
  const auto write = [&](const char* name, std::size_t most) {
    const auto stream = [&values, most](const SafeTensorOut::Take& take) {
      for (std::size_t i = 0; i < most; i += 2) take(std::as_bytes(std::span(values).subspan(i, 2)));
    };
    const SafeTensorOut out[] = {{"a", Dtype::kF32, {2, 3}, nullptr, stream}, {"b", Dtype::kF32, {}, &after}};
    write_safetensors(folder / name, out, {});
  };
  const SafeTensorOut whole[] = {{"a", Dtype::kF32, {2, 3}, values}, {"b", Dtype::kF32, {}, &after}};
  write_safetensors(folder / "whole", whole, {});
  write("blocks", 6);
  REQUIRE(read_file(folder / "blocks") == read_file(folder / "whole"));
  REQUIRE_THROWS_AS(write("short", 4), Error);
  REQUIRE_FALSE(std::filesystem::exists(folder / "short"));
}

TEST_CASE("safetensors reads 16-bit floats") {
  test::TemporaryFolder folder;
  const std::uint16_t half[] = {0x3C00, 0xC000, 0x0001, 0x7BFF, 0x8000};
  const std::uint16_t brain[] = {0x3F80, 0xC000, 0x0001};
  const SafeTensorOut out[] = {{"h", Dtype::kF16, {5}, half}, {"b", Dtype::kBF16, {3}, brain}};
  write_safetensors(folder / "a.safetensors", out, {});
  const TensorSource file = open_tensors(folder / "a.safetensors");
  REQUIRE(file.at("h").to_float() == std::vector<float>{1.0f, -2.0f, 0x1p-24f, 65504.0f, -0.0f});
  REQUIRE(file.at("b").to_float() == std::vector<float>{1.0f, -2.0f, 0x1p-133f});
}

TEST_CASE("malformed safetensors are refused by name and place") {
  test::TemporaryFolder folder;
  const auto refused = [&](const std::string& content, const std::string& expected) {
    write_file_atomically(folder / "bad.safetensors", content);
    const std::string message = message_of(folder / "bad.safetensors");
    INFO(message);
    REQUIRE(message.find("bad.safetensors") != std::string::npos);
    REQUIRE(message.find(expected) != std::string::npos);
  };
  refused("", "shorter");
  refused(std::string(8, '\xff'), "header length");
  refused(with_header("{not json"), "malformed");
  refused(with_header("[1]"), "not a JSON object");
  refused(with_header(R"({"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}})", "1234"), "F99");
  refused(with_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "1234"), "reach past");
  refused(with_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", "1234"), "need");
  refused(with_header(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", "1234"), "extent");
  refused(
      with_header(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}})", "1234"),
      "overflow");
  for (const char* shape :
       {"[0,9223372036854775807,9]", "[9223372036854775807,9,0]", "[0,18446744073709551615]"}) {
    const std::string tensor = R"({"a":{"dtype":"F32","shape":)" + std::string(shape);
    refused(with_header(tensor + R"(,"data_offsets":[0,0]}})"), "overflow");
  }
  refused(with_header(R"({"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})", "1234"), "list of at most");
  refused(with_header(R"({"a":{"dtype":"F32","shape":[1]}})", "1234"),
          "malformed: key 'data_offsets' not found");
  refused(with_header(R"({"__metadata__":{"a":)" + std::string(100000, '[')), "nest deeper");
  refused(with_header(R"({"\u001b[2J":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}})", "1234"),
          R"(\x1b[2J)");
  REQUIRE(message_of(folder / "absent.safetensors").find("absent") != std::string::npos);
  REQUIRE(message_of(folder.path()).find("regular") != std::string::npos);
}

TEST_CASE("a file of tensors is told by its content, whatever its name; another says what it looks like") {
  test::TemporaryFolder folder;
  const float value = 2;
  const SafeTensorOut out[] = {{"a", Dtype::kF32, {1}, &value}};
  write_safetensors(folder / "a.pth", out, {});
  TensorSource file = open_tensors(folder / "a.pth");
  REQUIRE(file.path() == (folder / "a.pth").string());
  const TensorSource moved = std::move(file);  // views outlive a move and the file's name
  std::filesystem::remove(folder / "a.pth");
  REQUIRE(moved.at("a").to_float() == std::vector<float>{2});
  for (const auto& [content, kind] : std::vector<std::pair<std::string, std::string>>{
           {"", "an empty file"},
           {std::string(257, 'n') + "ustar\0" + std::string(300, ' '), "a tar archive"},
           {"\x89HDF\r\n", "an HDF5 file"},
           {"version https://git-lfs", "text that begins with 'version https://git-lfs'"},
           {std::string("\x01\x02\x00\x03", 4), R"(begins with \x01\x02\x00\x03)"},
           {std::string(8, '\xff'), "begins with"}}) {
    write_file_atomically(folder / "b.safetensors", content);
    REQUIRE_THROWS_WITH(open_tensors(folder / "b.safetensors"),
                        test::contains("b.safetensors") && test::contains(kind) &&
                            test::contains("expected a file of tensors"));
  }
  // Cut off, it is still what it was.
  write_file_atomically(folder / "c.safetensors", std::string("\x10\x27\0\0\0\0\0\0{\"a", 11));
  REQUIRE_THROWS_WITH(open_tensors(folder / "c.safetensors"), test::contains("truncated"));
}
