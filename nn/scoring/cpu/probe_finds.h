// What identification keeps of one probe while the gallery passes by (scorer.h, IdentifyFound).
//
// The scores that pass by are keys: approximations in float, off by at most the probe's slack. A row is looked at in double
// only where its key could matter, and only what was computed in double is kept or counted. So neither the library that
// multiplies, nor the block a row stands in, nor the number of threads can change a result.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "nn/scoring/scorer.h"

namespace qcface::nn::scoring {

/// The largest of many values. Memory: twice as many as are wanted.
class Largest {
 public:
  explicit Largest(std::int64_t wanted) : wanted_(static_cast<std::size_t>(wanted)) {}
  bool wants_any() const { return wanted_ > 0; }
  /// What is not above this is not among them.
  double bar() const { return bar_; }
  void offer(double value);
  void offer(const Largest& other) {
    for (const double value : other.values_) offer(value);
  }
  std::vector<double> descending();

 private:
  void cut();
  std::size_t wanted_;
  std::vector<double> values_;
  double bar_ = -std::numeric_limits<double>::infinity();
};

/// Of all probes that one thread looks at.
struct ThreadFinds {
  /// So many of the largest scores of impostors.
  explicit ThreadFinds(std::int64_t impostors) : impostor_scores(impostors) {}
  Largest impostor_scores;
  double lowest = std::numeric_limits<double>::infinity();
  double highest = -std::numeric_limits<double>::infinity();  // of the rows that were looked at in double
};

/// The scores of a request, and how their keys are made of products of unit rows.
struct Scoring {
  const IdentifyRequest& request;
  std::span<const double> probe_length, gallery_length;
  double longest_gallery_row = 0;

  double exact(std::int64_t probe, std::int64_t row) const;
  /// Keys rise with scores: the score itself, of kEuclid minus its square.
  double key_of(double score) const;
  /// How far a key may be from that of the exact score, the rounding of a bar to float included.
  double slack(std::int64_t probe) const;
  /// Products of the unit rows, in float, of a probe and rows [first, first + keys.size()) become their keys. `lengths` are
  /// those rows'.
  void make_keys(std::int64_t probe, std::span<const float> lengths, std::span<float> keys) const;
};

class ProbeFinds {
 public:
  ProbeFinds() = default;
  /// The best `top` rows are kept.
  ProbeFinds(const Scoring& scoring, std::int64_t probe, int top);
  /// Keys of gallery rows [first, first + keys.size()), which follow those seen before.
  void look_at(const Scoring& scoring, std::int64_t first, std::span<const float> keys, ThreadFinds& finds);
  /// Puts what was found into its places; after the last row.
  void write(const Scoring& scoring, IdentifyFound& found);

 private:
  struct Best {
    double score = 0;
    std::int32_t row = 0;
  };
  struct Mate {
    double score = 0;
    float certain = 0, possible = 0;  // keys above the first stand before it; those below the other do not
    std::int32_t row = 0;
    std::int64_t before = 0;
  };
  static bool stands_before(const Best& a, const Best& b) {
    return a.score > b.score || (a.score == b.score && a.row < b.row);
  }
  float bar(const Scoring& scoring, std::int64_t first, std::int64_t end, const ThreadFinds& finds) const;
  void consider(const Scoring& scoring, std::int64_t row, ThreadFinds& finds);
  void count_before(const Scoring& scoring, std::int64_t first, std::span<const float> keys, float highest);
  bool is_mate(std::int64_t row) const;

  std::int64_t probe_ = 0;
  std::size_t top_ = 0;
  double slack_ = 0;
  std::vector<Best> best_;   // a heap, the last of them on top
  std::vector<Mate> mates_;  // as the request lists them
  std::vector<std::int32_t> sorted_mates_;
  std::vector<Best> part_best_;  // row -1: none yet
};

}  // namespace qcface::nn::scoring
