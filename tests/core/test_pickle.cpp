// The restricted reader of pickles (data-formats.md section 4), opcode by opcode, and what it refuses.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/pickle/reader.h"
#include "tests/core/pickle_support.h"
#include "tests/support/catch.h"

using namespace qcface;
using pickle::Kind;
using test::int_opcode;
using test::number;
using test::text_opcode;

namespace {

// The text must outlive the values; each test keeps its own.
struct Read {
  explicit Read(const std::string& body, bool persistent_ids = false)
      : text(test::pickle(body)),
        document(pickle::read("memory", test::bytes_of(text), {0, persistent_ids})) {}
  const pickle::Value& root() const { return document.root; }
  std::string text;
  pickle::Document document;
};

std::string refusal(const std::string& bytes) {
  try {
    (void)pickle::read("memory", test::bytes_of(bytes));
  } catch (const Error& error) {
    return error.what();
  }
  return "read";
}
std::string refusal_of(const std::string& body) { return refusal(test::pickle(body)); }

}  // namespace

TEST_CASE("pickle: values of every opcode", "[pickle]") {
  const auto integer = [](const std::string& body) { return Read(body).root().integer(); };
  CHECK(integer("K\xff") == 255);
  CHECK(integer("M\x01\x02") == 0x201);
  CHECK(integer(int_opcode(-5)) == -5);
  CHECK(integer(std::string("\x8a\x00", 2)) == 0);
  CHECK(integer("\x8a\x01\xff") == -1);
  CHECK(integer(std::string("\x8a\x02\xff\x00", 4)) == 255);
  CHECK(integer(std::string("\x8b\x01\x00\x00\x00\x80", 6)) == -128);
  CHECK(integer("\x8a\x08" + number(std::int64_t{INT64_MIN})) == INT64_MIN);
  CHECK(integer("\x88") == 1);
  CHECK(integer("\x89") == 0);
  const Read big("\x8a\x09" + std::string(9, '\x11'));
  CHECK(big.root().kind() == Kind::kBigInt);
  CHECK(big.root().slice() == std::string(9, '\x11'));
  CHECK(Read("N").root().is_none());
  CHECK(Read(std::string("G\x3f\xf8\0\0\0\0\0\0", 9)).root().real() == 1.5);
  const std::string four = number(std::uint32_t{3}), eight = number(std::uint64_t{3});
  for (const std::string& body : {std::string("U\x03xyz"), "T" + four + "xyz", std::string("C\x03xyz"),
                                  "B" + four + "xyz", "\x8e" + eight + "xyz", "\x96" + eight + "xyz"}) {
    const Read read(body);
    CHECK(read.root().kind() == Kind::kBytes);
    CHECK(read.root().slice() == "xyz");
  }
  for (const std::string& body : {std::string("\x8c\x03xyz"), "X" + four + "xyz", "\x8d" + eight + "xyz"}) {
    const Read read(body);
    CHECK(read.root().kind() == Kind::kText);
    CHECK(read.root().name() == "xyz");
  }
  const std::vector<std::pair<std::string, std::size_t>> tuples{{")", 0},      {"(t", 0},      {"N\x85", 1},
                                                                {"NN\x86", 2}, {"NNN\x87", 3}, {"(NNNNt", 4}};
  for (const auto& [body, size] : tuples) {
    CHECK(Read(body).root().kind() == Kind::kTuple);
    CHECK(Read(body).root().items().size() == size);
  }
  CHECK(Read("]K\x01"
             "a(K\x02K\x03"
             "e")
            .root()
            .items()
            .size() == 3);
  const Read dict(
      "}K\x01"
      "Ns(U\x01"
      "aK\x02U\x01"
      "aK\x03u");
  REQUIRE(dict.root().dict() != nullptr);
  CHECK(dict.root().dict()->entries.size() == 3);
  CHECK(dict.root().dict()->find("a")->integer() == 3);  // the last one counts
  CHECK(dict.root().dict()->find("b") == nullptr);
  CHECK(Read(std::string("K\x07q\x00"
                         "0h\x00",
                         7))
            .root()
            .integer() == 7);
  CHECK(Read("K\x07r" + number(std::uint32_t{9'999'999}) + "0j" + number(std::uint32_t{9'999'999}))
            .root()
            .integer() == 7);
  CHECK(Read("K\x07\x94"
             "0K\x08\x94"
             "0h\x01")
            .root()
            .integer() == 8);
  CHECK(Read("K\x07(K\x08K\x09"
             "1")
            .root()
            .integer() == 7);
  CHECK(Read("K\x07(0").root().integer() == 7);  // POP of a mark, as Python does
}

