// Embeddings of the pictures of a source, in order, each once, batched, decoded by worker threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "harness/data/loader.h"
#include "harness/data/sets/picture_source.h"
#include "harness/eval/features/embedder.h"
#include "harness/eval/features/flip_fusion.h"

namespace qcface {
class Communicator;
}

namespace qcface::eval {

/// done pictures of total.
using ProgressCallback = std::function<void(std::size_t done, std::size_t total)>;

struct ExtractOptions {
  std::int64_t batch_size = 64;  // at most Embedder::max_batch(); 0 = that
  int workers = 2;
  data::Preparation preparation;
  FlipFusion flip = FlipFusion::kNone;  // anything but kNone runs the mirrored pictures too
  ProgressCallback progress;
  Communicator* ranks = nullptr;  // over which spread.h shares the work out; none: this process does it

  /// Whether this process reads and writes what several ranks read and write once.
  bool leads() const;
};

struct Embeddings {
  std::int64_t count = 0;
  std::int64_t width = 0;  // D
  FlipFusion flip = FlipFusion::kNone;
  std::vector<float> plain;                   // [count, D] f; rows of unreadable pictures are zero
  std::vector<float> mirrored;                // [count, D] g, or empty without flip
  std::int64_t fused_columns = 0;             // D, or 2 D for kConcat
  std::vector<float> fused;                   // [count, fused_columns], or empty without flip
  std::vector<double> magnitudes;             // [count] length of the row that scoring uses
  std::vector<std::uint8_t> valid;            // [count] 0: the picture could not be read
  std::vector<data::CorruptPicture> corrupt;  // one an unreadable file
  double seconds = 0;

  /// The vector that enters scoring.
  std::span<const float> row(std::int64_t i) const;
  std::span<const float> plain_row(std::int64_t i) const;
  std::span<const float> mirrored_row(std::int64_t i) const;
};

/// Zero rows, none of them valid; with places for mirror images unless flip is kNone.
Embeddings empty_embeddings(std::int64_t count, std::int64_t width, FlipFusion flip);
/// Fills `fused` and `magnitudes` from the rows that are there.
void fuse_rows(Embeddings& embeddings);
/// The same with the time since `start`; throws Error where no picture could be read.
void finish_rows(Embeddings& embeddings, const data::PictureSource& pictures,
                 std::chrono::steady_clock::time_point start);

/// The rows alone: neither fused, nor need any picture be readable. Throws as extract_embeddings().
Embeddings extract_rows(Embedder& embedder, const data::PictureSource& pictures,
                        const ExtractOptions& options);

/// Throws Error naming the picture when an embedding holds NaN or infinity, and when no picture could be
/// read; Interrupted after a signal.
Embeddings extract_embeddings(Embedder& embedder, const data::PictureSource& pictures,
                              const ExtractOptions& options);
/// The same of picture files.
Embeddings extract_embeddings(Embedder& embedder, std::span<const std::string> files,
                              const ExtractOptions& options);

}  // namespace qcface::eval
