#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "core/comm/launch.h"
#include "core/comm/reducing_thread.h"
#include "core/error.h"
#include "tests/core/comm/ranks.h"

namespace qcface::test {

void loop(const std::vector<std::string>& arguments) {
  require(arguments.size() == 6,
          "loop SILENCE TIMEOUT STEPS "
          "none|return|exit|sleep|throw|thread-nothing|thread-sleep|thread-throw|device|late RANK");
  MpiOptions options;
  options.silence_s = std::atof(arguments[1].c_str());
  options.timeout_s = std::atof(arguments[2].c_str());
  const int steps = std::atoi(arguments[3].c_str()), lost = std::atoi(arguments[5].c_str());
  const std::string& mode = arguments[4];
  options.opening_s = 15;
  if (mode == "late" && this_launch().rank == lost) {
    std::printf("rank %d of %d pid %d\n", lost, this_launch().size, static_cast<int>(::getpid()));
    std::fflush(stdout);
    std::this_thread::sleep_for(std::chrono::hours(1));
  }
  const auto comm = make_mpi_communicator(options);
  std::printf("rank %d of %d pid %d\n", comm->rank(), comm->size(), static_cast<int>(::getpid()));
  std::fflush(stdout);
  std::vector<float> values(100000, 1.0f), sums(100000, 0.0f);
  std::unique_ptr<ReducingThread> thread;
  if (mode.starts_with("thread-")) thread = std::make_unique<ReducingThread>(comm->another());
  for (int step = 0; step < steps; ++step) {
    if (step == steps / 2 && comm->rank() == lost) {
      if (mode == "return") return;
      if (mode == "exit") std::exit(0);  // some library's way out: MPI stays open
      if (mode == "sleep" || mode == "thread-sleep" || mode == "device")
        std::this_thread::sleep_for(std::chrono::hours(1));
      if (mode == "thread-throw") thread->start(array_of(sums.data(), 100000));
      if (mode == "throw" || mode == "thread-throw") fail("rank {} has an error of its own", comm->rank());
    }
    if (mode == "device") {  // work that waits for the lost one's, which never comes
      int asked = 0;
      comm->wait_until([&] { return step != steps / 2 && ++asked == 3; });
    }
    if (thread) {
      // The lost one's thread then waits for ever.
      if (mode == "thread-throw" && step == steps / 2) std::this_thread::sleep_for(std::chrono::hours(1));
      thread->start(array_of(sums.data(), 100000));
      thread->finish();
    } else {
      comm->all_reduce(array_of(values.data(), 100000), Reduce::kMax);
      comm->barrier();
    }
    comm->poll();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

void measure() {
  const auto comm = make_mpi_communicator({});
  std::vector<float> values(std::size_t{16} << 20, 1.0f);
  for (const std::int64_t count : {0, 16, 1024, 65536, 1 << 20, 16 << 20}) {
    const int rounds = count > 100000 ? 5 : 200;
    const Array array = array_of(values.data(), count);
    comm->all_reduce(array, Reduce::kMax);
    const auto began = std::chrono::steady_clock::now();
    for (int k = 0; k < rounds; ++k) comm->all_reduce(array, Reduce::kMax);
    const double each =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count() / rounds;
    if (comm->rank() == 0)
      std::printf("%d ranks, all_reduce of %ld f32: %.1f us, %.2f GB/s\n", comm->size(),
                  static_cast<long>(count), each * 1e6, static_cast<double>(count) * 4 / each * 1e-9);
  }
}

}  // namespace qcface::test