TEST_CASE("pickle: symbols of the table make plain values", "[pickle]") {
  const Read ordered("ccollections\nOrderedDict\nK\x01\x85R");
  CHECK(Read("ccollections\nOrderedDict\n)R").root().dict() != nullptr);
  const Read pairs(
      "ccollections\nOrderedDict\n](K\x05K\x06\x86"
      "e\x85R");
  REQUIRE(pairs.root().dict() != nullptr);
  CHECK(pairs.root().dict()->entries.at(0).second.integer() == 6);
  const Read built("ccollections\nOrderedDict\n)R}U\x09_metadata}sb");
  CHECK(built.root().dict()->entries.empty());
  std::vector<std::uint8_t> buffer;
  const Read latin1("c_codecs\nencode\n" + text_opcode("a\xc3\xbf\xc2\x80") + text_opcode("latin1") +
                    "\x86R");
  const auto bytes = pickle::bytes_of(latin1.root(), buffer);
  REQUIRE(bytes.has_value());
  CHECK(std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size()) == "a\xff\x80");
  const Read beyond("c_codecs\nencode\n" + text_opcode("\xc4\x80") + text_opcode("latin1") + "\x86R");
  CHECK_FALSE(pickle::bytes_of(beyond.root(), buffer).has_value());
  for (const char* module : {"__builtin__", "builtins"}) {
    CHECK(Read("c" + std::string(module) + "\nbytearray\nC\x02xy\x85R").root().slice() == "xy");
    CHECK(Read("c" + std::string(module) +
               "\nset\n](K\x01K\x02"
               "e\x85R")
              .root()
              .items()
              .size() == 2);
    CHECK(Read("c" + std::string(module) + "\nlist\n)R").root().kind() == Kind::kList);
    CHECK(Read("c" + std::string(module) + "\ndict\n)\x81").root().dict() != nullptr);
    CHECK(Read("c" + std::string(module) + "\nbytes\n)R").root().kind() == Kind::kBytes);
  }
  for (const char* module : {"numpy.core", "numpy._core"}) {
    const std::string dtype = "cnumpy\ndtype\nU\x02i8\x89\x88\x87R(K\x03U\x01<NNNtb";
    const Read scalar("c" + std::string(module) + ".multiarray\nscalar\n" + dtype + "C\x08" +
                      number(std::int64_t{-3}) + "\x86R");
    CHECK(scalar.root().integer() == -3);
  }
  CHECK(Read("ctorch\nSize\nK\x01K\x02\x86\x85R").root().items().size() == 2);
  CHECK(Read("ctorch\ndevice\n" + text_opcode("cpu") + "\x85R").root().name() == "cpu");
  CHECK(ordered.root().opaque() != nullptr);  // no list of pairs
}

