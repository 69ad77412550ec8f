// A fuzz target: a function that gives foreign bytes to a reader. The same sources make a libFuzzer program each (preset
// fuzz) and one program that replays files (every other preset).
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace qcface::fuzz {

using Bytes = std::span<const std::uint8_t>;
using Reader = void (*)(Bytes);

/// By name, filled before main.
std::map<std::string, Reader>& targets();

struct Target {
  Target(const char* name, Reader read) { targets()[name] = read; }
};

/// Gives the bytes to a reader. An Error is the answer to bad input, if its sentence can be printed: names out of the input
/// must not move the cursor. Anything else that comes out is a finding and ends the process.
void run(Reader read, Bytes bytes);

/// Ends the process with a sentence: for what a target expects of a reader's answers.
void expect(bool condition, const char* what);

/// A sentence of a sane length without raw bytes of a file.
bool can_be_printed(std::string text);

inline std::string text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The bytes as a file, for readers that take a path. One in a process, without a disk behind it.
const std::string& file_of(Bytes bytes);

}  // namespace qcface::fuzz

// QCFACE_FUZZ_TARGET(npy) { read_it(bytes); }
#define QCFACE_FUZZ_TARGET(name)                                            \
  static void fuzz_##name(qcface::fuzz::Bytes);                             \
  static const qcface::fuzz::Target fuzz_target_##name(#name, fuzz_##name); \
  static void fuzz_##name([[maybe_unused]] qcface::fuzz::Bytes bytes)
