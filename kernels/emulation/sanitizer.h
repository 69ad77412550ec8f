// Annotations for AddressSanitizer and ThreadSanitizer, nothing elsewhere. Only the runtime's own source
// files include this. They are compiled without -fsanitize=thread (QCF_EMULATION_TSAN says that the rest is
// compiled with it), so what the runtime itself reads and writes is invisible; TsanIgnore also covers library
// functions called from there.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#ifdef QCF_EMULATION_TSAN
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void __tsan_read_range(void* address, unsigned long bytes);
void __tsan_write_range(void* address, unsigned long bytes);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace qcface::emulation {

#ifdef QCF_EMULATION_TSAN
class TsanIgnore {
 public:
  TsanIgnore() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~TsanIgnore() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
  TsanIgnore(const TsanIgnore&) = delete;
  TsanIgnore& operator=(const TsanIgnore&) = delete;
};
inline void tsan_acquire(void* clock) { __tsan_acquire(clock); }
inline void tsan_release(void* clock) { __tsan_release(clock); }
#else
class TsanIgnore {
 public:
  TsanIgnore() {}
  ~TsanIgnore() {}
};
inline void tsan_acquire(void*) {}
inline void tsan_release(void*) {}
#endif

inline void poison([[maybe_unused]] void* begin, [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(begin, bytes);
#endif
}
inline void unpoison([[maybe_unused]] void* begin, [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(begin, bytes);
#endif
}

}  // namespace qcface::emulation
