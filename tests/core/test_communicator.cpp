#include "core/comm/communicator.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <future>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.h"
#include "tests/support/catch.h"
#include "tests/support/collective_values.h"
#include "tests/support/thread_ranks.h"

using namespace qcface;

namespace {

constexpr int kMostRanks = 4;

template <class T>
bool same_bits(const T* a, const T* b, std::size_t count) {
  return count == 0 || std::memcmp(a, b, count * sizeof(T)) == 0;
}

/// Catch's assertions belong to one thread: ranks note what they find, and the test looks afterwards.
using Findings = std::vector<std::string>;
#define EXPECT_ON_RANK(condition) \
  if (!(condition)) found[static_cast<std::size_t>(comm.rank())] += std::string(#condition) + "; "

template <class T>
void check_collectives(int ranks, const std::vector<Reduce>& reductions) {
  constexpr std::int64_t kWidth = 3;
  for (const std::int64_t rows : {0, 1, 2, 7, 12}) {
    Findings found(static_cast<std::size_t>(ranks));
    run_ranks(ranks, [&](Communicator& comm) {
      EXPECT_ON_RANK(comm.size() == ranks);
      const Share mine = share_of(rows, comm.rank(), ranks);
      const auto first = static_cast<std::size_t>(mine.first * kWidth),
                 part = static_cast<std::size_t>(mine.count * kWidth);
      for (const Reduce reduce : reductions) {
        const std::vector<T> want = test::reduced_values<T>(ranks, rows * kWidth, reduce),
                             own = test::values_of<T>(comm.rank(), rows * kWidth);
        std::vector<T> all = own, piece(part, T(77));
        comm.all_reduce(array_of(all.data(), rows, kWidth), reduce);
        EXPECT_ON_RANK(same_bits(all.data(), want.data(), want.size()));
        all = own;
        comm.reduce_scatter(array_of(all.data(), rows, kWidth), array_of(piece.data(), mine.count, kWidth),
                            reduce);
        EXPECT_ON_RANK(same_bits(piece.data(), want.data() + first, part));
        EXPECT_ON_RANK(same_bits(all.data(), own.data(), own.size()));
      }
      const std::vector<T> whole = test::values_of<T>(9, rows * kWidth);
      const std::vector<T> in(whole.begin() + static_cast<std::ptrdiff_t>(first),
                              whole.begin() + static_cast<std::ptrdiff_t>(first + part));
      std::vector<T> out(whole.size(), T(77));
      comm.all_gather(array_of(in.data(), mine.count, kWidth), array_of(out.data(), rows, kWidth));
      EXPECT_ON_RANK(same_bits(out.data(), whole.data(), whole.size()));
      std::fill(out.begin(), out.end(), T(77));
      std::copy(in.begin(), in.end(), out.begin() + static_cast<std::ptrdiff_t>(first));
      comm.all_gather(array_of(out.data() + first, mine.count, kWidth), array_of(out.data(), rows, kWidth));
      EXPECT_ON_RANK(same_bits(out.data(), whole.data(), whole.size()));
      for (int root = 0; root < ranks; ++root) {
        std::vector<T> values = test::values_of<T>(comm.rank(), rows);
        comm.broadcast(array_of(values.data(), rows), root);
        EXPECT_ON_RANK(same_bits(values.data(), test::values_of<T>(root, rows).data(), values.size()));
        comm.poll();
        comm.barrier();
      }
    });
    INFO(ranks << " ranks, " << rows << " rows");
    CHECK(found == Findings(static_cast<std::size_t>(ranks)));
  }
}

/// The test fails if `work` does not end: a rank that waits for ever is what these tests are about.
void within_ten_seconds(const std::function<void()>& work) {
  auto task = std::make_shared<std::packaged_task<void()>>(work);
  std::future<void> done = task->get_future();
  std::thread thread([task] { (*task)(); });
  if (done.wait_for(std::chrono::seconds(10)) != std::future_status::ready) {
    thread.detach();
    FAIL("still waiting after ten seconds");
  }
  thread.join();
  done.get();
}

/// The text of the Error that each rank's work ends with, or "".
struct Outcome {
  std::vector<std::string> texts;
  std::string thrown;  // by run_ranks
};
Outcome outcome(int ranks, const std::function<void(Communicator&)>& work) {
  const auto result = std::make_shared<Outcome>();
  result->texts.resize(static_cast<std::size_t>(ranks));
  within_ten_seconds([result, ranks, work] {
    try {
      run_ranks(ranks, [&](Communicator& comm) {
        try {
          work(comm);
        } catch (const std::exception& error) {
          result->texts[static_cast<std::size_t>(comm.rank())] = error.what();
          throw;
        }
      });
    } catch (const std::exception& error) {
      result->thrown = error.what();
    }
  });
  return *result;
}

}  // namespace

TEST_CASE("Shares of any total follow each other and leave nothing out", "[core]") {
  for (const std::int64_t total : {0, 1, 2, 5, 11, 93431}) {
    for (int ranks = 1; ranks <= 7; ++ranks) {
      std::int64_t next = 0;
      for (int r = 0; r < ranks; ++r) {
        const Share share = share_of(total, r, ranks);
        CHECK(share.first == next);
        CHECK((share.count == total / ranks || share.count == total / ranks + 1));
        next += share.count;
      }
      CHECK(next == total);
    }
  }
}

TEST_CASE("Every collective gives every rank the bits of a reduction in rank order", "[core]") {
  const std::vector<Reduce> sum_and_max{Reduce::kSum, Reduce::kMax};
  for (int ranks = 1; ranks <= kMostRanks; ++ranks) {
    check_collectives<float>(ranks, sum_and_max);
    check_collectives<double>(ranks, sum_and_max);
    check_collectives<std::int32_t>(ranks, sum_and_max);
    check_collectives<std::int64_t>(ranks, sum_and_max);
    check_collectives<unsigned char>(ranks, {});
  }
  // The order shows: in the other one the bits differ.
  std::vector<float> backwards = test::values_of<float>(2, 36);
  for (int r = 1; r >= 0; --r) {
    const std::vector<float> values = test::values_of<float>(r, 36);
    for (std::size_t i = 0; i < values.size(); ++i) backwards[i] += values[i];
  }
  CHECK_FALSE(same_bits(backwards.data(), test::reduced_values<float>(3, 36, Reduce::kSum).data(), 36));
}

TEST_CASE("The one-rank communicator leaves numbers as they are and copies what is gathered", "[core]") {
  const auto single = make_single_communicator();
  REQUIRE(single->rank() == 0);
  REQUIRE(single->size() == 1);
  const std::vector<double> own = test::values_of<double>(0, 12);
  for (const Reduce reduce : {Reduce::kSum, Reduce::kMax, Reduce::kLogSumExp}) {
    std::vector<double> values = own, out(12);
    single->all_reduce(array_of(values.data(), 4, 3), reduce);
    CHECK(values == own);
    single->reduce_scatter(array_of(values.data(), 4, 3), array_of(out.data(), 4, 3), reduce);
    CHECK(out == own);
  }
  std::vector<double> out(12);
  single->all_gather(array_of(own.data(), 4, 3), array_of(out.data(), 4, 3));
  CHECK(out == own);
  single->broadcast(array_of(out.data(), 12), 0);
  single->barrier();
  single->poll();
  CHECK(out == own);
  CHECK_THROWS_WITH(single->broadcast(array_of(out.data(), 12), 1), test::contains("root is 1"));
}

TEST_CASE("Log-sum-exp over ranks: rank 0's alone, equal ones, and none at all", "[core]") {
  for (int ranks = 1; ranks <= kMostRanks; ++ranks) {
    std::vector<std::vector<double>> got(static_cast<std::size_t>(ranks));
    run_ranks(ranks, [&](Communicator& comm) {
      std::vector<double> values{comm.rank() == 0 ? 900.25 : -1e300, 2.0, -1e300, 10.0 * comm.rank()};
      comm.all_reduce(array_of(values.data(), 2, 2), Reduce::kLogSumExp);
      got[static_cast<std::size_t>(comm.rank())] = values;
    });
    double sum = 0;
    for (int r = 0; r < ranks; ++r) sum += std::exp(10.0 * r);
    for (const std::vector<double>& values : got) {
      CHECK(values == got.front());
      CHECK(values[0] == 900.25);
      CHECK(std::fabs(values[1] - (2 + std::log(ranks))) <= 1e-15);
      CHECK(values[2] == -1e300);
      CHECK(std::fabs(values[3] - std::log(sum)) <= 1e-14);
    }
  }
}

TEST_CASE("The maximum over ranks is NaN if one of them is", "[core]") {
  for (int nan_at = 0; nan_at < 3; ++nan_at) {
    std::vector<float> got(3);
    run_ranks(3, [&](Communicator& comm) {
      float value = comm.rank() == nan_at ? std::numeric_limits<float>::quiet_NaN() : 1.0f;
      comm.all_reduce(array_of(&value, 1), Reduce::kMax);
      got[static_cast<std::size_t>(comm.rank())] = value;
    });
    for (const float value : got) CHECK(std::isnan(value));
  }
}

TEST_CASE("A rank that throws is named to those that wait, and its own error is the one that comes out",
          "[core]") {
  for (int ranks = 2; ranks <= kMostRanks; ++ranks) {
    for (int lost = 0; lost < ranks; ++lost) {
      for (const int step : {0, 3}) {
        const Outcome result = outcome(ranks, [=](Communicator& comm) {
          for (int k = 0; k < 5; ++k) {
            if (comm.rank() == lost && k == step) throw std::runtime_error("the disk is full");
            std::vector<float> values(4, 1.0f);
            comm.all_reduce(array_of(values.data(), 4), Reduce::kSum);
          }
        });
        INFO(ranks << " ranks, rank " << lost << " lost at step " << step);
        CHECK(result.thrown == "the disk is full");
        for (int r = 0; r < ranks; ++r) {
          const std::string& text = result.texts[static_cast<std::size_t>(r)];
          if (r == lost) {
            CHECK(text == "the disk is full");
          } else {
            CHECK(text == fmt::format("all_reduce at rank {} of {}: rank {} is gone (the disk is full)", r,
                                      ranks, lost));
          }
        }
      }
    }
  }
}

TEST_CASE("A rank that returns while others meet is named", "[core]") {
  const Outcome result = outcome(3, [](Communicator& comm) {
    comm.barrier();
    if (comm.rank() != 1) comm.barrier();
  });
  CHECK_THAT(result.thrown,
             test::contains("barrier") && test::contains("rank 1 is gone (its work had ended)"));
  for (const int r : {0, 2})
    CHECK_THAT(result.texts[static_cast<std::size_t>(r)], test::contains("rank 1 is gone"));
  CHECK(result.texts[1].empty());
}

TEST_CASE("poll tells of a rank that was stopped, not of one that came to its end", "[core]") {
  const auto until_told = [](Communicator& comm, std::chrono::milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (std::chrono::steady_clock::now() < end) {
      comm.poll();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  };
  Outcome result = outcome(2, [&](Communicator& comm) {
    if (comm.rank() == 1) throw std::runtime_error("no memory");
    until_told(comm, std::chrono::seconds(5));
  });
  CHECK(result.texts[0] == "poll at rank 0 of 2: rank 1 is gone (no memory)");
  result = outcome(2, [&](Communicator& comm) {
    if (comm.rank() == 0) until_told(comm, std::chrono::milliseconds(50));
  });
  CHECK(result.thrown.empty());
}

TEST_CASE("Calls that differ between ranks are an Error on all of them", "[core]") {
  using Work = std::function<void(Communicator&, bool odd)>;
  float f[8] = {};
  double d[8] = {};
  std::int32_t i[8] = {};
  const std::vector<std::pair<Work, std::string>> works{
      {[&](Communicator& comm, bool odd) { comm.all_reduce(array_of(f, odd ? 3 : 4), Reduce::kSum); },
       "rank 0 calls all_reduce (sum) of [4, 1] f32, rank 1 all_reduce (sum) of [3, 1] f32"},
      {[&](Communicator& comm, bool odd) {
         comm.all_reduce(array_of(f, 4), odd ? Reduce::kMax : Reduce::kSum);
       },
       "(max)"},
      {[&](Communicator& comm, bool odd) {
         comm.all_reduce(odd ? array_of(i, 4) : array_of(f, 4), Reduce::kSum);
       },
       "i32"},
      {[&](Communicator& comm, bool odd) { comm.broadcast(array_of(d, 4), odd ? 1 : 0); }, "from rank 1"},
      {[&](Communicator& comm, bool odd) { odd ? comm.barrier() : comm.broadcast(array_of(d, 4), 0); },
       "barrier"},
      {[&](Communicator& comm, bool odd) {
         const std::int64_t rows = odd ? 9 : 6;
         std::vector<float> in(9), out(9);
         comm.all_gather(array_of(in.data(), share_of(rows, comm.rank(), 3).count),
                         array_of(out.data(), rows));
       },
       "all_gather of [9, 1] f32"},
  };
  for (const auto& [work, part] : works) {
    const Outcome result = outcome(3, [work = work](Communicator& comm) { work(comm, comm.rank() == 1); });
    for (const std::string& text : result.texts) {
      CHECK_THAT(text, test::contains("every rank has to make the same calls") && test::contains(part));
    }
  }
}

TEST_CASE("Collectives refuse what they cannot do, in a sentence", "[core]") {
  const auto single = make_single_communicator();
  float f[8] = {};
  unsigned char bytes[8] = {};
  CHECK_THROWS_WITH(single->all_reduce(array_of(f, 8), Reduce::kLogSumExp),
                    test::contains("log-sum-exp of f32, expected f64"));
  CHECK_THROWS_WITH(single->all_reduce(array_of(bytes, 8), Reduce::kSum),
                    test::contains("bytes cannot be reduced"));
  CHECK_THROWS_WITH(single->all_reduce(array_of(static_cast<float*>(nullptr), 8), Reduce::kSum),
                    test::contains("no memory"));
  CHECK_THROWS_WITH(single->all_reduce(array_of(f, -1), Reduce::kSum), test::contains("[-1, 1]"));
  CHECK_THROWS_WITH(single->all_gather(array_of(f, 3), array_of(f, 4)),
                    test::contains("3 rows at rank 0 of 1"));
  CHECK_THROWS_WITH(single->all_gather(array_of(f, 4), array_of(bytes, 4)), test::contains("one kind"));
  const Outcome device =
      outcome(2, [&](Communicator& comm) { comm.all_reduce(array_of(f, 8, 1, true), Reduce::kSum); });
  CHECK_THAT(device.thrown, test::contains("on a device"));
  const Outcome wrong_share = outcome(2, [](Communicator& comm) {
    float in[4] = {}, out[4] = {};
    comm.reduce_scatter(array_of(in, 3), array_of(out, 1), Reduce::kSum);
  });
  CHECK_THAT(wrong_share.thrown,
             test::contains("reduce_scatter: 1 rows at rank 1 of 2, whose share of 3 rows is 2"));
  CHECK_THROWS_WITH(run_ranks(0, [](Communicator&) {}), test::contains("at least 1"));
}
