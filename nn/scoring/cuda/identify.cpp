// Probes against the gallery in blocks. For each block: products in double by cuBLASLt, made into scores in place, and then one
// walk over the scores for each thing that is asked for. Blocks of one shape, so that equal rows have equal scores in all of them.
//
// Cost: 2 P G D operations in double; 16 bytes of memory a score to make it and 8 for each of: the best rows, four mates of a
// probe, a part of the gallery, impostors.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "core/error.h"
#include "nn/scoring/cuda/cuda_scorer.h"
#include "nn/scoring/cuda/identify_plan.h"
#include "nn/scoring/cuda/kernels.h"
#include "nn/scoring/cuda/largest_scores.h"
#include "nn/scoring/requests.h"

namespace qcface::nn::cuda {
namespace {

/// Rows in double in device memory. Those that a block lacks are multiplied too, and looked at by nobody.
struct DoubleRows {
  DoubleRows(const ScoringDevice& device, std::int64_t count, std::int64_t width, const char* what)
      : padded_width(width),
        values(device.array<double>(count * width, what)),
        lengths(device.array<double>(count, what)),
        squares(device.array<double>(count, what)) {
    device.fill(values.data(), 0, values.size() * sizeof(double));
  }
  WideRows from(std::int64_t row) const {
    return {values.data() + row * padded_width, lengths.data() + row, squares.data() + row, padded_width};
  }
  std::int64_t padded_width;
  Array<double> values, lengths, squares;
};

/// Brings rows to the device and widens them there, so many at most.
class RowLoader {
 public:
  RowLoader(const ScoringDevice& device, const RowsView& like, std::int64_t padded_width, std::int64_t most)
      : device_(device), padded_width_(padded_width) {
    if (like.f32 != nullptr) {
      f32_ = device.array<float>(most * like.width, "embeddings");
      raw_.f32 = f32_.data();
    } else {
      f64_ = device.array<double>(most * like.width, "embeddings");
      raw_.f64 = f64_.data();
    }
  }
  /// To the places from `at` on.
  void load(const RowsView& rows, std::int64_t first, std::int64_t count, const DoubleRows& to,
            std::int64_t at = 0) const {
    device_.upload_rows(rows, first, count, raw_);
    widen_rows(raw_.f32, raw_.f64, count, rows.width, padded_width_, to.values.data() + at * padded_width_,
               to.lengths.data() + at, to.squares.data() + at, device_.stream());
  }

 private:
  const ScoringDevice& device_;
  const std::int64_t padded_width_;
  Array<float> f32_;
  Array<double> f64_;
  ScoringDevice::RawRows raw_;
};

class Identification {
 public:
  Identification(ScoringDevice& device, const IdentifyRequest& request)
      : device_(device),
        request_(request),
        plan_(plan_identification(request, device.memory_bytes())),
        loader_(device, request.gallery, plan_.padded_width, std::max(plan_.probes, plan_.gallery)),
        impostors_(device, plan_.impostors, plan_.at_once),
        gallery_(device, (plan_.resident ? plan_.gallery_blocks : 1) * plan_.gallery, plan_.padded_width,
                 "the gallery"),
        probes_(device, plan_.probes, plan_.padded_width, "probes") {
    scores_ = device.array<double>(plan_.probes * plan_.gallery, "scores");
    lowest_ = device.array<double>(plan_.probes, "scores");
    highest_ = device.array<double>(plan_.probes, "scores");
    const auto parts = static_cast<std::int64_t>(request.parts.size());
    part_scores_ = device.array<double>(parts * plan_.probes, "scores of parts");
    part_rows_ = device.array<std::int32_t>(parts * plan_.probes, "rows of parts");
    no_scores_.assign(static_cast<std::size_t>(parts * plan_.probes),
                      -std::numeric_limits<double>::infinity());
    mate_begin_ = device.array<std::int64_t>(plan_.probes + 1, "mates");
  }

  void run(IdentifyFound& found) {
    const std::int64_t gallery = request_.gallery.count;
    std::vector<double> lengths(static_cast<std::size_t>(std::max(plan_.gallery, plan_.probes)));
    if (plan_.resident) {
      for (std::int64_t first = 0; first < gallery; first += plan_.gallery)
        load_gallery(first, first, lengths);
    }
    best_scores_ = device_.array<double>(plan_.probes * found.top, "best scores");
    best_rows_ = device_.array<std::int32_t>(plan_.probes * found.top, "best rows");
    for (std::int64_t p = 0; p < request_.probes.count; p += plan_.probes) {
      const std::int64_t count = std::min(plan_.probes, request_.probes.count - p);
      start(p, count, lengths);
      for (std::int64_t g = 0; g < gallery; g += plan_.gallery) {
        if (!plan_.resident) load_gallery(g, 0, p == 0 ? std::span<double>(lengths) : std::span<double>());
        look_at(make_block(count, g, std::min(plan_.gallery, gallery - g),
                           gallery_.from(plan_.resident ? g : 0), g > 0),
                found.top);
        device_.wait();
        if (request_.progress) {
          const double share =
              static_cast<double>(std::min(g + plan_.gallery, gallery)) / static_cast<double>(gallery);
          request_.progress(p + static_cast<std::int64_t>(share * static_cast<double>(count)),
                            request_.probes.count);
        }
      }
      take(p, count, found);
    }
    found.impostor_scores = impostors_.descending();
  }