TEST_CASE("pickle: arrays are checked when they are opened", "[pickle]") {
  const auto array = [](const std::string& code, const std::string& order, const std::string& shape,
                        const char* fortran, const std::string& bytes) {
    return "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n" + int_opcode(0) +
           "\x85"
           "C\x01"
           "b\x87R(K\x01" +
           shape + "cnumpy\ndtype\n" + text_opcode(code) + "\x89\x88\x87R(K\x03" + text_opcode(order) +
           "NNNtb" + fortran + bytes + "tb";
  };
  const auto problem = [&](const std::string& body) {
    const Read read(body);
    REQUIRE(read.root().array() != nullptr);
    std::vector<std::uint8_t> buffer;
    std::span<const std::byte> bytes;
    const char* reason = "none";
    (void)pickle::open_array(*read.root().array(), buffer, bytes, reason);
    return std::string(reason);
  };
  const std::string six =
      "C\x06"
      "abcdef";
  CHECK(problem(array("u1", "|", test::tuple_opcode({6}), "\x89", six)) == "none");
  CHECK(problem(array("u1", "|", test::tuple_opcode({6, 1}), "\x88", six)) == "none");
  CHECK(problem(array("u1", "|", test::tuple_opcode({2, 3}), "\x88", six)).find("Fortran") !=
        std::string::npos);
  CHECK(problem(array("u1", "|", test::tuple_opcode({7}), "\x89", six)).find("more bytes") !=
        std::string::npos);
  CHECK(problem(array("u1", "|", test::tuple_opcode({5}), "\x89", six)).find("fewer bytes") !=
        std::string::npos);
  CHECK(problem(array("u1", "|", test::tuple_opcode({-6}), "\x89", six)).find("negative") !=
        std::string::npos);
  CHECK(problem(array("u1", "|", test::tuple_opcode({INT64_MAX, INT64_MAX, 4}), "\x89", six))
            .find("more bytes") != std::string::npos);
  CHECK(problem(array("u1", "|", test::tuple_opcode(std::vector<std::int64_t>(65, 1)), "\x89", six))
            .find("64 extents") != std::string::npos);
  CHECK(problem(array("i4", ">", test::tuple_opcode({1}), "\x89",
                      "C\x04"
                      "abcd"))
            .find("little-endian") != std::string::npos);
  CHECK(problem(array("O8", "|", test::tuple_opcode({1}), "\x89", "]")).find("not of the types") !=
        std::string::npos);
  CHECK(problem(array("u1", "|", test::tuple_opcode({1}), "\x89", "]")).find("no plain bytes") !=
        std::string::npos);
}

TEST_CASE("pickle: what foreign code would make is opaque, with all that is put into it", "[pickle]") {
  for (const std::string& body :
       {std::string("cos\nsystem\nU\x02id\x85R"), std::string("cargparse\nNamespace\n)\x81}b"),
        std::string("ccollections\ndefaultdict\n)RK\x01K\x02s(K\x01K\x02u"),
        std::string("ccollections\ndeque\n)RK\x01"
                    "a(K\x01"
                    "e"),
        std::string("c__builtin__\ngetattr\n)R)R"), std::string("c_codecs\nencode\nU\x01xU\x03hex\x86R"),
        std::string("cos\nsystem\ncos\nargs\n)RR")}) {
    const Read read(body);
    CHECK(read.root().opaque() != nullptr);
    CHECK(read.root().describe().find("byte ") != std::string::npos);
  }
  CHECK(Read("cos\nsystem\n").root().symbol() != nullptr);
}

TEST_CASE("pickle: a value that is shared 2^n times takes the room of one", "[pickle]") {
  // [[], []] of two references each, 900 levels deep.
  std::string body = "]";
  for (int i = 0; i < 900; ++i)
    body += std::string(
        "q\x01"
        "0](h\x01h\x01"
        "e",
        10);
  const Read read(body);
  CHECK(read.root().items().size() == 2);
}

