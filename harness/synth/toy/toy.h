// `qcface data toy`: small sets of painted faces in the exact layout of the benchmarks, to see where their files belong and to
// try every command on. A benchmark is a file here and a row of the table in toy.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "harness/data/image.h"

namespace qcface::synth {

struct ToyOptions {
  std::filesystem::path out;  // the benchmark's root
  int people = 12;            // at least 4
  std::uint64_t seed = 0;
};

struct Toy {
  const char* name;    // `--benchmark NAME`: the command that evaluates it is `eval NAME`
  const char* layout;  // what is made below out, a sentence
  void (*make)(const ToyOptions& options);
};

/// In the order of the commands.
std::span<const Toy* const> toys();
/// Makes the set. The same options give the same files. Throws Error: an unknown name (listing the known ones), a folder that
/// is there and not empty.
void make_toy(std::string_view name, const ToyOptions& options);

/// Picture `picture` of a person, size x size; the same for all benchmarks of one seed.
data::Image toy_face(const ToyOptions& options, int person, int picture, int size);
/// Writes it as a JPEG, folders and all; a suffix of .png gives a PNG.
void write_toy_face(const ToyOptions& options, int person, int picture, int size,
                    const std::filesystem::path& file);

}  // namespace qcface::synth
