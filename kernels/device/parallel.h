// The one place where OpenMP is used. libgomp is not built for ThreadSanitizer, so its thread start and
// barrier are invisible there and every parallel loop would be reported; the annotations below state the two
// orderings that the runtime gives: all before the loop happens before each body, all bodies happen before
// the loop returns.
#pragma once

#include <omp.h>

#include <cstdint>
#include <exception>
#include <type_traits>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) && !defined(__SANITIZE_THREAD__)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);
#endif

namespace qcface {

namespace parallel_detail {

#ifdef __SANITIZE_THREAD__
inline void acquire(void* p) { __tsan_acquire(p); }
inline void release(void* p) { __tsan_release(p); }
#define QCFACE_NO_TSAN __attribute__((no_sanitize("thread"), noinline))
#else
inline void acquire(void*) {}
inline void release(void*) {}
#define QCFACE_NO_TSAN
#endif

/// Calls entry(argument, worker) on `workers` threads. Not instrumented: the compiler passes the two pointers
/// in a block on the caller's stack, which a worker reads before any annotation can run.
QCFACE_NO_TSAN inline void launch(int workers, void (*entry)(void*, int), void* argument) {
#pragma omp parallel num_threads(workers) firstprivate(entry, argument) default(none)
  entry(argument, omp_get_thread_num());
}
#undef QCFACE_NO_TSAN

template <class Body>
struct Loop {
  Body* body;
  std::int64_t count;
  std::int64_t next = 0;
  std::exception_ptr error = nullptr;
  char start = 0, end = 0;  // addresses that name the two orderings

  static void run(void* self, int worker) {
    Loop& loop = *static_cast<Loop*>(self);
    acquire(&loop.start);
    const std::int64_t total = loop.count;
    try {
      for (;;) {
        const std::int64_t i = __atomic_fetch_add(&loop.next, std::int64_t{1}, __ATOMIC_RELAXED);
        if (i >= total) break;
        (*loop.body)(i, worker);
      }
    } catch (...) {
      __atomic_store_n(&loop.next, total, __ATOMIC_RELAXED);
#pragma omp critical(qcface_parallel_for_error)
      {
        acquire(&loop.error);
        if (!loop.error) loop.error = std::current_exception();
        release(&loop.error);
      }
    }
    release(&loop.end);
  }
};

}  // namespace parallel_detail

/// Threads that a request for `threads` (0 = OpenMP's choice, for example OMP_NUM_THREADS) means here. At
/// least 1.
inline int resolve_threads(int threads) {
  const int count = threads > 0 ? threads : omp_get_max_threads();
  return count > 0 ? count : 1;
}

/// Runs body(index, worker) for every index in [0, count) on up to `threads` workers (0 = OpenMP's choice)
/// and waits. worker is in [0, resolve_threads(threads)) and names scratch memory; indices go to workers in
/// no fixed order, so a result that must not depend on the thread count may depend on index only. The first
/// exception of a body is thrown again here once all have finished. Runs in the calling thread for one worker
/// or inside another such loop.
template <class Body>
void parallel_for_worker(std::int64_t count, int threads, Body&& body) {
  std::int64_t workers = resolve_threads(threads);
  if (workers > count) workers = count;
  if (workers <= 1 || omp_in_parallel()) {
    for (std::int64_t i = 0; i < count; ++i) body(i, 0);
    return;
  }
  using Loop = parallel_detail::Loop<std::remove_reference_t<Body>>;
  Loop loop{&body, count};
  parallel_detail::release(&loop.start);
  parallel_detail::launch(static_cast<int>(workers), &Loop::run, &loop);
  parallel_detail::acquire(&loop.end);
  if (loop.error) std::rethrow_exception(loop.error);
}

/// As above for bodies that need no scratch: body(index).
template <class Body>
void parallel_for(std::int64_t count, int threads, Body&& body) {
  parallel_for_worker(count, threads, [&body](std::int64_t i, int) { body(i); });
}

/// Splits [0, count) into pieces of `grain` (the last may be shorter) and runs body(begin, end) on each. The
/// pieces do not depend on the thread count, so per-piece results reduced in piece order are always the same.
template <class Body>
void parallel_for_range(std::int64_t count, std::int64_t grain, int threads, Body&& body) {
  const std::int64_t pieces = (count + grain - 1) / grain;
  parallel_for(pieces, threads, [&](std::int64_t i) {
    const std::int64_t begin = i * grain;
    body(begin, begin + grain < count ? begin + grain : count);
  });
}

}  // namespace qcface