 private:
  /// A block of gallery rows from `first` on to the places from `at` on; checked where there is room for their lengths.
  void load_gallery(std::int64_t first, std::int64_t at, std::span<double> lengths) {
    const std::int64_t count = std::min(plan_.gallery, request_.gallery.count - first);
    loader_.load(request_.gallery, first, count, gallery_, at);
    if (lengths.empty()) return;
    device_.download(lengths.data(), gallery_.lengths.data() + at, static_cast<std::size_t>(count));
    device_.wait();
    scoring::check_lengths(lengths.first(static_cast<std::size_t>(count)), first, "gallery");
  }

  /// Scores of the block's probes and of columns [first_column, first_column + columns), whose rows are given.
  ScoreBlock make_block(std::int64_t probes, std::int64_t first_column, std::int64_t columns,
                        const WideRows& gallery, bool merge) {
    device_.multiply(plan_.probes, plan_.gallery, plan_.padded_width, probes_.values.data(), gallery.values,
                     scores_.data());
    const ScoreBlock block{scores_.data(), plan_.gallery, probes, first_column, columns};
    make_scores(block, request_.rule, probes_.from(0), gallery, merge, lowest_.data(), highest_.data(),
                device_.stream());
    return block;
  }

  void start(std::int64_t p, std::int64_t count, std::span<double> lengths) {
    loader_.load(request_.probes, p, count, probes_);
    device_.download(lengths.data(), probes_.lengths.data(), static_cast<std::size_t>(count));
    const auto first = static_cast<std::size_t>(p), size = static_cast<std::size_t>(count);
    first_mate_ = static_cast<std::size_t>(request_.mate_begin[first]);
    const std::span<const std::int32_t> mates = request_.mates.subspan(
        first_mate_, static_cast<std::size_t>(request_.mate_begin[first + size]) - first_mate_);
    if (mate_rows_.size() < mates.size() || mate_rows_.size() == 0) {
      const auto room = static_cast<std::int64_t>(mates.size());
      mate_rows_ = device_.array<std::int32_t>(room, "mates");
      mate_columns_ = device_.array<std::int32_t>(room, "mates");
      mate_scores_ = device_.array<double>(room, "scores of mates");
      mate_ranks_ = device_.array<std::int64_t>(room, "ranks of mates");
    }
    std::vector<std::int64_t> begin(size + 1);
    for (std::size_t i = 0; i <= size; ++i)
      begin[i] = request_.mate_begin[first + i] - static_cast<std::int64_t>(first_mate_);
    device_.upload(mate_begin_.data(), begin.data(), begin.size());
    device_.upload(mate_rows_.data(), mates.data(), mates.size());
    device_.fill(mate_ranks_.data(), 0, mates.size() * sizeof(std::int64_t));
    mates_ = {mate_begin_.data(), mate_rows_.data(), count};
    mate_count_ = mates.size();
    if (!request_.parts.empty()) {
      device_.upload(part_scores_.data(), no_scores_.data(), no_scores_.size());
      device_.fill(part_rows_.data(), 0xFF, part_rows_.size() * sizeof(std::int32_t));  // -1
    }
    device_.wait();
    scoring::check_lengths(lengths.first(size), p, "probes");
    known_mates_ = request_.mate_ranks && plan_.gallery_blocks > 1 && !mates.empty();
    if (known_mates_) score_mates(mates);
  }

