#include <algorithm>
#include <filesystem>
#include <iterator>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json.h"
#include "core/text.h"
#include "harness/convert/stats.h"
#include "harness/plot/svg_plot.h"

namespace qcface::convert {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostShown = 10;  // of a kind of thing, on the screen

std::string class_name(const data::PictureSource& set, std::int64_t index) {
  const auto label = static_cast<std::size_t>(set.label(index));
  return label < set.class_names().size() ? set.class_names()[label] : fmt::format("{}", label);
}

// The largest first.
std::vector<std::pair<std::pair<int, int>, std::int64_t>> by_count(const SetStats& stats) {
  std::vector<std::pair<std::pair<int, int>, std::int64_t>> sizes(stats.sizes.begin(), stats.sizes.end());
  std::stable_sort(sizes.begin(), sizes.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return sizes;
}

struct DuplicateCounts {
  std::int64_t groups = 0, pictures = 0, across = 0;  // pictures: that could go
};

DuplicateCounts count_duplicates(const SetStats& stats) {
  DuplicateCounts counts;
  for (const Duplicates& group : stats.duplicates) {
    ++counts.groups;
    counts.pictures += static_cast<std::int64_t>(group.pictures.size()) - 1;
    counts.across += group.across ? 1 : 0;
  }
  return counts;
}

std::string three(const std::array<double, 3>& values) {
  return fmt::format("{:.4f} {:.4f} {:.4f}", values[0], values[1], values[2]);
}

std::string duplicates_csv(const data::PictureSource& set, const SetStats& stats) {
  std::string csv = "group,across_classes,label,class,picture\n";
  std::int64_t number = 0;
  for (const Duplicates& group : stats.duplicates) {
    ++number;
    for (const std::int64_t index : group.pictures) {
      fmt::format_to(std::back_inserter(csv), "{},{},{},{},{}\n", number, group.across ? 1 : 0,
                     set.label(index), csv_field(class_name(set, index)), csv_field(set.name(index)));
    }
  }
  return csv;
}

Json stats_json(const data::PictureSource& set, const SetStats& stats, const StatsOptions& options) {
  Json sizes = Json::array();
  for (const auto& [size, count] : by_count(stats))
    sizes.push_back({{"width", size.first}, {"height", size.second}, {"pictures", count}});
  Json bins = Json::array();
  for (const Bin& bin : class_histogram(stats))
    bins.push_back({{"from", bin.low}, {"to", bin.high}, {"classes", bin.classes}});
  Json unusable = Json::array();
  for (const UnusablePicture& picture : stats.unusable)
    unusable.push_back(
        {{"picture", to_json_text(set.name(picture.index))}, {"reason", to_json_text(picture.reason)}});
  const DuplicateCounts duplicates = count_duplicates(stats);
  return {{"pictures", stats.pictures},
          {"used", stats.used},
          {"side", options.side},
          {"mean", stats.mean},
          {"std", stats.std},
          {"classes",
           {{"labels", set.num_classes()},
            {"with_pictures", stats.classes.count},
            {"least", stats.classes.least},
            {"median", stats.classes.median},
            {"mean", stats.classes.mean},
            {"most", stats.classes.most},
            {"with_one_picture", stats.single},
            {"histogram", bins}}},
          {"sizes", sizes},
          {"unusable", unusable},
          {"duplicates",
           {{"groups", duplicates.groups},
            {"superfluous_pictures", duplicates.pictures},
            {"groups_across_classes", duplicates.across}}}};
}

std::string histogram_svg(const SetStats& stats) {
  Plot plot;
  plot.title = "Pictures a class";
  plot.x = {"pictures a class (log scale)", Scale::kLog10, 1.0, {}};
  plot.y = {"classes", Scale::kLinear, 0.0, {}};
  plot.legend = false;
  Series series;
  series.mark = Mark::kSteps;
  for (const Bin& bin : class_histogram(stats)) {
    series.x.push_back(static_cast<double>(bin.low));
    series.y.push_back(static_cast<double>(bin.classes));
    plot.x.max = static_cast<double>(bin.high + 1);
  }
  if (plot.x.max) series.x.push_back(*plot.x.max);
  plot.series.push_back(std::move(series));
  return render_svg_file(plot);
}

void add_classes(std::string& text, const SetStats& stats) {
  const auto out = std::back_inserter(text);
  fmt::format_to(
      out, "classes    {} with pictures; pictures a class: least {}, median {}, mean {:.1f}, most {}\n",
      stats.classes.count, stats.classes.least, stats.classes.median, stats.classes.mean, stats.classes.most);
  if (stats.single > 0) fmt::format_to(out, "           {} of them have one picture only\n", stats.single);
  const std::vector<Bin> bins = class_histogram(stats);
  std::int64_t most = 1;
  for (const Bin& bin : bins) most = std::max(most, bin.classes);
  for (const Bin& bin : bins) {
    constexpr std::int64_t kBar = 40;
    const std::string range =
        bin.low == bin.high ? fmt::format("{}", bin.low) : fmt::format("{}-{}", bin.low, bin.high);
    const auto length = static_cast<std::size_t>((bin.classes * kBar + most - 1) / most);
    fmt::format_to(out, "  {:>13} {:>9} {}\n", range, bin.classes, std::string(length, '#'));
  }
}

void add_sizes(std::string& text, const SetStats& stats) {
  const auto sizes = by_count(stats);
  const auto out = std::back_inserter(text);
  fmt::format_to(out, "sizes      {} different:", sizes.size());
  for (std::size_t i = 0; i < std::min<std::size_t>(sizes.size(), 5); ++i)
    fmt::format_to(out, "{} {} x {} ({})", i == 0 ? "" : ",", sizes[i].first.first, sizes[i].first.second,
                   sizes[i].second);
  text += sizes.size() > 5 ? ", ...\n" : "\n";
}

void add_duplicates(std::string& text, const data::PictureSource& set, const SetStats& stats) {
  const auto out = std::back_inserter(text);
  const DuplicateCounts counts = count_duplicates(stats);
  if (counts.groups == 0) {
    text += "duplicates none\n";
    return;
  }
  fmt::format_to(
      out,
      "duplicates {} contents stand more than once ({} copies too many); {} of them in several classes\n",
      counts.groups, counts.pictures, counts.across);
  std::size_t shown = 0;
  for (const Duplicates& group : stats.duplicates) {
    if (!group.across) continue;
    if (shown++ == kMostShown) {
      fmt::format_to(out, "  and {} more (duplicates.csv has them)\n",
                     counts.across - static_cast<std::int64_t>(kMostShown));
      break;
    }
    text += " ";
    for (std::size_t i = 0; i < std::min<std::size_t>(group.pictures.size(), 4); ++i)
      fmt::format_to(out, "{} {}", i == 0 ? "" : " =", printable(set.name(group.pictures[i]), 200));
    text += group.pictures.size() > 4 ? " = ...\n" : "\n";
  }
}

}  // namespace

std::string stats_text(const data::PictureSource& set, const SetStats& stats) {
  std::string text = fmt::format("pictures   {}, of which {} can be used\n", stats.pictures, stats.used);
  const auto out = std::back_inserter(text);
  for (std::size_t i = 0; i < std::min(stats.unusable.size(), kMostShown); ++i)
    fmt::format_to(out, "  {}: {}\n", printable(set.name(stats.unusable[i].index), 300),
                   printable(stats.unusable[i].reason, 300));
  if (stats.unusable.size() > kMostShown)
    fmt::format_to(out, "  and {} more (stats.json has them)\n", stats.unusable.size() - kMostShown);
  add_classes(text, stats);
  add_sizes(text, stats);
  add_duplicates(text, set, stats);
  fmt::format_to(out, "channels   mean {}, std {} (R, G, B in [0, 1])\n", three(stats.mean),
                 three(stats.std));
  const bool grey =
      std::abs(stats.mean[0] - stats.mean[2]) < 1e-3 && std::abs(stats.mean[0] - stats.mean[1]) < 1e-3;
  if (!grey && !(stats.mean[0] > stats.mean[1] && stats.mean[1] > stats.mean[2]))
    text +=
        "           faces have more red than green and more green than blue: are red and blue exchanged "
        "(--swap-rb)?\n";
  fmt::format_to(out, "to train with these: --mean {} --std {}", three(stats.mean), three(stats.std));
  return text;
}

void write_stats(const std::string& folder, const data::PictureSource& set, const SetStats& stats,
                 const StatsOptions& options) {
  const std::filesystem::path where(folder);
  FileGroup files;
  files.add(where / "duplicates.csv").write(duplicates_csv(set, stats));
  files.add(where / "classes.svg").write(histogram_svg(stats));
  files.add(where / "stats.json").write(stats_json(set, stats, options).dump(2) + "\n");
  files.commit();
}

}  // namespace qcface::convert
