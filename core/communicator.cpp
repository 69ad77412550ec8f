#include "core/communicator.h"

#include <algorithm>

#include "core/error.h"

namespace qcface {
namespace {

class SingleCommunicator final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void all_reduce_sum(std::span<float>) override {}
  void all_reduce_sum(std::span<double>) override {}
  void broadcast(std::span<float>, int root) override {
    require(root == 0, "broadcast: root is {}, but there is one rank", root);
  }
  void all_gather(std::span<const float> send, std::span<float> recv) override {
    require(send.size() == recv.size(), "all_gather: {} elements sent, room for {}", send.size(),
            recv.size());
    std::copy(send.begin(), send.end(), recv.begin());
  }
  void barrier() override {}
};

}  // namespace

std::unique_ptr<Communicator> make_single_communicator() { return std::make_unique<SingleCommunicator>(); }

}  // namespace qcface
