#include "harness/data/augment/degradation_series.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "core/error.h"
#include "tests/harness/data/picture_support.h"

using namespace qcface;
using namespace qcface::data;
namespace fs = std::filesystem;

namespace {

// Every file below a folder by its name there.
std::map<std::string, std::string> files_of(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    files[fs::relative(entry.path(), folder).string()] = {std::istreambuf_iterator<char>(file), {}};
  }
  return files;
}

DegradationSeriesOptions options_for(const fs::path& set, const fs::path& out) {
  DegradationSeriesOptions options;
  options.places = set.string();
  options.out = out;
  options.sources = 2;
  options.seed = 7;
  options.side = 32;
  options.threads = 1;
  return options;
}

}  // namespace

TEST_CASE(
    "degradation series: every kind and level of one readable picture a person, the same with any threads") {
  const test::TemporaryFolder folder;
  const fs::path set = folder / "set";
  for (const char* person : {"ann", "bob", "cid"}) {
    fs::create_directories(set / person);
    test::write_text(set / person / "1.jpg", "no picture");
    write_image((set / person / "2.png").string(), test::make_picture(person[0], 40, 48));
  }
  auto options = options_for(set, folder / "one");
  const DegradationSeriesResult result = make_degradation_series(options);
  REQUIRE(result.sources == 2);
  REQUIRE(result.unreadable == 2);
  REQUIRE(result.pictures == 2 * series_length());

  const auto files = files_of(options.out);
  REQUIRE(files.size() == static_cast<std::size_t>(result.pictures) + 2);
  const std::string& sources = files.at("sources.csv");
  REQUIRE(std::count(sources.begin(), sources.end(), '\n') == 3);
  // Level 0 is the middle of the picture; another level is what degrade() makes of it.
  const std::string first = sources.substr(sources.find("000,") + 4, 9);
  ImageDecoder decoder;
  Image clean, level, expected;
  REQUIRE(decoder.decode_file((options.out / "blur/000_0.png").string(), clean).ok());
  REQUIRE(clean.height() == 32);
  REQUIRE(clean.width() == 32);
  INFO(first);
  REQUIRE(fs::exists(set / first));
  for (const Degradation kind : kAllDegradations) {
    const double worst = study_levels(kind).back();
    const std::string name = fmt::format("{}/000_{:g}.png", name_of(kind), worst);
    REQUIRE(decoder.decode_file((options.out / name).string(), level).ok());
    degrade(clean, kind, worst, options.seed, 0, expected);
    REQUIRE(test::difference(level, expected).largest == 0);
    REQUIRE(files.at("levels.csv").find(fmt::format("{},000,{},{:g}\n", name, name_of(kind), worst)) !=
            std::string::npos);
  }

  options.out = folder / "two";
  options.threads = 3;
  make_degradation_series(options);
  REQUIRE(files_of(options.out) == files);
}

TEST_CASE("degradation series: a stopped one is made anew, anything else in the folder is left alone") {
  const test::TemporaryFolder folder;
  fs::create_directories(folder / "set/ann");
  write_image((folder / "set/ann/1.png").string(), test::make_picture(1, 32, 32));
  const auto options = options_for(folder / "set", folder / "out");
  fs::create_directories(folder / "out/blur");
  test::write_text(folder / "out/blur/000_0.png", "cut short");
  REQUIRE_THROWS_WITH(make_degradation_series(options), test::contains("is not empty"));
  test::write_text(folder / "out/series.unfinished", "");
  REQUIRE(make_degradation_series(options).pictures == series_length());
  REQUIRE_FALSE(fs::exists(folder / "out/series.unfinished"));
  REQUIRE_THROWS_WITH(make_degradation_series(options), test::contains("is not empty"));

  fs::create_directories(folder / "bad/ann");
  test::write_text(folder / "bad/ann/1.jpg", "no picture");
  REQUIRE_THROWS_WITH(make_degradation_series(options_for(folder / "bad", folder / "none")),
                      test::contains("none of 1 pictures could be read"));
}
