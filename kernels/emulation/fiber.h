// One fiber: a stack of its own that is entered and left by hand. Built on boost::context::fiber (about 10 ns
// a switch), with the announcements that AddressSanitizer and ThreadSanitizer need on both sides of every
// switch.
#pragma once

#include <boost/context/fiber.hpp>
#include <cstddef>

namespace qcface::emulation {

class Fiber {
 public:
  /// The fiber calls body(argument) once for every resume() that follows a return of body.
  Fiber(void (*body)(void*), void* argument);
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  // Never destroyed: a fiber's stack may still be announced to a sanitizer, so pools are kept until the
  // program ends.
  ~Fiber() = delete;

  /// Called outside: runs the fiber until body returns or calls suspend().
  void resume();
  /// Called inside: goes back to the caller of resume().
  void suspend();

 private:
  boost::context::fiber loop(boost::context::fiber&& caller);
  void leave();

  void (*body_)(void*);
  void* argument_;
  unsigned char* stack_ = nullptr;
  boost::context::fiber self_;
  boost::context::fiber caller_;
  // AddressSanitizer: the fake stacks of either side and the bounds of the caller's stack.
  void* own_fake_ = nullptr;
  void* caller_fake_ = nullptr;
  const void* caller_stack_ = nullptr;
  std::size_t caller_stack_bytes_ = 0;
  // ThreadSanitizer: each fiber is a thread of its own.
  void* tsan_own_ = nullptr;
  void* tsan_caller_ = nullptr;
};

}  // namespace qcface::emulation