  /// Ranks are counted block by block, so the mates' scores must be known before the first: their rows are brought together into
  /// blocks of their own.
  void score_mates(std::span<const std::int32_t> mates) {
    std::vector<std::int32_t> rows(mates.begin(), mates.end()), columns(mates.size());
    std::sort(rows.begin(), rows.end());
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    for (std::size_t m = 0; m < mates.size(); ++m)
      columns[m] =
          static_cast<std::int32_t>(std::lower_bound(rows.begin(), rows.end(), mates[m]) - rows.begin());
    device_.upload(mate_columns_.data(), columns.data(), columns.size());
    const auto width = static_cast<std::size_t>(request_.gallery.width);
    const auto most = static_cast<std::size_t>(plan_.gallery);
    const DoubleRows together(device_, plan_.gallery, plan_.padded_width, "rows of mates");
    std::vector<float> f32(request_.gallery.f32 != nullptr ? std::min(most, rows.size()) * width : 0);
    std::vector<double> f64(request_.gallery.f32 != nullptr ? 0 : std::min(most, rows.size()) * width);
    for (std::size_t first = 0; first < rows.size(); first += most) {
      const std::size_t count = std::min(most, rows.size() - first);
      RowsView own{static_cast<std::int64_t>(count), request_.gallery.width, nullptr, nullptr};
      for (std::size_t i = 0; i < count; ++i) {
        const auto from = static_cast<std::size_t>(rows[first + i]) * width;
        if (!f32.empty()) {
          std::memcpy(f32.data() + i * width, request_.gallery.f32 + from, width * sizeof(float));
        } else {
          std::memcpy(f64.data() + i * width, request_.gallery.f64 + from, width * sizeof(double));
        }
      }
      own.f32 = f32.empty() ? nullptr : f32.data();
      own.f64 = f64.empty() ? nullptr : f64.data();
      loader_.load(own, 0, own.count, together);
      const ScoreBlock block =
          make_block(mates_.probes, static_cast<std::int64_t>(first), own.count, together.from(0), false);
      take_mate_scores(block, mates_, mate_columns_.data(), mate_scores_.data(), device_.stream());
      device_.wait();  // for the copies of the rows
    }
  }

  void look_at(const ScoreBlock& block, int top) {
    const cudaStream_t stream = device_.stream();
    const bool first = block.first_column == 0;
    if (top > 0) find_top_rows(block, top, !first, best_scores_.data(), best_rows_.data(), stream);
    if (mate_count_ > 0 && !known_mates_)
      take_mate_scores(block, mates_, mate_rows_.data(), mate_scores_.data(), stream);
    if (mate_count_ > 0 && request_.mate_ranks)
      count_before_mates(block, mates_, mate_scores_.data(), mate_ranks_.data(), stream);
    for (std::size_t part = 0; part < request_.parts.size(); ++part) {
      const auto at = static_cast<std::int64_t>(part) * mates_.probes;
      find_part_best(block, mates_, request_.parts[part].first, request_.parts[part].second,
                     part_scores_.data() + at, part_rows_.data() + at, stream);
    }
    if (plan_.impostors <= 0) return;
    if (mate_count_ > 0) mask_mates(block, mates_, stream);
    impostors_.offer(block.scores, block.rows * block.stride);
  }

  /// What was found of probes [p, p + count) to its places.
  void take(std::int64_t p, std::int64_t count, IdentifyFound& found) {
    const auto first = static_cast<std::size_t>(p), size = static_cast<std::size_t>(count),
               top = static_cast<std::size_t>(found.top);
    device_.download(found.best_row.data() + first * top, best_rows_.data(), size * top);
    device_.download(found.best_score.data() + first * top, best_scores_.data(), size * top);
    device_.download(found.mate_score.data() + first_mate_, mate_scores_.data(), mate_count_);
    if (request_.mate_ranks)
      device_.download(found.mate_rank.data() + first_mate_, mate_ranks_.data(), mate_count_);
    for (std::size_t part = 0; part < request_.parts.size(); ++part) {
      const std::size_t to = part * static_cast<std::size_t>(request_.probes.count) + first;
      device_.download(found.part_score.data() + to, part_scores_.data() + part * size, size);
      device_.download(found.part_row.data() + to, part_rows_.data() + part * size, size);
    }
    std::vector<double> lowest(size), highest(size);
    device_.download(lowest.data(), lowest_.data(), size);
    device_.download(highest.data(), highest_.data(), size);
    device_.wait();
    found.lowest = std::min(found.lowest, *std::min_element(lowest.begin(), lowest.end()));
    found.highest = std::max(found.highest, *std::max_element(highest.begin(), highest.end()));
  }

  ScoringDevice& device_;
  const IdentifyRequest& request_;
  const IdentifyPlan plan_;
  RowLoader loader_;
  LargestScores impostors_;
  DoubleRows gallery_, probes_;
  Array<double> scores_, lowest_, highest_, best_scores_, part_scores_, mate_scores_;
  Array<std::int32_t> best_rows_, part_rows_, mate_rows_, mate_columns_;
  Array<std::int64_t> mate_begin_, mate_ranks_;
  std::vector<double> no_scores_;  // -infinity for each part and probe
  // Of the block of probes:
  BlockMates mates_;
  std::size_t first_mate_ = 0, mate_count_ = 0;
  bool known_mates_ = false;  // their scores are
};

}  // namespace

IdentifyFound CudaScorer::identify(const IdentifyRequest& request) {
  scoring::check(request);
  IdentifyFound found = scoring::nothing_found(request);
  if (request.probes.count == 0 || request.gallery.count == 0) return found;
  require(
      found.top <= kMostTopRows,
      "identification: the best {} rows of each probe, but a GPU finds at most {}; compute them on the CPU",
      found.top, kMostTopRows);
  device_.begin();
  Identification(device_, request).run(found);
  return found;
}

}  // namespace qcface::nn::cuda
