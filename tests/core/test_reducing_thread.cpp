// Sums over the ranks beside the caller's own work, and how either of the two threads fails.
#include "core/comm/reducing_thread.h"

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "tests/support/catch.h"
#include "tests/support/collective_values.h"
#include "tests/support/no_threads.h"
#include "tests/support/rank_errors.h"
#include "tests/support/thread_ranks.h"

using namespace qcface;

namespace {

std::vector<std::string> outcome(int ranks, const std::function<void(Communicator&)>& work) {
  return test::errors_of_ranks(ranks, work, std::chrono::seconds(20));
}

std::unique_ptr<ReducingThread> beside(Communicator& comm) {
  auto own = comm.another();
  require(own != nullptr, "no communicator for another thread");
  return std::make_unique<ReducingThread>(std::move(own));
}

}  // namespace

TEST_CASE("A reducing thread takes sums in rank order while the caller has collectives of its own",
          "[core]") {
  for (const int ranks : {2, 3, 4}) {
    const std::vector<std::string> texts = outcome(ranks, [&](Communicator& comm) {
      const auto thread = beside(comm), another_thread = beside(comm);
      for (int round = 0; round < 20; ++round) {
        std::vector<std::vector<float>> sums;
        for (std::int64_t k = 0; k < 5; ++k) sums.push_back(test::values_of<float>(comm.rank(), 7 * k));
        std::vector<float> other = test::values_of<float>(comm.rank(), 99);
        another_thread->start(array_of(other.data(), 99));
        for (std::int64_t k = 0; k < 5; ++k) {
          thread->start(array_of(sums[static_cast<std::size_t>(k)].data(), 7 * k));
          std::vector<float> own = test::values_of<float>(comm.rank(), 12);
          comm.all_reduce(array_of(own.data(), 12), Reduce::kMax);
          require(own == test::reduced_values<float>(comm.size(), 12, Reduce::kMax), "the caller's maximum");
        }
        thread->finish();
        another_thread->finish();
        for (std::int64_t k = 0; k < 5; ++k)
          require(sums[static_cast<std::size_t>(k)] ==
                      test::reduced_values<float>(comm.size(), 7 * k, Reduce::kSum),
                  "sum {} of {} ranks", k, comm.size());
        require(other == test::reduced_values<float>(comm.size(), 99, Reduce::kSum), "the other thread's");
      }
    });
    REQUIRE(texts == std::vector<std::string>(static_cast<std::size_t>(ranks)));
  }
}

TEST_CASE("One rank has no communicator for another thread", "[core]") {
  run_ranks(1, [](Communicator& comm) { require(comm.another() == nullptr, "there is one"); });
  REQUIRE(make_single_communicator()->another() == nullptr);
}

TEST_CASE("A reducing thread hands its Error to the caller: calls that differ", "[core]") {
  for (const bool rethrown : {false, true}) {
    INFO(rethrown);
    const std::vector<std::string> texts = outcome(3, [&](Communicator& comm) {
      const auto thread = beside(comm);
      std::vector<float> values(8);
      thread->start(array_of(values.data(), comm.rank() == 2 ? 7 : 8));
      if (rethrown) {
        // Whatever the caller meets with after it, this came first.
        for (;;) {
          thread->rethrow();
          std::this_thread::yield();
        }
      }
      thread->start(array_of(values.data(), 8));  // may throw it already
      thread->finish();
    });
    for (const std::string& text : texts)
      REQUIRE_THAT(text,
                   test::contains("rank 0 calls all_reduce (sum) of [8, 1] f32, rank 2 all_reduce (sum) "
                                  "of [7, 1] f32"));
  }
}

TEST_CASE("A rank that throws beside its reducing thread ends it, and is named to the others", "[core]") {
  // Rank 1 leaves: with a sum under way that rank 2 never comes to; before its sum; with none.
  for (const int started : {2, 1, 0}) {
    const std::vector<std::string> texts = outcome(3, [&](Communicator& comm) {
      const auto thread = beside(comm);
      std::vector<float> values(1000, 1.0f);
      const int mine = comm.rank() == 2 ? 0 : comm.rank() == 1 ? started : 2;
      for (int k = 0; k < mine; ++k) thread->start(array_of(values.data() + 500 * k, 500));
      if (comm.rank() == 1) {
        std::this_thread::sleep_for(
            std::chrono::milliseconds(20));  // the thread waits for rank 2, most likely
        fail("no pictures left");
      }
      if (comm.rank() == 2) {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        thread->start(array_of(values.data(), 500));
      }
      thread->finish();
    });
    INFO(started);
    REQUIRE(texts[1] == "no pictures left");
    REQUIRE_THAT(texts[0], test::contains("rank 1 is gone (no pictures left)"));
    REQUIRE_THAT(texts[2], test::contains("rank 1 is gone (no pictures left)"));
  }
}

TEST_CASE("A reducing thread that the system does not start is an Error that names the rank", "[core]") {
  const pid_t child = ::fork();
  if (child == 0) {
    int status = 1;
    if (!test::refuse_threads()) status = 99;
    try {
      const ReducingThread thread(make_single_communicator());
    } catch (const Error& error) {
      const std::string text = error.what();
      if (text.find("rank 0 of 1: the system starts no further thread") == 0) status = 0;
    }
    ::_exit(status);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("What a caller has waited for another thread counts as time in collectives", "[core]") {
  run_ranks(2, [](Communicator& comm) {
    const double before = comm.seconds().value_or(-1);
    comm.count_waiting(2.5);
    require(comm.seconds().value_or(-1) == before + 2.5, "{} after {} and 2.5", comm.seconds().value_or(-1),
            before);
  });
}
