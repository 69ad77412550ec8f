// What layers and the trainer see of other ranks. One process is the one-rank communicator, whose reductions
// leave their argument as it is, so that code is written once for any number of ranks.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace qcface {

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// In place element-wise sum over all ranks; every rank ends with the same bits.
  virtual void all_reduce_sum(std::span<float> values) = 0;
  virtual void all_reduce_sum(std::span<double> values) = 0;
  /// Copies root's values to every rank.
  virtual void broadcast(std::span<float> values, int root) = 0;
  /// recv holds size() * send.size() elements, in rank order.
  virtual void all_gather(std::span<const float> send, std::span<float> recv) = 0;
  virtual void barrier() = 0;
};

/// The communicator of a single process.
std::unique_ptr<Communicator> make_single_communicator();

}  // namespace qcface
