#include "core/comm/communicator.h"

#include <chrono>
#include <cstring>
#include <thread>

#include "core/error.h"

namespace qcface {
namespace {

void require_array(const char* call, const char* which, const Array& array) {
  require(array.rows >= 0 && array.width >= 0, "{}: {} is [{}, {}], expected sizes of 0 or more", call, which,
          array.rows, array.width);
  require(array.data != nullptr || array.count() == 0, "{}: {} [{}, {}] has no memory", call, which,
          array.rows, array.width);
}

void require_reduction(const char* call, const Array& array, Reduce reduce) {
  require(array.type != ElementType::kBytes, "{}: bytes cannot be reduced", call);
  require(reduce != Reduce::kLogSumExp || array.type == ElementType::kF64,
          "{}: log-sum-exp of {}, expected f64", call, name_of(array.type));
}

/// One rank's part and the whole array that it belongs to.
void require_part(const char* call, const Array& part, const Array& whole, int rank, int ranks) {
  require(part.type == whole.type && part.width == whole.width && part.on_device == whole.on_device,
          "{}: rows of {} {} and of {} {}: expected one kind, in memory of one kind", call, part.width,
          name_of(part.type), whole.width, name_of(whole.type));
  const std::int64_t rows = share_of(whole.rows, rank, ranks).count;
  require(part.rows == rows, "{}: {} rows at rank {} of {}, whose share of {} rows is {}", call, part.rows,
          rank, ranks, whole.rows, rows);
}

/// Adds what its scope takes.
class Timed {
 public:
  explicit Timed(double& seconds) : seconds_(seconds) {}
  ~Timed() { seconds_ += std::chrono::duration<double>(Clock::now() - start_).count(); }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  double& seconds_;
  const Clock::time_point start_ = Clock::now();
};

class SingleCommunicator final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void barrier() override {}
  void poll() override {}

 protected:
  void do_all_reduce(const Array&, Reduce, void*) override {}
  void do_broadcast(const Array&, int, void*) override {}
  void do_all_gather(const Array& in, const Array& out, void*) override { copy("all_gather", in, out); }
  void do_reduce_scatter(const Array& in, const Array& out, Reduce, void*) override {
    copy("reduce_scatter", in, out);
  }

 private:
  static void copy(const char* call, const Array& in, const Array& out) {
    if (in.data == out.data || in.count() == 0) return;
    require(!in.on_device,
            "{}: one rank has nothing to bring from device memory to device memory: use the array itself",
            call);
    std::memcpy(out.data, in.data, static_cast<std::size_t>(in.count()) * bytes_of(in.type));
  }
};

}  // namespace

void Communicator::wait_until(const std::function<bool()>& done) {
  while (!done()) {
    poll();
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

std::size_t bytes_of(ElementType type) {
  switch (type) {
    case ElementType::kF32:
    case ElementType::kI32:
      return 4;
    case ElementType::kF64:
    case ElementType::kI64:
      return 8;
    case ElementType::kBytes:
      break;
  }
  return 1;
}

const char* name_of(ElementType type) {
  switch (type) {
    case ElementType::kF32:
      return "f32";
    case ElementType::kF64:
      return "f64";
    case ElementType::kI32:
      return "i32";
    case ElementType::kI64:
      return "i64";
    case ElementType::kBytes:
      break;
  }
  return "bytes";
}

const char* name_of(Reduce reduce) {
  switch (reduce) {
    case Reduce::kSum:
      return "sum";
    case Reduce::kMax:
      return "max";
    case Reduce::kLogSumExp:
      break;
  }
  return "log-sum-exp";
}

void Communicator::all_reduce(const Array& values, Reduce reduce, void* stream) {
  require_array("all_reduce", "the array", values);
  require_reduction("all_reduce", values, reduce);
  const Timed timed(seconds_);
  do_all_reduce(values, reduce, stream);
}

void Communicator::all_gather(const Array& in, const Array& out, void* stream) {
  require_array("all_gather", "in", in);
  require_array("all_gather", "out", out);
  require_part("all_gather", in, out, rank(), size());
  const Timed timed(seconds_);
  do_all_gather(in, out, stream);
}

void Communicator::reduce_scatter(const Array& in, const Array& out, Reduce reduce, void* stream) {
  require_array("reduce_scatter", "in", in);
  require_array("reduce_scatter", "out", out);
  require_reduction("reduce_scatter", in, reduce);
  require_part("reduce_scatter", out, in, rank(), size());
  const Timed timed(seconds_);
  do_reduce_scatter(in, out, reduce, stream);
}

void Communicator::broadcast(const Array& values, int root, void* stream) {
  require_array("broadcast", "the array", values);
  require(root >= 0 && root < size(), "broadcast: root is {}, but the ranks are 0 to {}", root, size() - 1);
  const Timed timed(seconds_);
  do_broadcast(values, root, stream);
}

std::unique_ptr<Communicator> make_single_communicator() { return std::make_unique<SingleCommunicator>(); }

}  // namespace qcface
