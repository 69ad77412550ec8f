#include "harness/convert/journal.h"

#include <fstream>

#include "core/atomic_file.h"
#include "core/error.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

namespace qcface::test {
namespace {

using convert::Journal;
using Json = nlohmann::ordered_json;

const Json kWork{{"places", "a"}, {"size", 112}};

TEST_CASE("a journal gives back its whole blocks, and forgets one that was cut", "[journal]") {
  const TemporaryFolder folder;
  const auto path = folder / "x.journal";
  { Journal(path, kWork, {}).append("first"); }
  const std::string one = read_file(path);
  {
    Journal journal(path, kWork, {});
    REQUIRE(journal.blocks() == std::vector<std::string>{"first"});
    journal.append(std::string("sec\0ond", 7));
  }
  const std::string two = read_file(path);
  for (std::size_t length = one.size(); length < two.size(); ++length) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << two.substr(0, length);
    Journal journal(path, kWork, {});
    REQUIRE(journal.blocks() == std::vector<std::string>{"first"});
    journal.append("other");
    REQUIRE(Json::parse(read_file(path).substr(17, one.find('\n', 17) - 17)) == kWork);
  }
  std::string damaged = two;
  damaged.back() = 'X';
  std::ofstream(path, std::ios::binary | std::ios::trunc) << damaged;
  REQUIRE(Journal(path, kWork, {}).blocks().size() == 1);
  // A claimed length is no reason to ask for memory.
  std::string huge = one + std::string(8, '\xFF') + std::string(8, '\0');
  std::ofstream(path, std::ios::binary | std::ios::trunc) << huge;
  REQUIRE(Journal(path, kWork, {}).blocks().size() == 1);
  for (std::size_t length = 0; length < 20; ++length) {  // stopped in its first moment
    std::ofstream(path, std::ios::binary | std::ios::trunc) << one.substr(0, length);
    REQUIRE(Journal(path, kWork, {}).blocks().empty());
  }
}

TEST_CASE("a journal of other work is not taken up, and says what differs", "[journal]") {
  const TemporaryFolder folder;
  const auto path = folder / "x.journal";
  { Journal(path, kWork, {}).append("first"); }
  const auto refusal = [&](const Json& work) {
    try {
      Journal(path, work, {"x.part"});
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("taken");
  };
  const std::string said = refusal({{"places", "a"}, {"size", 96}});
  REQUIRE_THAT(said, contains("(size was 112, is 96)"));
  REQUIRE_THAT(said, contains("to start over, remove " + path.string() + " and x.part"));
  REQUIRE(refusal(kWork) == "taken");
  {
    const Journal busy(path, kWork, {});
    REQUIRE_THAT(refusal(kWork), contains("another process is at this work"));
  }
  std::ofstream(path, std::ios::binary | std::ios::trunc) << "somebody's own notes\nline\n";
  REQUIRE_THAT(refusal(kWork), contains("is no journal of this program"));
  REQUIRE(read_file(path) == "somebody's own notes\nline\n");
}

}  // namespace
}  // namespace qcface::test
