// Whether a fused plan can run, and its split of the classes: pure functions.
#include <algorithm>

#include "kernels/cuda/fused.h"

namespace qcface::kernels::cuda {
namespace {

constexpr std::int64_t kTileClasses = 64;  // the coarsest streaming tile

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

const char* refusal(const FusedShape& shape) {
  if (shape.type != QCF_TYPE_BF16 && shape.type != QCF_TYPE_F16) return "needs operand_type bf16 or f16";
  if (shape.sampled) return "takes all classes, not `sampled` ones";
  if (!shape.has_unit_w) return "needs unit_w";
  if (shape.d % 8 != 0) return "needs d to be a multiple of 8";
  if (shape.d > kFusedWidth) return "needs d <= 512";
  if (shape.k_loc > 0x7FFFFF00) return "needs k_loc < 2^31 - 255";
  return nullptr;
}

}  // namespace

const char* mma_refusal(const DeviceFacts& facts, const FusedShape& shape) {
  if (facts.major < 8) return "needs a GPU of compute capability 8.0 or later";
  if (const char* reason = refusal(shape)) return reason;
  // what mma_pass.cuh counts
  const std::size_t bytes = shape.d <= 128 ? 62 << 10 : shape.d <= 256 ? 109 << 10 : 136 << 10;
  if (facts.shared_bytes_per_block < bytes) {
    return shape.d <= 128   ? "needs 62 KiB of shared memory a block at d <= 128"
           : shape.d <= 256 ? "needs 109 KiB of shared memory a block at d <= 256"
                            : "needs 136 KiB of shared memory a block at d > 256";
  }
  return nullptr;
}

const char* wgmma_refusal(const DeviceFacts& facts, const FusedShape& shape) {
  if (facts.major != 9 || facts.minor != 0) return "needs a GPU of compute capability 9.0 (wgmma)";
  if (const char* reason = refusal(shape)) return reason;
  if (facts.shared_bytes_per_block < 227 << 10) return "needs 227 KiB of shared memory a block";
  return nullptr;
}

std::size_t fused_partial_bytes(const FusedShape& shape, int parts, bool vectors) {
  const std::int64_t row = (vectors ? 4 * shape.d : 0) + 2 * (4 + 8 + 4);
  return static_cast<std::size_t>(parts * shape.n * row);
}

int fused_parts(const DeviceFacts& facts, qcf_plan, const FusedShape& shape, bool vectors) {
  if (shape.n == 0) return 1;
  const std::int64_t row_tiles = divide_up(shape.n, kFusedRows);
  const std::int64_t tiles = divide_up(shape.k_loc, kTileClasses);
  const std::int64_t slots = std::max(1, facts.multiprocessors);
  const std::size_t room = (std::size_t{40} << 20) + static_cast<std::size_t>(16 * shape.n * shape.d);
  const auto limit = static_cast<int>(std::min<std::int64_t>(kFusedMaxParts, tiles));
  const auto cost = [&](std::int64_t parts) {
    return divide_up(row_tiles * parts, slots) *
           divide_up(tiles, parts);  // tiles that one multiprocessor goes through
  };
  std::int64_t best = cost(1);
  for (int parts = 2; parts <= limit; ++parts) {
    if (fused_partial_bytes(shape, parts, vectors) <= room) best = std::min(best, cost(parts));
  }
  // Fewer parts leave less to combine: the first that is within 3 % of the best.
  for (int parts = 1; parts < limit; ++parts) {
    if (cost(parts) <= best + best / 32) return parts;
  }
  return limit;
}

}  // namespace qcface::kernels::cuda
