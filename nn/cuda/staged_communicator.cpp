// Arrays of a device over a communicator of the host: down, the collective, up again. No rank waits on its stream for another.
#include <algorithm>
#include <cstddef>

#include "nn/cuda/between_devices.h"
#include "nn/cuda/step_memory.h"

namespace qcface::nn::cuda {
namespace {

class StagedRanks final : public DeviceCommunicator {
 public:
  explicit StagedRanks(Communicator& host) : host_(host) {}

  int rank() const override { return host_.rank(); }
  int size() const override { return host_.size(); }
  int local_size() const override { return host_.local_size(); }
  int local_rank() const override { return host_.local_rank(); }
  void barrier() override { host_.barrier(); }
  void poll() override { host_.poll(); }
  bool enqueues() const override { return false; }
  std::optional<double> seconds() const override { return host_.seconds(); }
  void wait(void* stream) override { settle(stream); }  // nothing on it waits for another rank

 protected:
  void do_all_reduce(const Array& values, Reduce reduce, void* stream) override {
    if (!values.on_device) return host_.all_reduce(values, reduce);
    const Array staged = beside(values, 0, bytes(values));
    fetch(values, staged, stream);
    host_.all_reduce(staged, reduce);
    send(staged, values, stream);
  }

  void do_reduce_scatter(const Array& in, const Array& out, Reduce reduce, void* stream) override {
    if (!in.on_device) return host_.reduce_scatter(in, out, reduce);
    const std::size_t all = bytes(in) + bytes(out);
    const Array whole = beside(in, 0, all), part = beside(out, bytes(in), all);
    fetch(in, whole, stream);
    host_.reduce_scatter(whole, part, reduce);
    send(part, out, stream);
  }

  void do_all_gather(const Array& in, const Array& out, void* stream) override {
    if (!in.on_device) return host_.all_gather(in, out);
    const std::int64_t first = share_of(out.rows, rank(), size()).first * out.width;
    const Array whole = beside(out, 0, bytes(out)),
                part = beside(in, static_cast<std::size_t>(first) * bytes_of(out.type), bytes(out));
    fetch(in, part, stream);
    host_.all_gather(part, whole);
    send(whole, out, stream);
  }

  void do_broadcast(const Array& values, int root, void* stream) override {
    if (!values.on_device) return host_.broadcast(values, root);
    const Array staged = beside(values, 0, bytes(values));
    if (rank() == root) fetch(values, staged, stream);
    host_.broadcast(staged, root);
    if (rank() != root) send(staged, values, stream);
  }

 private:
  static std::size_t bytes(const Array& array) {
    return static_cast<std::size_t>(array.count()) * bytes_of(array.type);
  }

  /// An array like `array` at an offset of our memory, of which `all` bytes are needed.
  Array beside(const Array& array, std::size_t offset, std::size_t all) {
    if (all > room_) {
      memory_ = PinnedMemory();
      room_ = 0;
      memory_ = PinnedMemory(all);
      room_ = all;
    }
    Array staged = array;
    staged.data = memory_.as<std::byte>(offset);
    staged.on_device = false;
    return staged;
  }

  static void fetch(const Array& from, const Array& to, void* stream) {
    if (from.count() > 0)
      check_cuda(cudaMemcpyAsync(to.data, from.data, bytes(from), cudaMemcpyDeviceToHost,
                                 static_cast<cudaStream_t>(stream)),
                 "an array on its way to the other ranks");
    settle(stream);
  }
  /// Waits too: the memory is used again.
  static void send(const Array& from, const Array& to, void* stream) {
    if (from.count() > 0)
      check_cuda(cudaMemcpyAsync(to.data, from.data, bytes(from), cudaMemcpyHostToDevice,
                                 static_cast<cudaStream_t>(stream)),
                 "an array of the other ranks");
    settle(stream);
  }
  static void settle(void* stream) {
    check_cuda(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)), "the stream of a collective");
  }

  Communicator& host_;
  PinnedMemory memory_;
  std::size_t room_ = 0;
};

}  // namespace

std::unique_ptr<DeviceCommunicator> make_staged_communicator(Communicator& host) {
  return std::make_unique<StagedRanks>(host);
}

}  // namespace qcface::nn::cuda
