#include "harness/convert/record_framing.h"

#include <nlohmann/json.hpp>

#include "core/atomic_file.h"
#include "core/error.h"
#include "tests/support/catch.h"
#include "tests/support/test_data.h"

namespace qcface::test {
namespace {

using convert::append_record;

std::string unhex(const std::string& text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2)
    bytes += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  return bytes;
}

void append(std::string& out, const std::string& record) {
  append_record(out, {reinterpret_cast<const std::uint8_t*>(record.data()), record.size()});
}

TEST_CASE("the vector's payloads are written to the vector's bytes", "[recordio]") {
  const auto expected = nlohmann::json::parse(read_file(vectors("recordio/expected.json")));
  std::string out, index;
  int key = 0;
  for (const auto& record : expected.at("framing")) {
    index += fmt::format("{}\t{}\n", key++, out.size());
    append(out, unhex(record.at("hex").get<std::string>()));
  }
  REQUIRE(key == 9);
  REQUIRE(out == read_file(vectors("recordio/framing.rec")));
  REQUIRE(index == read_file(vectors("recordio/framing.idx")));
}

// Record 0 of the classic vector, and a picture of the other one.
TEST_CASE("headers are those of the vectors", "[recordio]") {
  const std::string file = read_file(vectors("recordio/classic.rec"));
  std::string out;
  const float head[2] = {9, 12};
  append(out, convert::label_record(head, 0));
  REQUIRE(file.substr(6204, out.size()) == out);
  // Its pictures have two labels; those of the other vector have one.
  REQUIRE(read_file(vectors("recordio/im2rec.rec")).substr(8, 24) == convert::record_header(1, 3));
}

TEST_CASE("a record of 2^29 bytes is more than the format holds", "[recordio]") {
  std::string out;
  const std::uint8_t byte = 0;
  REQUIRE_THROWS_WITH(append_record(out, {&byte, std::size_t{1} << 29}),
                      contains("the format holds less than 2^29"));
  REQUIRE(out.empty());
}

}  // namespace
}  // namespace qcface::test
