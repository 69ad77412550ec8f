// Listed pairs name their rows in any order, and a row of a large set comes from memory. So pairs are taken in blocks: the first
// rows of a block stay in the second-level cache, and the pairs of a block follow their second rows, each of which then comes
// once for all of its pairs.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "kernels/device/parallel.h"
#include "nn/scoring/cpu/cpu_scorer.h"
#include "nn/scoring/cpu/row_products.h"
#include "nn/scoring/requests.h"
#include "nn/scoring/rule.h"

namespace qcface::nn::scoring {
namespace {

constexpr std::int64_t kBlockBytes = 1 << 20;         // of the rows of a block
constexpr std::size_t kChunk = std::size_t{1} << 24;  // pairs that are put in order at a time: 4 bytes each
constexpr std::int64_t kAtOnce = 1024;                // pairs or lengths that a thread takes at once
constexpr std::int64_t kWorthOrdering = 4;            // pairs a row

// A pair in the order it is scored in, and its place in the list.
struct Job {
  std::int32_t a, b;
  std::uint32_t place;
};

template <class T>
class PairScorer {
 public:
  PairScorer(const T* rows, std::int64_t count, std::int64_t width, const ScoreRule& rule, int threads)
      : rows_(rows), count_(count), width_(width), rule_(rule), threads_(threads) {
    if (rule.kind == ScoreRule::kEuclid) return;
    lengths_.resize(static_cast<std::size_t>(count));
    parallel_for_range(count, kAtOnce, threads, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const T* row = rows + i * width;
        lengths_[static_cast<std::size_t>(i)] = std::sqrt(products_.dot(row, row, width));
      }
    });
  }

  void in_order(std::span<const RowPair> pairs, std::span<double> out) const {
    const auto count = static_cast<std::int64_t>(pairs.size());
    parallel_for_range(count, kAtOnce, threads_, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const RowPair pair = pairs[static_cast<std::size_t>(i)];
        out[static_cast<std::size_t>(i)] = score(pair.a, pair.b);
      }
    });
  }

  /// At most kChunk pairs.
  void in_blocks(std::span<const RowPair> pairs, std::span<double> out) {
    const std::int64_t row_bytes = width_ * static_cast<std::int64_t>(sizeof(T));
    const std::int64_t block_rows =
        std::max<std::int64_t>(1, kBlockBytes / std::max<std::int64_t>(row_bytes, 1));
    const std::int64_t blocks = (count_ + block_rows - 1) / block_rows;
    const std::vector<std::size_t> begin = split(pairs, block_rows, blocks);
    struct Scratch {
      std::vector<Job> jobs, ordered;
      std::vector<std::uint32_t> place_of;
    };
    std::vector<Scratch> scratches(static_cast<std::size_t>(threads_));
    parallel_for_worker(blocks, threads_, [&](std::int64_t block, int worker) {
      auto& [jobs, ordered, place_of] = scratches[static_cast<std::size_t>(worker)];
      const std::size_t from = begin[static_cast<std::size_t>(block)],
                        to = begin[static_cast<std::size_t>(block) + 1];
      jobs.resize(to - from);
      for (std::size_t i = from; i < to; ++i) {
        const RowPair pair = pairs[places_[i]];
        jobs[i - from] = {pair.a, pair.b, places_[i]};
      }
      order_by_second(jobs, ordered, place_of);
      for (const Job& job : ordered) out[job.place] = score(job.a, job.b);
    });
  }

 private:
  double score(std::int32_t a, std::int32_t b) const {
    const T *first = rows_ + a * width_, *second = rows_ + b * width_;
    if (rule_.kind == ScoreRule::kEuclid)
      return -std::sqrt(products_.squared_distance(first, second, width_));
    return score_of(rule_, products_.dot(first, second, width_), lengths_[static_cast<std::size_t>(a)],
                    lengths_[static_cast<std::size_t>(b)]);
  }

  // places_: the pairs' places, those of a block together, in the order of the list; returns where each block begins.
  std::vector<std::size_t> split(std::span<const RowPair> pairs, std::int64_t block_rows,
                                 std::int64_t blocks) {
    places_.resize(pairs.size());
    const auto parts = static_cast<std::size_t>(threads_), width = static_cast<std::size_t>(blocks);
    std::vector<std::size_t> next(parts * width, 0), begin(width + 1, 0);
    const auto part_begin = [&](std::size_t part) { return pairs.size() * part / parts; };
    const auto block_of = [&](RowPair pair) { return static_cast<std::size_t>(pair.a / block_rows); };
    parallel_for(threads_, threads_, [&](std::int64_t number) {
      const auto part = static_cast<std::size_t>(number);
      std::size_t* counts = next.data() + part * width;
      for (std::size_t i = part_begin(part); i < part_begin(part + 1); ++i) ++counts[block_of(pairs[i])];
    });
    std::size_t at = 0;
    for (std::size_t block = 0; block < width; ++block) {
      begin[block] = at;
      for (std::size_t part = 0; part < parts; ++part) {
        const std::size_t count = next[part * width + block];
        next[part * width + block] = at;
        at += count;
      }
    }
    begin[width] = at;
    parallel_for(threads_, threads_, [&](std::int64_t number) {
      const auto part = static_cast<std::size_t>(number);
      std::size_t* place = next.data() + part * width;
      for (std::size_t i = part_begin(part); i < part_begin(part + 1); ++i)
        places_[place[block_of(pairs[i])]++] = static_cast<std::uint32_t>(i);
    });
    return begin;
  }

  // Counting sort by the second row, or by groups of them where a block has fewer pairs than there are rows.
  void order_by_second(const std::vector<Job>& jobs, std::vector<Job>& ordered,
                       std::vector<std::uint32_t>& place_of) const {
    int shift = 0;
    while ((count_ >> shift) > static_cast<std::int64_t>(jobs.size()) + 1024) ++shift;
    place_of.assign(static_cast<std::size_t>(count_ >> shift) + 2, 0);
    const auto group_of = [&](const Job& job) { return static_cast<std::size_t>(job.b >> shift); };
    for (const Job& job : jobs) ++place_of[group_of(job) + 1];
    for (std::size_t i = 1; i < place_of.size(); ++i) place_of[i] += place_of[i - 1];
    ordered.resize(jobs.size());
    for (const Job& job : jobs) ordered[place_of[group_of(job)]++] = job;
  }

  const T* rows_;
  const std::int64_t count_, width_;
  const ScoreRule rule_;
  const int threads_;
  const RowProducts& products_ = row_products();
  std::vector<double> lengths_;
  std::vector<std::uint32_t> places_;
};

template <class T>
void score_rows(const T* rows, const RowsView& view, std::span<const RowPair> pairs, const ScoreRule& rule,
                std::span<double> out, int threads) {
  PairScorer<T> scorer(rows, view.count, view.width, rule, threads);
  if (static_cast<std::int64_t>(pairs.size()) < kWorthOrdering * view.count)
    return scorer.in_order(pairs, out);
  for (std::size_t from = 0; from < pairs.size(); from += kChunk) {
    const std::size_t count = std::min(kChunk, pairs.size() - from);
    scorer.in_blocks(pairs.subspan(from, count), out.subspan(from, count));
  }
}

}  // namespace

void pair_scores(const RowsView& rows, std::span<const RowPair> pairs, const ScoreRule& rule,
                 std::span<double> out, int threads) {
  check(rows, pairs, out);
  if (rows.f32 != nullptr) {
    score_rows(rows.f32, rows, pairs, rule, out, threads);
  } else {
    score_rows(rows.f64, rows, pairs, rule, out, threads);
  }
}

}  // namespace qcface::nn::scoring
