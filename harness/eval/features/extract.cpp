#include "harness/eval/features/extract.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "core/comm/agreement.h"
#include "core/error.h"
#include "harness/console/interrupt.h"
#include "harness/data/normalise.h"
#include "harness/data/sets/image_folder.h"
#include "harness/eval/measures/scores.h"
#include "kernels/device/parallel.h"

namespace qcface::eval {
namespace {

constexpr std::int64_t kRowsAtOnce = 256;  // that a thread fuses or measures at once

std::span<const float> row_of(const std::vector<float>& values, std::int64_t i, std::int64_t width) {
  return {values.data() + i * width, static_cast<std::size_t>(width)};
}

void check_finite(const float* values, std::int64_t n, std::int64_t width, const data::Batch& batch,
                  const data::PictureSource& pictures) {
  for (std::int64_t i = 0; i < n; ++i) {
    if (!batch.valid[static_cast<std::size_t>(i)]) continue;
    for (std::int64_t d = 0; d < width; ++d) {
      if (std::isfinite(values[i * width + d])) continue;
      fail("embedding of {}: value {} is {}; the weights hold NaN or infinity, or belong to another network",
           pictures.name(batch.indices[static_cast<std::size_t>(i)]), d, values[i * width + d]);
    }
  }
}

}  // namespace

bool ExtractOptions::leads() const { return ranks == nullptr || qcface::leads(*ranks); }

std::span<const float> Embeddings::row(std::int64_t i) const {
  return fused.empty() ? plain_row(i) : row_of(fused, i, fused_columns);
}
std::span<const float> Embeddings::plain_row(std::int64_t i) const { return row_of(plain, i, width); }
std::span<const float> Embeddings::mirrored_row(std::int64_t i) const { return row_of(mirrored, i, width); }

void fuse_rows(Embeddings& embeddings) {
  const std::size_t count = static_cast<std::size_t>(embeddings.count);
  embeddings.fused_columns = fused_width(embeddings.flip, embeddings.width);
  if (!embeddings.mirrored.empty()) {
    const std::size_t columns = static_cast<std::size_t>(embeddings.fused_columns);
    embeddings.fused.resize(count * columns);
    parallel_for_range(embeddings.count, kRowsAtOnce, 0, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        fuse(embeddings.flip, embeddings.plain_row(i), embeddings.mirrored_row(i),
             std::span<float>(embeddings.fused.data() + static_cast<std::size_t>(i) * columns, columns));
      }
    });
  }
  embeddings.magnitudes.resize(count);
  parallel_for_range(embeddings.count, kRowsAtOnce, 0, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      embeddings.magnitudes[static_cast<std::size_t>(i)] = magnitude(embeddings.row(i));
  });
}

void finish_rows(Embeddings& embeddings, const data::PictureSource& pictures,
                 std::chrono::steady_clock::time_point start) {
  require(std::any_of(embeddings.valid.begin(), embeddings.valid.end(),
                      [](std::uint8_t valid) { return valid != 0; }),
          "embeddings: none of the {} pictures could be read; the first is {}", embeddings.count,
          pictures.name(0));
  fuse_rows(embeddings);
  embeddings.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Embeddings extract_embeddings(Embedder& embedder, std::span<const std::string> files,
                              const ExtractOptions& options) {
  return extract_embeddings(embedder, data::ImageFolder::from_files(files), options);
}

Embeddings extract_embeddings(Embedder& embedder, const data::PictureSource& pictures,
                              const ExtractOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  Embeddings result = extract_rows(embedder, pictures, options);
  finish_rows(result, pictures, start);
  return result;
}

Embeddings empty_embeddings(std::int64_t count, std::int64_t width, FlipFusion flip) {
  Embeddings result;
  result.count = count;
  result.width = width;
  result.flip = flip;
  const std::size_t values = static_cast<std::size_t>(count) * static_cast<std::size_t>(width);
  result.plain.assign(values, 0.0f);
  if (flip != FlipFusion::kNone) result.mirrored.assign(values, 0.0f);
  result.valid.assign(static_cast<std::size_t>(count), 0);
  return result;
}

Embeddings extract_rows(Embedder& embedder, const data::PictureSource& pictures,
                        const ExtractOptions& options) {
  require(pictures.size() > 0, "embeddings: no picture to embed");
  require(embedder.max_batch() >= 1 && embedder.width() >= 1,
          "embeddings: the network reports a batch of {} and a width of {}", embedder.max_batch(),
          embedder.width());
  require(options.batch_size >= 0, "embeddings: the batch size is {}, expected 0 or more",
          options.batch_size);
  data::LoaderOptions loading;
  loading.batch_size =
      options.batch_size > 0 ? std::min(options.batch_size, embedder.max_batch()) : embedder.max_batch();
  loading.workers = options.workers;
  loading.shuffle = false;
  loading.augment = data::AugmentMode::kNone;
  loading.preparation = options.preparation;
  loading.drop_last = false;
  loading.corrupt = data::CorruptPolicy::kMark;
  loading.side = embedder.side();
  data::Loader loader(pictures, loading);
  const data::Normaliser normaliser(options.preparation.mean, options.preparation.std);
  const bool flip = options.flip != FlipFusion::kNone;
  const auto values = 3 * static_cast<std::size_t>(loading.side) * static_cast<std::size_t>(loading.side);
  std::vector<float> images;
  // Embeds the pictures of a batch, or their mirror images.
  const auto embed = [&](const data::Batch& batch, bool mirror, float* out) {
    images.resize(static_cast<std::size_t>(batch.size) * values);
    for (std::size_t i = 0; i < static_cast<std::size_t>(batch.size); ++i)
      normaliser.apply(batch.pixels + i * values, loading.side, mirror, images.data() + i * values);
    embedder.embed(images.data(), batch.size, out);
    check_finite(out, batch.size, embedder.width(), batch, pictures);
  };

  Embeddings result = empty_embeddings(pictures.size(), embedder.width(), options.flip);
  const auto count = static_cast<std::size_t>(result.count);

  loader.start_epoch(0);
  std::int64_t done = 0;
  while (const data::Batch* batch = loader.next()) {
    stop_if_interrupted();
    float* plain = result.plain.data() + done * result.width;
    embed(*batch, false, plain);
    float* mirrored = nullptr;
    if (flip) {
      mirrored = result.mirrored.data() + done * result.width;
      embed(*batch, true, mirrored);
    }
    for (std::int64_t i = 0; i < batch->size; ++i) {
      const bool valid = batch->valid[static_cast<std::size_t>(i)] != 0;
      result.valid[static_cast<std::size_t>(done + i)] = valid ? 1 : 0;
      if (valid) continue;
      std::fill_n(plain + i * result.width, result.width, 0.0f);
      if (mirrored) std::fill_n(mirrored + i * result.width, result.width, 0.0f);
    }
    done += batch->size;
    if (options.progress) options.progress(static_cast<std::size_t>(done), count);
  }
  require(done == result.count, "embeddings: the loader delivered {} of {} pictures", done, result.count);
  result.corrupt = loader.corrupt();
  return result;
}

}  // namespace qcface::eval
