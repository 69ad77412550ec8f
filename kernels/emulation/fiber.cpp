#include "kernels/emulation/fiber.h"

#include <sys/mman.h>

#include <memory>
#include <new>
#include <utility>

#include "kernels/emulation/sanitizer.h"

namespace qcface::emulation {

namespace {

// Pages are taken when first touched, so a generous stack costs address space only. Sanitizers enlarge
// frames.
#if defined(__SANITIZE_ADDRESS__) || defined(QCF_EMULATION_TSAN)
constexpr std::size_t kStackBytes = 512 << 10;
#else
constexpr std::size_t kStackBytes = 128 << 10;
#endif
constexpr std::size_t kGuardBytes = 4096;

unsigned char* map_stack() {
  void* const memory = ::mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  ::mprotect(memory, kGuardBytes, PROT_NONE);  // an overflow stops here, not in a neighbour's stack
  return static_cast<unsigned char*>(memory) + kGuardBytes;
}

struct StackGiver {
  unsigned char* base;
  boost::context::stack_context allocate() {
    boost::context::stack_context context;
    context.size = kStackBytes;
    context.sp = base + kStackBytes;
    return context;
  }
  void deallocate(boost::context::stack_context&) {}
};

}  // namespace

Fiber::Fiber(void (*body)(void*), void* argument) : body_(body), argument_(argument), stack_(map_stack()) {
#ifdef QCF_EMULATION_TSAN
  tsan_own_ = __tsan_create_fiber(0);
#endif
  self_ = boost::context::fiber(std::allocator_arg, StackGiver{stack_},
                                [this](boost::context::fiber&& caller) { return loop(std::move(caller)); });
}

boost::context::fiber Fiber::loop(boost::context::fiber&& caller) {
  caller_ = std::move(caller);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &caller_stack_, &caller_stack_bytes_);
#endif
  for (;;) {
    body_(argument_);
    leave();
  }
}

void Fiber::resume() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&caller_fake_, stack_, kStackBytes);
#endif
#ifdef QCF_EMULATION_TSAN
  tsan_caller_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(tsan_own_, 1);  // 1: the switch itself orders nothing
#endif
  self_ = std::move(self_).resume();
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(caller_fake_, nullptr, nullptr);
#endif
}

void Fiber::leave() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&own_fake_, caller_stack_, caller_stack_bytes_);
#endif
#ifdef QCF_EMULATION_TSAN
  __tsan_switch_to_fiber(tsan_caller_, 1);
#endif
  caller_ = std::move(caller_).resume();
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(own_fake_, &caller_stack_, &caller_stack_bytes_);
#endif
}

void Fiber::suspend() { leave(); }

}  // namespace qcface::emulation
