#include "harness/data/bench.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "harness/console/interrupt.h"
#include "harness/data/augment/picture_augmenter.h"
#include "harness/data/augment/pixel_ops.h"
#include "harness/data/normalise.h"
#include "harness/data/resize.h"

namespace qcface::data {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Adds the time of fn to sum, in microseconds.
template <class Fn>
void timed(double& sum, Fn fn) {
  const auto begin = Clock::now();
  fn();
  sum += 1e6 * seconds_since(begin);
}

// The augmentation step by step, which gives the pixels of the whole. Returns its microseconds.
double augment_in_steps(PictureAugmenter& augmenter, std::uint64_t entry, Image& image,
                        std::vector<AugmentStepCost>& costs) {
  double sum = 0.0;
  augmenter.apply_in_steps(0, entry, image, [&](std::size_t step, const std::function<void()>& run) {
    double us = 0.0;
    timed(us, run);
    ++costs[step].runs;
    costs[step].us += us;
    sum += us;
  });
  return sum;
}

void bench_stages(const PictureSource& set, const DataBenchOptions& o, DataBenchResult& result,
                  const std::function<void(double, const std::string&)>& progress) {
  ImageDecoder decoder;
  PictureAugmenter augmenter(o.loader.augment, o.loader.seed, o.loader.jpeg_swap_rb);
  Resizer resizer;
  const Normaliser normaliser(o.loader.preparation.mean, o.loader.preparation.std);
  Image image, resized;
  std::vector<float> out(3 * static_cast<std::size_t>(o.loader.side) *
                         static_cast<std::size_t>(o.loader.side));
  const std::vector<std::int64_t> order = epoch_order(set.size(), o.loader.seed, 0, o.loader.shuffle);
  std::vector<std::uint8_t> file;
  StoredPicture stored;
  for (std::string& name : augmenter.step_names()) result.augment_steps.push_back({.name = std::move(name)});
  const auto begin = Clock::now();
  auto reported = begin;
  for (std::int64_t i = 0; seconds_since(begin) < o.stage_seconds; ++i) {
    stop_if_interrupted();
    if (o.max_pictures > 0 && i >= o.max_pictures) break;
    const std::int64_t index = order[static_cast<std::size_t>(i % set.size())];
    double read = 0.0, decode = 0.0, augment = 0.0, resize = 0.0, normalise = 0.0;
    bool good = false;
    timed(read, [&] { good = set.read(index, file, stored).ok(); });
    if (good) timed(decode, [&] { good = decoder.decode(stored, image).ok(); });
    if (!good) {
      ++result.corrupt;
      require(result.stage_pictures > 0 || i < 1000,
              "data bench: the first 1000 pictures cannot be read, for example {}", set.name(index));
      continue;
    }
    augment = augment_in_steps(augmenter, static_cast<std::uint64_t>(i), image, result.augment_steps);
    const Image* ready = nullptr;
    timed(resize, [&] { ready = &resizer.resize_shorter_side(image, o.loader.side, resized); });
    const int y0 = (ready->height() - o.loader.side) / 2, x0 = (ready->width() - o.loader.side) / 2;
    timed(normalise, [&] { normaliser.apply(*ready, y0, x0, o.loader.side, false, out.data()); });
    result.read_us += read;
    result.decode_us += decode;
    result.augment_us += augment;
    result.resize_us += resize;
    result.normalise_us += normalise;
    ++result.stage_pictures;
    if (progress && seconds_since(reported) > 0.2) {
      reported = Clock::now();
      progress(std::min(1.0, seconds_since(begin) / o.stage_seconds), "stages, one thread");
    }
  }
  if (result.stage_pictures == 0) return;
  double sum = 0.0;
  for (double* stage :
       {&result.read_us, &result.decode_us, &result.augment_us, &result.resize_us, &result.normalise_us}) {
    *stage /= static_cast<double>(result.stage_pictures);
    sum += *stage;
  }
  result.pictures_per_second_per_core = 1e6 / sum;
}

void bench_loader(const PictureSource& set, const DataBenchOptions& o, DataBenchResult& result,
                  const std::function<void(double, const std::string&)>& progress) {
  Loader loader(set, o.loader);
  require(loader.batches_per_epoch() > 0,
          "data bench: the set has fewer pictures than a batch and partial batches are off");
  const auto begin = Clock::now();
  auto reported = begin;
  bool more = true;
  for (std::int64_t epoch = 0; more; ++epoch) {
    loader.start_epoch(epoch);
    while (loader.next() != nullptr) {
      stop_if_interrupted();
      more = seconds_since(begin) < o.loader_seconds &&
             (o.max_pictures == 0 || loader.stats().pictures < o.max_pictures);
      if (!more) break;
      if (progress && seconds_since(reported) > 0.2) {
        reported = Clock::now();
        progress(std::min(1.0, seconds_since(begin) / o.loader_seconds), "loader");
      }
    }
  }
  result.loader_seconds = seconds_since(begin);
  result.loader_pictures = loader.stats().pictures;
  result.pictures_per_second = static_cast<double>(result.loader_pictures) / result.loader_seconds;
  result.file_bytes_per_second = static_cast<double>(loader.stats().file_bytes) / result.loader_seconds;
  result.corrupt = static_cast<std::int64_t>(loader.corrupt().size());
}

}  // namespace

DataBenchResult run_data_bench(const PictureSource& set, const DataBenchOptions& options,
                               const std::function<void(double, const std::string&)>& progress) {
  require(set.size() > 0, "data bench: the set holds no pictures");
  DataBenchResult result;
  bench_stages(set, options, result, progress);
  bench_loader(set, options, result, progress);
  return result;
}

std::string format_data_bench(const DataBenchResult& r, const DataBenchOptions& o) {
  std::string text =
      fmt::format("one thread, {} pictures, pixel loops '{}':\n", r.stage_pictures, pixel_ops().name);
  const auto line = [&text](const char* stage, double us) {
    text += fmt::format("  {:<10} {:8.1f} us/picture\n", stage, us);
  };
  line("read", r.read_us);
  line("decode", r.decode_us);
  line("augment", r.augment_us);
  std::size_t widest = 0;
  for (const AugmentStepCost& step : r.augment_steps) widest = std::max(widest, step.name.size());
  for (const AugmentStepCost& step : r.augment_steps) {
    const auto pictures = static_cast<double>(r.stage_pictures), runs = static_cast<double>(step.runs);
    text += fmt::format(
        "    {:<{}} {:6.1f} us/picture: {:6.1f} us where it runs, {:3.0f} % of the pictures\n", step.name,
        widest, step.us / pictures, runs > 0 ? step.us / runs : 0.0, 100 * runs / pictures);
  }
  line("resize", r.resize_us);
  line("normalise", r.normalise_us);
  text += fmt::format("  {:<10} {:8.0f} pictures/s per core\n", "together", r.pictures_per_second_per_core);
  text += fmt::format(
      "loader, {} workers, batch {}: {:.0f} pictures/s, {:.1f} MB/s read, {} pictures in {:.1f} s, {} "
      "corrupt",
      o.loader.workers, o.loader.batch_size, r.pictures_per_second, r.file_bytes_per_second / 1e6,
      r.loader_pictures, r.loader_seconds, r.corrupt);
  return text;
}

}  // namespace qcface::data
