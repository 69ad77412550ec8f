#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <limits>
#include <utility>

#include "core/comm/launch.h"
#include "core/comm/reducing_thread.h"
#include "core/error.h"
#include "tests/core/comm/ranks.h"
#include "tests/support/collective_values.h"

namespace qcface::test {
namespace {

template <class T>
void require_bits(const T* got, const T* want, std::size_t count, const std::string& what) {
  for (std::size_t i = 0; i < count; ++i)
    require(std::memcmp(got + i, want + i, sizeof(T)) == 0, "{}: element {} of {} is {}, expected {}", what,
            i, count, got[i], want[i]);
}

template <class T>
void check_size(Communicator& comm, std::int64_t rows, std::int64_t width,
                const std::vector<Reduce>& reductions) {
  const int ranks = comm.size(), rank = comm.rank();
  const Share mine = share_of(rows, rank, ranks);
  const auto first = static_cast<std::size_t>(mine.first * width),
             part = static_cast<std::size_t>(mine.count * width);
  const auto on = [&](auto* data, std::int64_t r) { return array_of(data, r, width); };
  const std::string size =
      fmt::format("rank {} of {}, [{}, {}] of {} bytes", rank, ranks, rows, width, sizeof(T));
  for (const Reduce reduce : reductions) {
    const std::vector<T> want = reduced_values<T>(ranks, rows * width, reduce),
                         own = values_of<T>(rank, rows * width);
    std::vector<T> all = own, piece(part, T(77));
    comm.all_reduce(on(all.data(), rows), reduce);
    require_bits(all.data(), want.data(), want.size(), size + ": all_reduce");
    all = own;
    comm.reduce_scatter(on(all.data(), rows), on(piece.data(), mine.count), reduce);
    require_bits(piece.data(), want.data() + first, part, size + ": reduce_scatter");
    require_bits(all.data(), own.data(), own.size(), size + ": reduce_scatter's in");
  }
  const std::vector<T> whole = values_of<T>(9, rows * width);
  const std::vector<T> in(whole.begin() + static_cast<std::ptrdiff_t>(first),
                          whole.begin() + static_cast<std::ptrdiff_t>(first + part));
  std::vector<T> out(whole.size(), T(77));
  comm.all_gather(on(in.data(), mine.count), on(out.data(), rows));
  require_bits(out.data(), whole.data(), whole.size(), size + ": all_gather");
  std::fill(out.begin(), out.end(), T(77));
  std::copy(in.begin(), in.end(), out.begin() + static_cast<std::ptrdiff_t>(first));
  comm.all_gather(on(out.data() + first, mine.count), on(out.data(), rows));
  require_bits(out.data(), whole.data(), whole.size(), size + ": all_gather in place");
  for (int root = 0; root < ranks; ++root) {
    std::vector<T> values = values_of<T>(rank, rows * width);
    comm.broadcast(on(values.data(), rows), root);
    require_bits(values.data(), values_of<T>(root, rows * width).data(), values.size(), size + ": broadcast");
  }
  comm.poll();
  comm.barrier();
}

void check_log_sum_exp(Communicator& comm, std::int64_t count) {
  const int ranks = comm.size();
  // Rank 0's alone, equal ones, none at all, and different ones.
  std::vector<double> values;
  for (std::int64_t i = 0; i < count; ++i) {
    const double kinds[] = {comm.rank() == 0 ? 900.25 : -1e300, 2.0, -1e300, 10.0 * comm.rank()};
    values.push_back(kinds[i % 4]);
  }
  comm.all_reduce(array_of(values.data(), count), Reduce::kLogSumExp);
  double sum = 0;
  for (int r = 0; r < ranks; ++r) sum += std::exp(10.0 * r);
  const double want[] = {900.25, 2 + std::log(ranks), -1e300, std::log(sum)};
  for (std::int64_t i = 0; i < count; ++i) {
    const double got = values[static_cast<std::size_t>(i)];
    require(i % 2 == 0 ? got == want[i % 4] : std::fabs(got - want[i % 4]) <= 1e-14,
            "log-sum-exp of {} values: {} at {}, expected {}", count, got, i, want[i % 4]);
  }
}

void check_nan(Communicator& comm) {
  for (int nan_at = 0; nan_at < comm.size(); ++nan_at) {
    for (const std::int64_t count : {1, 300, 20000}) {
      std::vector<float> values(static_cast<std::size_t>(count),
                                comm.rank() == nan_at ? std::numeric_limits<float>::quiet_NaN() : 1.0f);
      comm.all_reduce(array_of(values.data(), count), Reduce::kMax);
      for (const float value : values) require(std::isnan(value), "the maximum with a NaN is {}", value);
    }
  }
}

void require_error(const std::function<void()>& work, const std::string& part) {
  std::string text = "no error";
  try {
    work();
  } catch (const Error& error) {
    text = error.what();
  }
  require(text.find(part) != std::string::npos, "the error is '{}', expected one with '{}'", text, part);
}

void check_errors(Communicator& comm) {
  float f[8] = {};
  unsigned char bytes[8] = {};
  std::int32_t i[8] = {};
  require_error([&] { comm.all_reduce(array_of(f, 8), Reduce::kLogSumExp); },
                "log-sum-exp of f32, expected f64");
  require_error([&] { comm.all_reduce(array_of(bytes, 8), Reduce::kSum); }, "bytes cannot be reduced");
  require_error([&] { comm.broadcast(array_of(f, 8), comm.size()); }, "but the ranks are 0 to");
  require_error([&] { comm.all_gather(array_of(f, 8), array_of(f, 7)); }, "rows at rank");
  require_error([&] { comm.all_reduce(array_of(f, 8, 1, true), Reduce::kSum); },
                "MPI takes arrays of the host, this one is on a device");
  if (comm.size() == 1) return;
  const bool odd = comm.rank() == 1;
  const std::string same = "every rank has to make the same calls in the same order";
  require_error(
      [&] { comm.all_reduce(array_of(f, odd ? 3 : 4), Reduce::kSum); },
      "rank 0 calls all_reduce (sum) of [4, 1] f32, rank 1 all_reduce (sum) of [3, 1] f32: " + same);
  require_error([&] { comm.all_reduce(odd ? array_of(i, 4) : array_of(f, 4), Reduce::kSum); }, same);
  require_error([&] { comm.all_reduce(array_of(f, 4), odd ? Reduce::kMax : Reduce::kSum); }, same);
  require_error([&] { comm.broadcast(array_of(f, 4), odd ? 1 : 0); }, same);
  require_error([&] { odd ? comm.barrier() : comm.broadcast(array_of(f, 4), 0); }, same);
}

}  // namespace

void check_collectives(MpiCommunicator& comm) {
  const std::vector<Reduce> sum_and_max{Reduce::kSum, Reduce::kMax};
  // Within a slip, together, in one piece and in many (of 8 KiB in check_all).
  for (const std::int64_t rows : {0, 1, 2, 7, 12, 100, 333, 5001}) {
    check_size<float>(comm, rows, 3, sum_and_max);
    check_size<double>(comm, rows, 3, sum_and_max);
    check_size<std::int32_t>(comm, rows, 3, sum_and_max);
    check_size<std::int64_t>(comm, rows, 3, sum_and_max);
    check_size<unsigned char>(comm, rows, 3, {});
  }
  check_size<float>(comm, 3, 0, sum_and_max);
  check_size<float>(comm, 3, 3001, sum_and_max);
  for (const std::int64_t count : {4, 400, 30000}) check_log_sum_exp(comm, count);
  check_nan(comm);
  check_errors(comm);
}

void check_all() {
  MpiOptions options;
  options.staging_bytes = 8192;
  const auto comm = make_mpi_communicator(options);
  const Launch launch = this_launch();
  require(comm->size() == launch.size && comm->rank() == launch.rank,
          "rank {} of {}, but the launcher says {} of {}", comm->rank(), comm->size(), launch.rank,
          launch.size);
  require(comm->local_rank() == comm->rank() && comm->local_size() == comm->size(),
          "local rank {} of {} on one host", comm->local_rank(), comm->local_size());
  require(!comm->host(0).empty() && comm->host(0) == comm->host(comm->size() - 1), "hosts '{}' and '{}'",
          comm->host(0), comm->host(comm->size() - 1));
  check_collectives(*comm);

  // Another beside it.
  MpiOptions second_options;
  second_options.staging_bytes = std::size_t{1} << 20;
  const auto second = make_mpi_communicator(second_options);
  check_collectives(*second);
  check_size<float>(*second, 1000003, 1, {Reduce::kSum});
  comm->barrier();

  // One for another thread: sums of it while this thread has collectives of its own.
  if (auto third = comm->another()) {
    require(comm->size() > 1 && third->rank() == comm->rank() && third->size() == comm->size(),
            "another rank");
    ReducingThread thread(std::move(third));
    std::vector<std::vector<float>> sums;
    for (const std::int64_t count : {3, 500, 3001, 100003})
      sums.push_back(values_of<float>(comm->rank(), count));
    for (std::vector<float>& sum : sums)
      thread.start(array_of(sum.data(), static_cast<std::int64_t>(sum.size())));
    for (const std::int64_t rows : {7, 333, 5001}) check_size<float>(*comm, rows, 3, {Reduce::kSum});
    thread.finish();
    for (const std::vector<float>& sum : sums) {
      const std::vector<float> want =
          reduced_values<float>(comm->size(), static_cast<std::int64_t>(sum.size()), Reduce::kSum);
      require_bits(sum.data(), want.data(), want.size(), "a sum of another thread");
    }
  } else {
    require(comm->size() == 1, "no communicator for another thread");
  }
  second->finish();
  require_error([&] { second->barrier(); }, "the communicator is closed");
  comm->barrier();
  comm->finish();
  comm->finish();
  require_error([] { make_mpi_communicator({}); }, "MPI is closed");
  if (launch.rank == 0)
    std::printf("%d ranks: all collectives are right (%s)\n", launch.size, mpi_library().c_str());
}

}  // namespace qcface::test
