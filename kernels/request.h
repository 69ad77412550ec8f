// What a call of the head is and asks for, and what both devices keep of it in the workspace: shared by their layouts.
#pragma once

#include <cstddef>
#include <cstdint>

#include "qcface/kernels.h"

namespace qcface::kernels {

inline constexpr double kNoSum = -1e300;  // log of an empty sum

/// The stages in their order; in a workspace, the last one that was run on it.
enum class Stage : std::uint32_t { kNone = 0, kPrepare, kSums, kFinish, kWeights };
inline constexpr const char* kStageNames[] = {"nothing", "prepare", "sums", "finish", "weights"};
inline constexpr std::uint64_t kStateMagic = 0x71636661636b6572u;

/// What one stage leaves for the next, in the workspace.
struct StageState {
  std::uint64_t magic;
  Stage stage;
  float t;                        // updated t of this step
  float length_mean, length_std;  // likewise
};

/// Rows of the batch sorted by class, then row.
struct SortedLabel {
  std::int64_t klass;  // place among the classes that take part
  std::int64_t row;
};

struct Request {
  std::int64_t n, d, k_total, offset;
  std::int64_t w_rows;          // K_loc
  std::int64_t classes;         // that take part: w_rows, or those sampled
  const std::int64_t* sampled;  // [classes] their rows of w, or NULL
  const float* w;
  double batch;
  bool plain;    // a second sum, of exp(s c)
  bool vectors;  // the first pass carries the weighted class vectors for dx
  bool weights;  // dw or the optimiser is wanted
  bool narrow;   // x is of a 16-bit type
};
Request make_request(const qcf_head_config& config, const qcf_head_args& args);

/// Hands out 64-byte aligned places one after the other; with a NULL base it only counts.
class Places {
 public:
  explicit Places(void* base) : base_(static_cast<char*>(base)) {}
  template <class T>
  void take(T*& place, std::int64_t count) {
    place = static_cast<T*>(take_bytes(static_cast<std::size_t>(count) * sizeof(T)));
  }
  void* take_bytes(std::size_t bytes) {
    void* const place = base_ != nullptr && bytes > 0 ? base_ + used_ : nullptr;
    used_ += (bytes + 63) / 64 * 64;
    return place;
  }
  std::size_t used() const { return used_; }

 private:
  char* base_;
  std::size_t used_ = 0;
};

}  // namespace qcface::kernels
