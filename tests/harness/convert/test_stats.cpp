#include "harness/convert/stats.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "harness/data/normalise.h"
#include "tests/harness/cli/qcface_program.h"
#include "tests/harness/convert/made_set.h"

namespace qcface::test {
namespace {

using convert::collect_stats, convert::SetStats, convert::StatsOptions;

TEST_CASE("mean and deviation are those of all pixels, and normalise them to 0 and 1", "[stats]") {
  const TemporaryFolder folder;
  std::vector<data::Image> images;
  for (std::uint32_t i = 0; i < 9; ++i) {
    images.push_back(make_picture(i, 12, 12));
    std::filesystem::create_directories(folder / "set" / fmt::format("{}", i % 2));
    data::write_image((folder / "set" / fmt::format("{}", i % 2) / fmt::format("{}.png", i)).string(),
                      images.back());
  }
  StatsOptions options;
  options.side = 12;
  const SetStats stats = collect_stats(*data::open_pictures((folder / "set").string()), options);
  REQUIRE(stats.used == 9);
  const data::Normaliser normaliser(stats.mean, stats.std);
  for (std::size_t c = 0; c < 3; ++c) {
    // Two passes, in double.
    double mean = 0, variance = 0, normalised = 0, squares = 0;
    const double n = 9 * 144;
    for (const data::Image& image : images) {
      for (std::size_t i = c; i < image.bytes(); i += 3) mean += image.data()[i] / 255.0 / n;
    }
    for (const data::Image& image : images) {
      for (std::size_t i = c; i < image.bytes(); i += 3) {
        variance += (image.data()[i] / 255.0 - mean) * (image.data()[i] / 255.0 - mean) / n;
        const double value = static_cast<double>(normaliser.value(static_cast<int>(c), image.data()[i]));
        normalised += value / n;
        squares += value * value / n;
      }
    }
    REQUIRE(stats.mean[c] == Approx(mean).epsilon(1e-12));
    REQUIRE(stats.std[c] == Approx(std::sqrt(variance)).epsilon(1e-10));
    REQUIRE(std::abs(normalised) < 1e-6);
    REQUIRE(squares == Approx(1).epsilon(1e-6));
  }
}

TEST_CASE("classes, sizes, duplicates and pictures that cannot be used", "[stats]") {
  const TemporaryFolder folder;
  const std::string a = picture_file(1), b = picture_file(2), wide = picture_file(3, ".jpg", 24, 48);
  write_tree(folder / "set", {{"one", {{"1.jpg", a}}},
                              {"three", {{"1.jpg", b}, {"2.jpg", b}, {"3.jpg", wide}}},
                              {"two", {{"1.jpg", a}, {"comma, \"quote\".jpg", "broken"}}}});
  const auto set = data::open_pictures((folder / "set").string());
  const SetStats stats = collect_stats(*set, {});
  REQUIRE(stats.pictures == 6);
  REQUIRE(stats.used == 5);
  REQUIRE(stats.per_class == std::vector<std::int64_t>{1, 3, 2});
  REQUIRE(stats.classes.least == 1);
  REQUIRE(stats.classes.median == 2);
  REQUIRE(stats.classes.most == 3);
  REQUIRE(stats.single == 1);
  REQUIRE(stats.sizes == std::map<std::pair<int, int>, std::int64_t>{{{24, 24}, 4}, {{48, 24}, 1}});
  REQUIRE(stats.unusable.size() == 1);
  REQUIRE(stats.unusable[0].reason == "not a picture format this program knows");
  REQUIRE(stats.duplicates.size() == 2);
  REQUIRE(stats.duplicates[0].pictures == std::vector<std::int64_t>{0, 4});
  REQUIRE(stats.duplicates[0].across);
  REQUIRE(stats.duplicates[1].pictures == std::vector<std::int64_t>{1, 2});
  REQUIRE_FALSE(stats.duplicates[1].across);
  const auto bins = convert::class_histogram(stats);
  REQUIRE(bins.size() == 2);
  REQUIRE(bins[0].classes == 1);
  REQUIRE(bins[1].classes == 2);
  const std::string text = convert::stats_text(*set, stats);
  REQUIRE_THAT(text,
               contains("2 contents stand more than once (2 copies too many); 1 of them in several classes"));
  REQUIRE_THAT(text, contains("one/1.jpg = "));
  std::filesystem::create_directory(folder / "out");
  convert::write_stats((folder / "out").string(), *set, stats, {});
  const std::string csv = read_file(folder / "out" / "duplicates.csv");
  REQUIRE_THAT(csv, contains("1,1,0,one," + (folder / "set/one/1.jpg").string() + "\n1,1,2,two,"));
  const auto json = nlohmann::json::parse(read_file(folder / "out" / "stats.json"));
  REQUIRE(json.at("duplicates").at("groups_across_classes") == 1);
  REQUIRE(json.at("unusable")[0].at("picture") == (folder / "set/two/comma, \"quote\".jpg").string());
  REQUIRE(json.at("classes").at("histogram")[1] == nlohmann::json({{"from", 2}, {"to", 3}, {"classes", 2}}));
  REQUIRE_THAT(read_file(folder / "out" / "classes.svg"), contains("<svg"));
}

TEST_CASE("statistics do not depend on threads", "[stats]") {
  const TemporaryFolder folder;
  Tree tree;
  for (std::uint32_t i = 0; i < 100; ++i)
    tree[fmt::format("{}", i % 9)][fmt::format("{}.png", i)] = picture_file(i % 60, ".png");
  write_tree(folder / "set", tree);
  const auto set = data::open_pictures((folder / "set").string());
  std::string first;
  for (const int threads : {1, 3}) {
    StatsOptions options;
    options.threads = threads;
    convert::write_stats(folder.path().string(), *set, collect_stats(*set, options), {});
    const std::string all = read_file(folder / "stats.json") + read_file(folder / "duplicates.csv");
    if (first.empty()) first = all;
    REQUIRE(all == first);
  }
}

TEST_CASE("red and blue that seem exchanged are said", "[stats]") {
  SetStats stats;
  const data::ImageFolder none = data::ImageFolder::from_files({});
  stats.mean = {0.3, 0.4, 0.5};
  REQUIRE_THAT(convert::stats_text(none, stats), contains("--swap-rb"));
  stats.mean = {0.5, 0.4, 0.3};
  REQUIRE_THAT(convert::stats_text(none, stats), !contains("--swap-rb"));
  REQUIRE_THAT(convert::stats_text(none, stats), contains("--mean 0.5000 0.4000 0.3000 --std"));
}

TEST_CASE("the lfw_112 set has the channels of the published constants' kind", "[stats]") {
  const auto lfw = real_data("lfw_112");
  if (lfw.empty()) QCFACE_SKIP("QCFACE_REAL_DATA names no folder with lfw_112");
  const SetStats stats = collect_stats(*data::open_pictures(lfw.string()), {});
  REQUIRE(stats.used == 7701);
  REQUIRE(stats.classes.count == 4281);
  REQUIRE(stats.mean[0] > stats.mean[1]);
  REQUIRE(stats.mean[1] > stats.mean[2]);
  REQUIRE(stats.sizes.size() == 1);
}

}  // namespace
}  // namespace qcface::test
