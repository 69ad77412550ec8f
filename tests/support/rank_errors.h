// What ranks that are threads end with.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/thread_ranks.h"

namespace qcface::test {

/// The text of the Error that each rank's work ends with, or "". Ranks that still wait after `most` fail the test.
inline std::vector<std::string> errors_of_ranks(int ranks, const std::function<void(Communicator&)>& work,
                                                std::chrono::seconds most) {
  const auto texts = std::make_shared<std::vector<std::string>>(static_cast<std::size_t>(ranks));
  auto task = std::make_shared<std::packaged_task<void()>>([texts, ranks, work] {
    try {
      run_ranks(ranks, [&](Communicator& communicator) {
        try {
          work(communicator);
        } catch (const std::exception& error) {
          (*texts)[static_cast<std::size_t>(communicator.rank())] = error.what();
          throw;
        }
      });
    } catch (const std::exception&) {  // one of the texts
    }
  });
  std::future<void> done = task->get_future();
  std::thread thread([task] { (*task)(); });
  if (done.wait_for(most) != std::future_status::ready) {
    thread.detach();
    FAIL("still waiting after " << most.count() << " s");
  }
  thread.join();
  return *texts;
}

}  // namespace qcface::test