TEST_CASE("pickle: nesting and values that hold themselves", "[pickle]") {
  const auto nested = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), ']') +
           std::string(static_cast<std::size_t>(depth - 1), 'a');
  };
  CHECK(refusal_of(nested(1000)) == "read");
  CHECK(refusal_of(nested(1001)) == "memory: byte 0: pickle: its values nest deeper than 1000");
  CHECK(refusal_of(nested(100000)) == "memory: byte 0: pickle: its values nest deeper than 1000");
  // Known depths add up: a list of 600 levels put into another 600.
  const std::string shared =
      nested(600) + "q\x01" + std::string(600, ']') + "h\x01" + std::string(600, 'a') + "\x86";
  CHECK(refusal_of(shared).find("deeper than 1000") != std::string::npos);
  const std::string itself = "memory: byte 0: pickle: a value holds itself";
  CHECK(refusal_of(std::string("]q\x01h\x01"
                               "a",
                               6)) == itself);
  CHECK(refusal_of(std::string("]q\x01]h\x01"
                               "aa",
                               8)) == itself);
  CHECK(refusal_of(std::string("}q\x01K\x01h\x01s", 8)) == itself);
  CHECK(refusal_of(std::string("}q\x01h\x01K\x01s", 8)) == itself);
  CHECK(refusal_of(std::string("]q\x01h\x01\x85"
                               "a",
                               7)) == itself);
  // In what is dropped it does no harm.
  CHECK(refusal_of(std::string("]q\x01h\x01"
                               "a0N",
                               8)) == "read");
}

TEST_CASE("pickle: opcodes that are not of the table are refused by place", "[pickle]") {
  // INST, OBJ, PERSID, DUP, EXT1, NEWOBJ_EX, EMPTY_SET, FROZENSET, NEXT_BUFFER, the texts of protocol 0, and nonsense
  for (const char opcode : std::string("ioP2\x82\x92\x8f\x91\x97\x98IFLSVdlpg\xff")) {
    INFO(static_cast<int>(opcode));
    CHECK(refusal_of("N" + std::string(1, opcode) + "x\ny\n").find("memory: byte 3: pickle: opcode 0x") == 0);
  }
  CHECK(refusal_of("NQ") == "memory: byte 3: pickle: a persistent id, which only checkpoints have");
  CHECK(refusal("") ==
        "memory: byte 0: pickle: not a pickle of protocol 2 or later, which begins with the byte 0x80");
  CHECK(refusal("N.").find("byte 0: pickle: not a pickle") != std::string::npos);
  CHECK(refusal("\x80\x06N.").find("byte 0: pickle: protocol 6 where 5 is the newest") != std::string::npos);
}

TEST_CASE("pickle: claimed lengths are checked against the bytes that are left", "[pickle]") {
  const std::string gigabyte = number(std::uint32_t{1u << 30}), huge = number(std::uint64_t{UINT64_MAX});
  for (const std::string& body : {std::string("U\xff"), std::string("C\xff"), std::string("\x8c\xff"),
                                  std::string("\x8a\xff"), "T" + gigabyte, "B" + gigabyte, "X" + gigabyte,
                                  "\x8b" + gigabyte, "\x8e" + huge, "\x8d" + huge, "\x96" + huge}) {
    CHECK(refusal_of(body + "abc").find("memory: byte 2: pickle: ") == 0);
    CHECK(
        refusal_of(body + "abc").find("bytes are needed where 4 are left; the file is cut off or damaged") !=
        std::string::npos);
  }
  CHECK(refusal_of("\x95" + huge)
            .find("byte 2: pickle: a frame of 18446744073709551615 bytes where 1 are left") !=
        std::string::npos);
  CHECK(refusal_of("T" + number(std::int32_t{-1})).find("a length is negative") != std::string::npos);
  CHECK(refusal_of("\x8b" + number(std::int32_t{-1})).find("a length is negative") != std::string::npos);
  CHECK(refusal_of("cos").find("a line has no end") != std::string::npos);
  // Cut off anywhere, it is refused.
  const std::string whole = test::pickle("](" + text_opcode("abc") + int_opcode(3) + "\x8a\x01\x05" +
                                         std::string("G\0\0\0\0\0\0\0\0", 9) +
                                         "M\x01\x01"
                                         "e}K\x01K\x02s\x86");
  REQUIRE(refusal(whole) == "read");
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK(refusal(whole.substr(0, size)) != "read");
}

