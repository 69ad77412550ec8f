// The restricted reader of pickles: data-formats.md section 4. A parser of data with a stack, a stack of marks and a memo; no
// byte of a pickle can make it call or load anything.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "core/pickle/document.h"

namespace qcface::pickle {

struct ReadOptions {
  std::size_t start = 0;        // of the pickle in `bytes`
  bool persistent_ids = false;  // BINPERSID is understood, as the storages of PyTorch
};

/// Whether bytes begin as a pickle of protocol 2 or later does.
bool is_pickle(std::span<const std::byte> bytes);

/// Reads one pickle; what follows its STOP is not looked at. `file` is what messages call it, `bytes` must outlive the values.
/// Throws Error naming the file and the byte (of `bytes`) for an opcode that is not of section 4, a length past the end, too
/// many values, a stack that does not fit, a value that holds itself or nests deeper than 1000.
Document read(const std::string& file, std::span<const std::byte> bytes, const ReadOptions& options = {});

}  // namespace qcface::pickle
