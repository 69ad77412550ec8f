#include <oneapi/dnnl/dnnl.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "core/error.h"
#include "kernels/device/parallel.h"
#include "nn/scoring/cpu/cpu_scorer.h"
#include "nn/scoring/cpu/exact_rows.h"
#include "nn/scoring/cpu/probe_finds.h"
#include "nn/scoring/requests.h"

// Cost: one product of P G D in float, by the library, and a look at each of its P G values; what is computed in double is a
// few hundred rows a probe. Memory beside request and result: 8 bytes a row, unit rows of two blocks, and a tile of products a
// thread.
namespace qcface::nn::scoring {
namespace {

constexpr std::int64_t kTileProbes = 512;       // probes that a thread multiplies at once
constexpr std::int64_t kGalleryBlock = 4096;    // and rows of the gallery
constexpr std::int64_t kRowsAtOnce = 256;       // whose lengths or unit rows a thread makes at once
constexpr std::int64_t kBlockValues = 1 << 22;  // of unit rows, where rows are very wide

std::vector<double> lengths_of(const RowsView& rows, const char* what, int threads) {
  std::vector<double> lengths(static_cast<std::size_t>(rows.count));
  parallel_for_range(rows.count, kRowsAtOnce, threads, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row)
      lengths[static_cast<std::size_t>(row)] = exact_length(rows, row);
  });
  check_lengths(lengths, 0, what);
  return lengths;
}

// A row of length 1 in float; a zero row stays zero.
void unit_row(const RowsView& rows, std::int64_t row, double length, float* out) {
  const double scale = length > 0 ? 1 / length : 0.0;
  with_row(rows, row, [&](const auto* values) {
    for (std::int64_t d = 0; d < rows.width; ++d)
      out[d] = static_cast<float>(static_cast<double>(values[d]) * scale);
  });
}

struct Block {
  std::int64_t first = 0, count = 0;
};

class Blocks {
 public:
  Blocks(const Scoring& scoring, int top, int threads)
      : scoring_(scoring), request_(scoring.request), top_(top), threads_(threads) {
    const std::int64_t probes = request_.probes.count,
                       width = std::max<std::int64_t>(request_.probes.width, 1);
    const std::int64_t most_rows = kBlockValues / width;
    block_rows_ = std::min(std::clamp<std::int64_t>(most_rows, 64, kGalleryBlock), request_.gallery.count);
    // Tiles of one size, as many for each thread: the last block is as full as the others.
    const std::int64_t most = std::clamp<std::int64_t>(most_rows, 16, kTileProbes);
    const std::int64_t share = (probes + threads - 1) / threads;
    const std::int64_t rounds = (share + most - 1) / most;
    tile_probes_ = std::min(most, ((share + rounds - 1) / rounds + 15) / 16 * 16);
    // A unit row of the gallery is made once for all probes of a block.
    block_probes_ = std::max(
        tile_probes_, std::min(tile_probes_ * threads * std::min<std::int64_t>(rounds, 4), 4 * most_rows));
    unit_probes_.resize(static_cast<std::size_t>(std::min(block_probes_, probes) * width));
    unit_rows_.resize(static_cast<std::size_t>(block_rows_ * width));
    row_lengths_.resize(static_cast<std::size_t>(block_rows_));
    for (int thread = 0; thread < threads; ++thread) {
      keys_.emplace_back(static_cast<std::size_t>(std::min(tile_probes_, probes) * block_rows_));
      finds_.emplace_back(wanted());
    }
  }

