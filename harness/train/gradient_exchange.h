// The backbone's gradient summed over the ranks, in buckets (nn/gradient_buckets.h): each on its way as soon as backward has
// written it, while backward goes on with the layers before. On the CPU a thread takes the sums, over a communicator of its own; on
// a GPU they are enqueued on a second stream. Without overlap the same sums are taken when backward is done: the same bits.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/comm/communicator.h"
#include "core/comm/reducing_thread.h"
#include "nn/backend.h"
#include "nn/gradient_buckets.h"

namespace qcface::train {

struct ExchangeOptions {
  bool overlap = true;
  // Large enough for a link to be used well, small enough for the last bucket, which nothing hides, to be short.
  std::size_t bucket_bytes = std::size_t{4} << 20;
};

class GradientExchange {
 public:
  /// All ranks make it together. The references are borrowed.
  GradientExchange(nn::Backend& backend, Communicator& communicator, std::vector<nn::GradientBucket> buckets,
                   bool overlap);

  /// Whether buckets are summed while backward runs.
  bool overlaps() const { return way_ != Way::kAfter; }
  /// "gradients in 3 buckets, each summed over the processes while backward goes on"; where they are not, why.
  std::string describe() const;

  /// A backward pass begins that leaves its result in `gradients`.
  void begin(float* gradients);
  /// Backward has run that layer. Calls complete(bucket) for each bucket that is complete with it, and starts its sum.
  void layer_done(int layer, const std::function<void(const nn::GradientBucket&)>& complete);
  /// Behind the last layer: the sums are there, for what is enqueued from here on where the backend enqueues.
  void finish();
  /// For an exception of the step on its way out: throws what an exchange under way has failed with before, if it has.
  void rethrow();

 private:
  enum class Way { kAfter, kThread, kStream };
  Array array_of_bucket(const nn::GradientBucket& bucket) const;

  nn::Backend& backend_;
  Communicator& communicator_;
  const std::vector<nn::GradientBucket> buckets_;
  Way way_ = Way::kAfter;
  std::string why_not_;
  std::unique_ptr<ReducingThread> thread_;
  float* gradients_ = nullptr;
  std::size_t next_ = 0;  // bucket
};

}  // namespace qcface::train