TEST_CASE("pickle: the stack and the memo have to fit", "[pickle]") {
  for (const std::string& body : {std::string("0"),
                                  std::string("1"),
                                  std::string("t"),
                                  std::string("\x85"),
                                  std::string("N\x86"),
                                  std::string("NN\x87"),
                                  std::string("a"),
                                  std::string("]a"),
                                  std::string("e"),
                                  std::string("(Ne"),
                                  std::string("s"),
                                  std::string("}Ns"),
                                  std::string("NNs"),
                                  std::string("u"),
                                  std::string("(NNu"),
                                  std::string("](NNNu"),
                                  std::string("}(Nu"),
                                  std::string("q\x01"),
                                  std::string("\x94"),
                                  std::string("R"),
                                  std::string("NR"),
                                  std::string("N)R"),
                                  std::string("]NR"),
                                  std::string("b"),
                                  std::string("NNb"),
                                  std::string("]Nb"),
                                  std::string("\x93"),
                                  std::string("NN\x93"),
                                  std::string("N(a"),
                                  std::string("N(\x85"),
                                  std::string("(q\x01"),
                                  std::string("h\x05"),
                                  "j" + number(std::uint32_t{UINT32_MAX}),
                                  "Nr" + number(std::uint32_t{10'000'000}),
                                  std::string(""),
                                  std::string("NN"),
                                  std::string("N("),
                                  std::string("Na"),
                                  std::string("]N(e0"),
                                  std::string("cnumpy\ndtype\nU\x02u1\x85RNb"),
                                  std::string("cnumpy\ndtype\nU\x02u1\x85RN\x85"
                                              "b")}) {
    INFO(body);
    CHECK(refusal_of(body).find("memory: byte ") == 0);
  }
}

TEST_CASE("pickle: ten million values are the most", "[pickle]") {
  std::string body;
  body.reserve(20'000'010);
  for (int i = 0; i < 10'000'000; ++i) body += "N0";
  CHECK(refusal_of(body + "N") == "memory: byte 20000002: pickle: it has more than 10000000 values");
  // Copies count too: list(x) of a large list, again and again.
  std::string copies = "](" + std::string(100'000, 'N') +
                       std::string(
                           "eq\x01"
                           "0",
                           4);
  for (int i = 0; i < 200; ++i) copies += std::string("cbuiltins\nlist\nh\x01\x85R0");
  CHECK(refusal_of(copies + "cbuiltins\nlist\nh\x01\x85R") == "read");  // opaque from the limit on
}

TEST_CASE("pickle: storages of checkpoints", "[pickle]") {
  const std::string good = "(" + text_opcode("storage") + "ctorch\nFloatStorage\n" + text_opcode("0") +
                           text_opcode("cpu") + "K\x04tQ";
  const Read read(good, true);
  REQUIRE(read.root().storage() != nullptr);
  CHECK(read.root().storage()->elements == 4);
  CHECK(read.document.storages().size() == 1);
  const auto bad = [](const std::string& body) {
    const std::string text = test::pickle(body);
    CHECK_THROWS_WITH(pickle::read("memory", test::bytes_of(text), {0, true}),
                      test::contains("memory: byte ") && test::contains("persistent id"));
  };
  bad("NQ");
  bad(text_opcode("storage") + "\x85Q");
  bad("(" + text_opcode("module") + "ctorch\nFloatStorage\n" + text_opcode("0") + text_opcode("cpu") +
      "K\x04tQ");
  bad("(" + text_opcode("storage") + "N" + text_opcode("0") + text_opcode("cpu") + "K\x04tQ");
  bad("(" + text_opcode("storage") + "ctorch\nFloatStorage\nN" + text_opcode("cpu") + "K\x04tQ");
  bad("(" + text_opcode("storage") + "ctorch\nFloatStorage\n" + text_opcode("0") + text_opcode("cpu") +
      int_opcode(-1) + "tQ");
  bad("(" + text_opcode("storage") + "ctorch\nFloatStorage\n" + text_opcode("0") + text_opcode("cpu") +
      "K\x04)tQ");
}
