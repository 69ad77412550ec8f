// Several contexts may be used at once: what one thread's head computes is not touched by another's.
#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include "tests/kernels/head_runner.h"
#include "tests/kernels/random_input.h"
#include "tests/support/catch.h"

namespace qcface::test {
namespace {

/// One head with a context and memory of its own.
struct Job {
  explicit Job(int head) : config(make_head_config(static_cast<qcf_head_kind>(head))) {
    in = random_input(720 + static_cast<std::uint32_t>(head), 9 + head, 16 + 3 * head, 200 + 17 * head);
    run = std::make_unique<HeadRun>(in);
    call = std::make_unique<CallArgs>(context, run->args(in));
    call->add_workspace(context, config);
  }
  /// Some steps, each from the state that the last one left. No assertion: Catch2's are for one thread only.
  void steps() {
    for (int i = 0; i < 30 && status == QCF_OK; ++i)
      status = qcf_head_step(context.get(), &config, &call->args());
  }

  qcf_head_config config;
  HeadInput in;
  TestContext context{2};
  std::unique_ptr<HeadRun> run;
  std::unique_ptr<CallArgs> call;
  qcf_status status = QCF_OK;
};

TEST_CASE("contexts: heads in several threads at once give the bits they give alone") {
  std::vector<std::unique_ptr<Job>> alone, together;
  for (int head = 0; head < qcf_head_count(); ++head) {
    alone.push_back(std::make_unique<Job>(head));
    alone.back()->steps();
    together.push_back(std::make_unique<Job>(head));
  }
  std::latch all_started(qcf_head_count());
  std::vector<std::thread> threads;
  for (const auto& job : together) {
    threads.emplace_back([&all_started, &job] {
      all_started.arrive_and_wait();
      job->steps();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t head = 0; head < together.size(); ++head) {
    INFO(qcf_head_name(together[head]->config.kind));
    REQUIRE(alone[head]->status == QCF_OK);
    REQUIRE(together[head]->status == QCF_OK);
    CHECK(same_bits(*together[head]->run, *alone[head]->run));
  }
}

}  // namespace
}  // namespace qcface::test
