#include <bit>

#include "tests/support/catch.h"
#include "tests/support/hash_generator.h"

// The table of golden-formats.md: the generator every golden vector's input is rebuilt with.
TEST_CASE("hash generator matches the table printed with the golden vectors") {
  using qcface::test::hash;
  REQUIRE(hash(0, 0, 0) == 0x3aa1186cu);
  REQUIRE(hash(0, 0, 1000000) == 0x3d947999u);
  REQUIRE(hash(1, 1, 3) == 0x8f338210u);
  REQUIRE(hash(4294967295u, 7, 1000000) == 0xca143e5au);
  REQUIRE(qcface::test::sym(7001, 100, 0) == 0.97084009647369385);
  const auto values = qcface::test::tensor(7001, 101, 4, 1.0, 0.25);
  REQUIRE(std::bit_cast<std::uint32_t>(values[0]) == 0x3f688a58u);
  REQUIRE(std::bit_cast<std::uint32_t>(values[3]) == 0x3f92ead4u);
}
