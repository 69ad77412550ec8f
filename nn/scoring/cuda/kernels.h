// Our own device code of scoring, one file a part. All pointers are device memory, all calls enqueue on the stream and throw
// Error where a launch fails. A warp works on a row, sums are taken in a fixed order, nothing depends on the order in which
// warps run: the same bits every time, and equal rows have equal scores.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/device/runtime.h"
#include "nn/scoring/scorer.h"

namespace qcface::nn::cuda {

/// Scores of a block of probes against a block of the gallery, [rows, stride]: probe by probe, each row at a multiple of 16
/// bytes. What lies behind the columns of a row is -infinity once scores have been made.
struct ScoreBlock {
  double* scores = nullptr;
  std::int64_t stride = 0;                     // even
  std::int64_t rows = 0;                       // probes
  std::int64_t first_column = 0, columns = 0;  // gallery rows
};

/// Rows in double, [count, padded_width]; padded_width is even and what lies behind the width is 0.
struct WideRows {
  const double* values = nullptr;
  const double* lengths = nullptr;
  const double* squares = nullptr;  // of the lengths, before the root
  std::int64_t padded_width = 0;
};

/// Mates of the probes of a block: those of row i are rows[begin[i]] to rows[begin[i + 1] - 1] of the gallery.
struct BlockMates {
  const std::int64_t* begin = nullptr;  // [probes + 1]
  const std::int32_t* rows = nullptr;
  std::int64_t probes = 0;
};

// ---- wide_rows.cu ----
/// lengths[i] = |row i|; its square to `squares` and the rows in double to `values` [count, padded_width] too, if these are not
/// null. Exactly one of the raw arrays is given, [count, width].
/// Reads the raw rows once; writes 8 count padded_width bytes.
void widen_rows(const float* f32, const double* f64, std::int64_t count, std::int64_t width,
                std::int64_t padded_width, double* values, double* lengths, double* squares,
                cudaStream_t stream);

// ---- block_scores.cu ----
/// Products of rows become scores, in place; lowest[i] and highest[i] are those of row i, merged with what stands there if
/// `merge`. Distances of rows that are nearly equal are computed anew from the rows themselves: a difference of squares has
/// lost them. Reads and writes the block once.
void make_scores(const ScoreBlock& block, const ScoreRule& rule, const WideRows& probes,
                 const WideRows& gallery, bool merge, double* lowest, double* highest, cudaStream_t stream);

// ---- top_rows.cu ----
inline constexpr int kMostTopRows = 4000;
/// The best `top` (1 to kMostTopRows) gallery rows of each probe, best first, of equal scores the smaller row: best_score and
/// best_row [rows, top], merged with what stands there if `merge` (rows of blocks before this one). Where there are fewer yet,
/// the rest is -infinity. Reads the block once.
void find_top_rows(const ScoreBlock& block, int top, bool merge, double* best_score, std::int32_t* best_row,
                   cudaStream_t stream);

// ---- mates.cu ----
/// mate_score[m] of every mate m whose column lies in the block; columns: the mates' rows, or other columns that hold them.
void take_mate_scores(const ScoreBlock& block, const BlockMates& mates, const std::int32_t* columns,
                      double* mate_score, cudaStream_t stream);
/// rank[m] += rows of the block that stand before mate m: of a higher score, or of the same and a smaller row.
void count_before_mates(const ScoreBlock& block, const BlockMates& mates, const double* mate_score,
                        std::int64_t* rank, cudaStream_t stream);
/// Scores of mates become -infinity.
void mask_mates(const ScoreBlock& block, const BlockMates& mates, cudaStream_t stream);

// ---- part_best.cu ----
/// The best gallery row in [first, second) of each probe that is none of its mates: score [rows] and row [rows], merged with
/// what stands there (-infinity and -1: nothing yet). Reads that part of the block once.
void find_part_best(const ScoreBlock& block, const BlockMates& mates, std::int64_t first, std::int64_t second,
                    double* score, std::int32_t* row, cudaStream_t stream);

// ---- pairs.cu ----
/// out[i] = score of raw rows pairs[i].a and pairs[i].b; lengths: of all rows. Reads two rows a pair.
void score_pairs(const float* f32, const double* f64, std::int64_t width, const double* lengths,
                 const RowPair* pairs, std::int64_t count, const ScoreRule& rule, double* out,
                 cudaStream_t stream);

// ---- roc_groups.cu ----
/// Sorted scores and how many of them, up to and with each, are of one person. Counts stay below 2^31.
struct SortedScores {
  const double* scores = nullptr;      // descending
  const std::int32_t* same = nullptr;  // inclusive counts
  std::int64_t count = 0;
};
/// flag[i] = 1 where a group of equal scores ends.
void flag_group_ends(const double* scores, std::int64_t count, std::uint8_t* flag, cudaStream_t stream);
/// flag[g] = 1 for a group to keep (RocRequest::thinned); ends: the last place of each group.
void flag_kept_groups(const SortedScores& sorted, const std::int32_t* ends, std::int64_t groups, bool thinned,
                      std::uint8_t* flag, cudaStream_t stream);
void make_points(const SortedScores& sorted, const std::int32_t* ends, const std::int32_t* kept,
                 std::int64_t count, RocPoint* points, cudaStream_t stream);
/// points[i]: the group that holds the different pairs' score of ranks[i].
void find_ranks(const SortedScores& sorted, const std::int32_t* ends, std::int64_t groups,
                const std::int64_t* ranks, std::int64_t count, RocPoint* points, cudaStream_t stream);

}  // namespace qcface::nn::cuda
