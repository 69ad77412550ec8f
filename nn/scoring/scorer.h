// Scores of embeddings by the million, on any device: of listed pairs, of every probe against a gallery, and the counts that
// rates are made of (protocols.md sections 3, 6, 9, 10). A device computes in double and follows the same rules; two devices
// add in another order, so their scores differ in the last bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "nn/backend.h"

namespace qcface::nn {

/// How two rows become a score; larger is more alike. s = f1.f2 / (|f1| |f2|), where a length of 0 counts as 1.
struct ScoreRule {
  enum Kind {
    kCosine,  // s
    kQmf,     // s + min(0, beta s - alpha) min(|f1|, |f2|); not bounded below
    kEuclid,  // -|f1 - f2|; the caller scales it by the extremes
  };
  Kind kind = kCosine;
  double alpha = 0, beta = 0;  // of kQmf
};

/// Raw embeddings (not normalised) in the host's memory, row after row, in one of two types.
struct RowsView {
  std::int64_t count = 0, width = 0;
  const float* f32 = nullptr;
  const double* f64 = nullptr;  // if there is no f32
};

struct RowPair {
  std::int32_t a = 0, b = 0;
};

/// A group of equal scores of the curve, from the highest down: how many pairs of either kind have at least that score, and
/// how many a higher one.
struct RocPoint {
  double threshold = 0;
  std::int64_t false_accepts = 0, true_accepts = 0;
  std::int64_t false_above = 0, true_above = 0;
};

struct RocRequest {
  std::span<const double> scores;  // finite
  std::span<const char> same;      // as many; 0: of different people
  /// Of more than two groups only the first, the last, and those where the second difference of either count is not 0.
  bool thinned = true;
  /// From 0, each below the number of different pairs.
  std::span<const std::int64_t> negative_ranks;
};
struct RocCounts {
  std::vector<RocPoint> points;  // thresholds descend; without (0, 0)
  std::int64_t same = 0, different = 0;
  /// For each of negative_ranks: the different pairs' score of that rank (0: the highest), and how many pairs of either kind
  /// score higher.
  std::vector<double> negative_score;
  std::vector<std::int64_t> same_above, different_above;
};

struct IdentifyRequest {
  RowsView probes, gallery;  // of one type
  ScoreRule rule;
  /// Mates of probe i: gallery rows mates[mate_begin[i] .. mate_begin[i + 1]); mate_begin has probes.count + 1 entries.
  std::span<const std::int64_t> mate_begin;
  std::span<const std::int32_t> mates;
  int top = 20;                // best gallery rows of each probe to return, at most as many as there are
  std::int64_t impostors = 0;  // so many of the largest scores of all pairs that are not mates
  bool mate_ranks = false;
  /// Ranges of gallery rows [first, second): the largest score of a row that is no mate is returned for each probe and part.
  std::vector<std::pair<std::int64_t, std::int64_t>> parts;
  /// Called from the calling thread: done probes of total. May throw, which ends the call.
  std::function<void(std::int64_t done, std::int64_t total)> progress;
};
/// Of equal scores the row of the smaller index stands first, everywhere.
struct IdentifyFound {
  int top = 0;
  std::vector<std::int32_t> best_row;   // [probes, top]
  std::vector<double> best_score;       // [probes, top]
  std::vector<double> mate_score;       // one of `mates`
  std::vector<std::int64_t> mate_rank;  // with mate_ranks: gallery rows that stand before this mate
  std::vector<double> impostor_scores;  // descending; fewer than asked for where there are fewer
  std::vector<double> part_score;       // [parts, probes]; -infinity: the part holds mates only
  std::vector<std::int32_t> part_row;   // [parts, probes]; -1 then
  double lowest = 0, highest = 0;       // of all scores
};

class Scorer {
 public:
  virtual ~Scorer() = default;
  /// out[i] = score of rows pairs[i].a and pairs[i].b.
  virtual void pair_scores(const RowsView& rows, std::span<const RowPair> pairs, const ScoreRule& rule,
                           std::span<double> out) = 0;
  virtual RocCounts roc(const RocRequest& request) = 0;
  /// Memory beside request and result: at most 16 bytes for each row of either, and blocks of bounded size. Throws Error naming
  /// the row whose length is no number.
  virtual IdentifyFound identify(const IdentifyRequest& request) = 0;
  virtual const char* name() const = 0;  // "cpu", "cuda"
};

/// threads 0: all cores.
std::unique_ptr<Scorer> make_cpu_scorer(int threads = 0);

struct CudaScorerOptions {
  int device_index = 0;
  /// Of the GPU's memory a call takes about so much at most; 0: four fifths of what is free then. Only speed depends on it, and
  /// whether a ROC fits.
  std::size_t memory_bytes = 0;
};
/// Throws Error where there is no usable GPU, and where cuBLASLt is not found.
std::unique_ptr<Scorer> make_cuda_scorer(const CudaScorerOptions& options = {});

/// The scorer of a device; threads: the CPU's. Throws Error as the one above.
std::unique_ptr<Scorer> make_scorer(const DeviceChoice& device = {}, int threads = 0);

}  // namespace qcface::nn
