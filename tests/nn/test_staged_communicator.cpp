// Collectives of arrays on one device that several ranks use, which here are threads of this process: through the host, with
// the host's bits. Emulated, or on a GPU.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "core/error.h"
#include "nn/cuda/between_devices.h"
#include "tests/nn/test_backend.h"
#include "tests/support/collective_values.h"
#include "tests/support/device_buffer.h"
#include "tests/support/thread_ranks.h"

using namespace qcface;
using namespace qcface::nn;
using test::DeviceBuffer;

namespace {

#define QCFACE_NEEDS_DEVICE() \
  if (!test::no_backend_reason().empty()) QCFACE_SKIP(test::no_backend_reason().c_str())

/// Throws: Catch2's assertions belong to one thread.
template <class T>
void require_bits(const std::vector<T>& got, const T* want, const char* what) {
  for (std::size_t i = 0; i < got.size(); ++i)
    require(std::memcmp(&got[i], want + i, sizeof(T)) == 0, "{}: element {} of {} is {}, expected {}", what,
            i, got.size(), got[i], want[i]);
}

/// A stream of a rank's own, as a backend has one.
class Stream {
 public:
  Stream() { test::check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

template <class T>
void check_type(Communicator& comm, void* stream, const std::vector<Reduce>& reductions) {
  constexpr std::int64_t kWidth = 3;
  const int ranks = comm.size(), rank = comm.rank();
  for (const std::int64_t rows : {0, 1, 2, 7, 400, 1}) {
    const Share mine = share_of(rows, rank, ranks);
    const auto first = static_cast<std::size_t>(mine.first * kWidth),
               part = static_cast<std::size_t>(mine.count * kWidth);
    const auto on = [](auto* data, std::int64_t r) { return array_of(data, r, kWidth, true); };
    const std::vector<T> own = test::values_of<T>(rank, rows * kWidth);
    for (const Reduce reduce : reductions) {
      const std::vector<T> want = test::reduced_values<T>(ranks, rows * kWidth, reduce);
      DeviceBuffer<T> all(own), piece(part);
      comm.reduce_scatter(on(all.data(), rows), on(piece.data(), mine.count), reduce, stream);
      require_bits(piece.host(), want.data() + first, "reduce_scatter");
      require_bits(all.host(), own.data(), "reduce_scatter's in");
      comm.all_reduce(on(all.data(), rows), reduce, stream);
      require_bits(all.host(), want.data(), "all_reduce");
    }
    const std::vector<T> whole = test::values_of<T>(9, rows * kWidth);
    const auto begin = whole.begin() + static_cast<std::ptrdiff_t>(first);
    const DeviceBuffer<T> in(std::vector<T>(begin, begin + static_cast<std::ptrdiff_t>(part)));
    DeviceBuffer<T> out(whole.size());
    comm.all_gather(on(in.data(), mine.count), on(out.data(), rows), stream);
    require_bits(out.host(), whole.data(), "all_gather");
    std::vector<T> place(whole.size(), T(77));
    std::copy(begin, begin + static_cast<std::ptrdiff_t>(part),
              place.begin() + static_cast<std::ptrdiff_t>(first));
    out.assign(place);
    comm.all_gather(on(out.data() + first, mine.count), on(out.data(), rows), stream);
    require_bits(out.host(), whole.data(), "all_gather in place");
    for (int root = 0; root < ranks; ++root) {
      DeviceBuffer<T> values(own);
      comm.broadcast(on(values.data(), rows), root, stream);
      require_bits(values.host(), test::values_of<T>(root, rows * kWidth).data(), "broadcast");
    }
  }
}

}  // namespace

TEST_CASE("staged communicator: every collective and type has the bits of the host's") {
  QCFACE_NEEDS_DEVICE();
  for (const int ranks : {1, 2, 3}) {
    INFO(ranks << " ranks");
    run_ranks(ranks, [](Communicator& host) {
      test::check_cuda(cudaSetDevice(0));
      const auto comm = nn::cuda::make_staged_communicator(host);
      const Stream stream;
      const std::vector<Reduce> both{Reduce::kSum, Reduce::kMax};
      check_type<float>(*comm, stream.get(), both);
      check_type<double>(*comm, stream.get(), both);
      check_type<std::int32_t>(*comm, stream.get(), both);
      check_type<std::int64_t>(*comm, stream.get(), both);
      check_type<unsigned char>(*comm, stream.get(), {});
      DeviceBuffer<double> logs(std::vector<double>{comm->rank() == 0 ? 900.25 : -1e300, 2.0, -1e300});
      comm->all_reduce(array_of(logs.data(), 3, 1, true), Reduce::kLogSumExp, stream.get());
      std::vector<double> want{comm->rank() == 0 ? 900.25 : -1e300, 2.0, -1e300};
      host.all_reduce(array_of(want.data(), 3), Reduce::kLogSumExp);
      require_bits(logs.host(), want.data(), "log-sum-exp");
      // Arrays of the host as before.
      std::vector<float> values = test::values_of<float>(comm->rank(), 5);
      comm->all_reduce(array_of(values.data(), 5), Reduce::kSum);
      require_bits(values, test::reduced_values<float>(comm->size(), 5, Reduce::kSum).data(), "on the host");
      comm->wait(stream.get());
      comm->poll();
      comm->barrier();
      require(!comm->enqueues() && host.enqueues(), "a staged collective cannot be recorded");
      require(comm->seconds() == host.seconds() && comm->seconds() > 0.0, "its time is the host's");
    });
  }
}

TEST_CASE("device communicator: ranks on one GPU go through the host, and all of them do") {
  QCFACE_NEEDS_DEVICE();
  run_ranks(2, [](Communicator& host) {
    const auto comm = make_device_communicator(host, {});
    require(!comm->enqueues(), "two ranks on one GPU, but not through the host");
    DeviceBuffer<float> value(std::vector<float>{static_cast<float>(comm->rank() + 1)});
    comm->all_reduce(array_of(value.data(), 1, 1, true), Reduce::kSum);
    require(value.host()[0] == 3.0f, "the sum of 1 and 2 is {}", value.host()[0]);
  });
  REQUIRE_THROWS_WITH(run_ranks(2,
                                [](Communicator& host) {
                                  make_device_communicator(host, {1000, 600, 64});
                                }),
                      test::contains("GPU 1000 was asked for"));
}

#ifdef QCF_EMULATE
TEST_CASE("staged communicator: copies wait for the stream, and the stream for them") {
  run_ranks(1, [](Communicator& host) {
    const auto comm = nn::cuda::make_staged_communicator(host);
    const Stream stream;
    DeviceBuffer<float> in(std::size_t{4}), out(std::size_t{4});
    const std::vector<float> values{1, 2, 3, 4};
    const emulation::LateStream late(stream.get());
    test::check_cuda(cudaMemcpyAsync(in.data(), values.data(), 16, cudaMemcpyHostToDevice, stream.get()));
    require(late.kept() == 1, "the emulated stream is not late");
    comm->reduce_scatter(array_of(in.data(), 4, 1, true), array_of(out.data(), 4, 1, true), Reduce::kSum,
                         stream.get());
    require(late.kept() == 0, "{} copies are still to come", late.kept());
    require_bits(std::vector<float>(out.data(), out.data() + 4), values.data(), "reduce_scatter");
  });
}
#endif
