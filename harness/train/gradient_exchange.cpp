#include "harness/train/gradient_exchange.h"

#include <chrono>
#include <cstdint>
#include <utility>

#include "core/error.h"

namespace qcface::train {

GradientExchange::GradientExchange(nn::Backend& backend, Communicator& communicator,
                                   std::vector<nn::GradientBucket> buckets, bool overlap)
    : backend_(backend), communicator_(communicator), buckets_(std::move(buckets)) {
  if (!overlap) {
    why_not_ = "--no-overlap";
  } else if (!backend.on_host()) {
    // One that waits for its sums would keep the host from enqueuing the layers.
    if (!communicator.enqueues()) {
      why_not_ = "arrays of the device go over the host";
    } else {
      backend.communication_stream();
      way_ = Way::kStream;
    }
  } else if (auto own = communicator.another()) {
    thread_ = std::make_unique<ReducingThread>(std::move(own));
    way_ = Way::kThread;
  } else {
    why_not_ = "what connects the processes lets only one thread call it";
  }
}

std::string GradientExchange::describe() const {
  const std::string buckets =
      buckets_.size() == 1 ? "one bucket" : fmt::format("{} buckets", buckets_.size());
  if (overlaps())
    return fmt::format("gradients in {}, each summed over the processes while backward goes on", buckets);
  return fmt::format("gradients in {}, summed over the processes after backward: {}", buckets, why_not_);
}

Array GradientExchange::array_of_bucket(const nn::GradientBucket& bucket) const {
  return array_of(gradients_ + bucket.first, static_cast<std::int64_t>(bucket.count), 1, !backend_.on_host());
}

void GradientExchange::begin(float* gradients) {
  gradients_ = gradients;
  next_ = 0;
}

void GradientExchange::layer_done(int layer, const std::function<void(const nn::GradientBucket&)>& complete) {
  for (; next_ < buckets_.size() && buckets_[next_].layer >= layer; ++next_) {
    const nn::GradientBucket& bucket = buckets_[next_];
    complete(bucket);
    if (way_ == Way::kThread) thread_->start(array_of_bucket(bucket));
    if (way_ != Way::kStream) continue;
    backend_.fork_communication();
    communicator_.all_reduce(array_of_bucket(bucket), Reduce::kSum, backend_.communication_stream());
  }
}

void GradientExchange::finish() {
  require(next_ == buckets_.size(), "gradients: {} of {} buckets were complete at the end of backward", next_,
          buckets_.size());
  switch (way_) {
    case Way::kAfter:
      for (const nn::GradientBucket& bucket : buckets_)
        communicator_.all_reduce(array_of_bucket(bucket), Reduce::kSum, backend_.stream_handle());
      break;
    case Way::kThread: {
      const auto start = std::chrono::steady_clock::now();
      thread_->finish();
      communicator_.count_waiting(
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      break;
    }
    case Way::kStream:
      backend_.join_communication();
      break;
  }
}

void GradientExchange::rethrow() {
  if (thread_) thread_->rethrow();
}

}  // namespace qcface::train
