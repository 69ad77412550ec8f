#include "harness/data/augment/degradation_series.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <numeric>
#include <system_error>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/random.h"
#include "core/text.h"
#include "harness/console/interrupt.h"
#include "harness/console/run_tasks.h"
#include "harness/data/resize.h"
#include "harness/data/sets/picture_source.h"

namespace qcface::data {
namespace fs = std::filesystem;
namespace {

constexpr const char* kUnfinished = "series.unfinished";

std::string series_file(Degradation kind, std::int64_t index, double level) {
  return fmt::format("{}/{}_{:g}.png", name_of(kind), series_source(index), level);
}

void prepare_folder(const fs::path& out) {
  std::error_code error;
  if (fs::exists(out)) {
    require(fs::is_directory(out), "{}: is not a folder", out.string());
    require(fs::exists(out / kUnfinished) || fs::is_empty(out, error),
            "{}: is not empty. Choose another folder for the series, or empty this one", out.string());
    for (Degradation kind : kAllDegradations) fs::remove_all(out / name_of(kind), error);
  }
  require_writable_folder(out, "--out");
  write_file_atomically(out / kUnfinished, "");
}

// Pictures of each identity in the set's order, identities in a random one.
std::vector<std::vector<std::int64_t>> shuffled_identities(const PictureSource& set, std::uint64_t seed) {
  std::vector<std::vector<std::int64_t>> by_label(static_cast<std::size_t>(set.num_classes()));
  for (std::int64_t i = 0; i < set.size(); ++i) by_label[static_cast<std::size_t>(set.label(i))].push_back(i);
  by_label.erase(
      std::remove_if(by_label.begin(), by_label.end(), [](const auto& own) { return own.empty(); }),
      by_label.end());
  RandomStream random(seed, RandomPurpose::kSubset);
  for (std::size_t i = by_label.size(); i > 1; --i) std::swap(by_label[i - 1], by_label[random.below(i)]);
  return by_label;
}

// Square and of that side: the middle of a picture whose shorter side is brought to it.
void fit(const Image& in, int side, Resizer& resizer, Image& resized, Image& out) {
  const Image& ready = resizer.resize_shorter_side(in, side, resized);
  const int y0 = (ready.height() - side) / 2, x0 = (ready.width() - side) / 2;
  out.reshape(side, side);
  for (int y = 0; y < side; ++y) {
    const std::uint8_t* const from = ready.row(y0 + y) + Image::kChannels * x0;
    std::copy(from, from + Image::kChannels * side, out.row(y));
  }
}

}  // namespace

std::string series_source(std::int64_t index) { return fmt::format("{:03d}", index); }

std::string series_rows(std::int64_t index) {
  std::string rows;
  for (Degradation kind : kAllDegradations) {
    for (double level : study_levels(kind)) {
      rows += fmt::format("{},{},{},{:g}\n", series_file(kind, index, level), series_source(index),
                          name_of(kind), level);
    }
  }
  return rows;
}

void make_series_folders(const fs::path& folder) {
  for (Degradation kind : kAllDegradations) fs::create_directories(folder / name_of(kind));
}

void write_series(const fs::path& folder, const Image& clean, std::uint64_t seed, std::int64_t index) {
  Image degraded;
  for (Degradation kind : kAllDegradations) {
    for (double level : study_levels(kind)) {
      stop_if_interrupted();
      degrade(clean, kind, level, seed, static_cast<std::uint64_t>(index), degraded);
      write_image((folder / series_file(kind, index, level)).string(), degraded);
    }
  }
}

std::int64_t series_length() {
  std::int64_t length = 0;
  for (Degradation kind : kAllDegradations) length += static_cast<std::int64_t>(study_levels(kind).size());
  return length;
}

DegradationSeriesResult make_degradation_series(
    const DegradationSeriesOptions& o, const std::function<void(std::int64_t, std::int64_t)>& progress) {
  require(o.sources >= 1, "data degrade: {} sources, expected at least 1", o.sources);
  const auto set = open_pictures(o.places);
  auto identities = shuffled_identities(*set, o.seed);
  if (identities.size() > static_cast<std::size_t>(o.sources))
    identities.resize(static_cast<std::size_t>(o.sources));
  prepare_folder(o.out);
  make_series_folders(o.out);
  const auto count = static_cast<std::int64_t>(identities.size());
  struct Worker {
    ImageDecoder decoder;
    Resizer resizer;
    Image decoded, resized, clean;
    std::vector<std::uint8_t> file;
  };
  std::vector<Worker> workers(static_cast<std::size_t>(threads_for(o.threads)));
  std::vector<std::int64_t> chosen(identities.size(), -1);
  std::atomic<std::int64_t> unreadable{0};
  run_tasks(
      count, o.threads,
      [&](std::int64_t done) {
        if (progress) progress(done, count);
      },
      [&](std::int64_t i, int number) {
        Worker& worker = workers[static_cast<std::size_t>(number)];
        for (const std::int64_t picture : identities[static_cast<std::size_t>(i)]) {
          StoredPicture stored;
          if (!set->read(picture, worker.file, stored).ok() ||
              !worker.decoder.decode(stored, worker.decoded).ok()) {
            ++unreadable;
            continue;
          }
          fit(worker.decoded, o.side, worker.resizer, worker.resized, worker.clean);
          write_series(o.out, worker.clean, o.seed, i);
          chosen[static_cast<std::size_t>(i)] = picture;
          return;
        }
      });
  std::string levels = kLevelsHeader, sources = "source,picture\n";
  DegradationSeriesResult result;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t picture = chosen[static_cast<std::size_t>(i)];
    if (picture < 0) continue;
    ++result.sources;
    levels += series_rows(i);
    sources += fmt::format("{},{}\n", series_source(i), csv_field(set->name_in_set(picture)));
  }
  require(result.sources > 0, "{}: none of {} pictures could be read", o.places, unreadable.load());
  result.pictures = result.sources * series_length();
  result.unreadable = unreadable.load();
  write_file_atomically(o.out / "sources.csv", sources);
  write_file_atomically(o.out / "levels.csv", levels);
  fs::remove(o.out / kUnfinished);
  return result;
}

}  // namespace qcface::data
