#include "core/threads.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

namespace qcface {

int startable_threads(int wanted) {
  std::mutex mutex;
  std::condition_variable released;
  bool release = false;
  std::vector<std::thread> started;
  try {
    started.reserve(static_cast<std::size_t>(std::max(wanted - 1, 0)));
    while (static_cast<int>(started.size()) < wanted - 1) {
      started.emplace_back([&] {
        std::unique_lock lock(mutex);
        released.wait(lock, [&] { return release; });
      });
    }
  } catch (const std::system_error&) {  // this many and no more
  } catch (const std::bad_alloc&) {
  }
  {
    const std::lock_guard lock(mutex);
    release = true;
  }
  released.notify_all();
  for (std::thread& thread : started) thread.join();
  return static_cast<int>(started.size()) + 1;
}

}  // namespace qcface