  void run(IdentifyFound& found) {
    const std::int64_t probes = request_.probes.count, gallery = request_.gallery.count;
    for (std::int64_t p = 0; p < probes; p += block_probes_) {
      const Block block{p, std::min(block_probes_, probes - p)};
      start(block);
      for (std::int64_t g = 0; g < gallery; g += block_rows_) {
        const Block rows{g, std::min(block_rows_, gallery - g)};
        multiply(block, rows);
        if (request_.progress) {
          const double share = static_cast<double>(g + rows.count) / static_cast<double>(gallery);
          request_.progress(p + static_cast<std::int64_t>(share * static_cast<double>(block.count)), probes);
        }
      }
      for (ProbeFinds& probe : probes_) probe.write(scoring_, found);
    }
    Largest impostors(wanted());
    for (const ThreadFinds& finds : finds_) {
      impostors.offer(finds.impostor_scores);
      found.lowest = std::min(found.lowest, finds.lowest);
      found.highest = std::max(found.highest, finds.highest);
    }
    found.impostor_scores = impostors.descending();
  }

 private:
  std::int64_t wanted() const {
    return std::min(request_.impostors, request_.probes.count * request_.gallery.count);
  }

  void start(Block block) {
    probes_.resize(static_cast<std::size_t>(block.count));
    parallel_for(block.count, threads_, [&](std::int64_t i) {
      probes_[static_cast<std::size_t>(i)] = ProbeFinds(scoring_, block.first + i, top_);
      unit_row(request_.probes, block.first + i,
               scoring_.probe_length[static_cast<std::size_t>(block.first + i)],
               unit_probes_.data() + i * request_.probes.width);
    });
  }

  void multiply(Block block, Block rows) {
    const std::int64_t width = request_.gallery.width;
    const std::int64_t tiles = (block.count + tile_probes_ - 1) / tile_probes_;
    parallel_for_range(rows.count, kRowsAtOnce, threads_, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const double length = scoring_.gallery_length[static_cast<std::size_t>(rows.first + i)];
        unit_row(request_.gallery, rows.first + i, length, unit_rows_.data() + i * width);
        row_lengths_[static_cast<std::size_t>(i)] = static_cast<float>(length);
      }
    });
    parallel_for_worker(tiles, threads_, [&](std::int64_t tile, int worker) {
      const std::int64_t first = tile * tile_probes_;
      const std::int64_t count = std::min(tile_probes_, block.count - first);
      float* keys = keys_[static_cast<std::size_t>(worker)].data();
      // Inside of a parallel region the library works with the calling thread alone.
      require(dnnl_sgemm('N', 'T', count, rows.count, width, 1.0f, unit_probes_.data() + first * width, width,
                         unit_rows_.data(), width, 0.0f, keys, rows.count) == dnnl_success,
              "identification: oneDNN refused a product of {} x {} x {}", count, rows.count, width);
      for (std::int64_t i = 0; i < count; ++i) {
        const std::span<float> of_probe(keys + i * rows.count, static_cast<std::size_t>(rows.count));
        scoring_.make_keys(block.first + first + i, row_lengths_, of_probe);
        probes_[static_cast<std::size_t>(first + i)].look_at(scoring_, rows.first, of_probe,
                                                             finds_[static_cast<std::size_t>(worker)]);
      }
    });
  }

  const Scoring& scoring_;
  const IdentifyRequest& request_;
  const int top_, threads_;
  std::int64_t tile_probes_ = 0, block_probes_ = 0, block_rows_ = 0;
  std::vector<float> unit_probes_, unit_rows_, row_lengths_;
  std::vector<ProbeFinds> probes_;        // of the block
  std::vector<std::vector<float>> keys_;  // one a thread
  std::vector<ThreadFinds> finds_;        // one a thread
};

}  // namespace

IdentifyFound identify(const IdentifyRequest& request, int threads) {
  check(request);
  IdentifyFound found = nothing_found(request);
  if (request.probes.count == 0 || request.gallery.count == 0) return found;

  const std::vector<double> probe_length = lengths_of(request.probes, "probes", threads);
  const std::vector<double> gallery_length = lengths_of(request.gallery, "gallery", threads);
  const Scoring scoring{request, probe_length, gallery_length,
                        *std::max_element(gallery_length.begin(), gallery_length.end())};
  Blocks(scoring, std::max(found.top, 1), threads).run(found);  // the best row is the highest score
  return found;
}

}  // namespace qcface::nn::scoring
