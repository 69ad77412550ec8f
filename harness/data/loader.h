// Batches of pictures, prefetched by worker threads. What a batch holds depends on (seed, epoch, batch index)
// and the options alone: not on the number of workers, not on timing, not on where the epoch was entered. Several ranks
// read slices of the same batches.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "harness/data/augment/augmentation.h"
#include "harness/data/preparation.h"
#include "harness/data/sets/picture_source.h"

namespace qcface::data {

/// Of LoaderOptions::weights.
inline constexpr double kLargestDataWeight = 1000;

/// What becomes of a picture that cannot be decoded (or, with NonSquare::kReject, is not square).
enum class CorruptPolicy {
  kSubstitute,  // training: another picture of the set stands in; more than 1 % of the set stops the run
  kMark,        // evaluation: its place stays, filled with zeros, and Batch::valid is 0 there
};

/// What one rank of several reads of every batch of N pictures: its share_of(N, rank, ranks), which may be empty.
struct RankSlice {
  int rank = 0, ranks = 1;
};

struct LoaderOptions {
  std::int64_t batch_size = 256;  // B, of all ranks together
  RankSlice slice;
  int workers = 2;   // 0: the calling thread does the work inside next()
  int prefetch = 4;  // batches prepared ahead, at least 1
  std::uint64_t seed = 0;
  bool shuffle = true;  // false: the sets' own order
  /// How often an epoch shows the pictures of each of PictureSource::parts(); empty: once.
  std::vector<double> weights;
  Augmentation augment;
  bool jpeg_swap_rb = false;  // quirk of the published augmentation, see augment.h; a list has none
  Preparation preparation;
  bool drop_last = false;  // true: no batch smaller than batch_size
  CorruptPolicy corrupt = CorruptPolicy::kSubstitute;
  int side = 112;  // pictures come out as [side, side, 3]
};

/// One batch. Memory belongs to the loader and stays valid until the next call of next() or start_epoch().
struct Batch {
  std::int64_t epoch = 0;
  std::int64_t index = 0;                 // position in the epoch, 0-based
  std::int64_t global_size = 0;           // of all ranks; smaller than batch_size only in the last batch
  std::int64_t first_row = 0;             // this rank's first picture in the whole batch
  std::int64_t size = 0;                  // N, of this rank: global_size where there is one rank
  const std::uint8_t* pixels = nullptr;   // [N, side, side, 3], RGB (Preparation::bgr: BGR), 64-byte aligned
  std::span<const std::int64_t> labels;   // [N]
  std::span<const std::int64_t> indices;  // [N] dataset index of the picture shown (a substitute's own index)
  std::span<const std::uint8_t> valid;    // [N] 0: could not be read (CorruptPolicy::kMark only)
};

struct CorruptPicture {
  std::int64_t index = 0;  // dataset index
  std::string path;        // PictureSource::name()
  std::string reason;
};

struct LoaderStats {
  std::int64_t pictures = 0;        // delivered
  std::int64_t file_bytes = 0;      // read for them
  std::int64_t centre_cropped = 0;  // pictures that were not square
  double wait_seconds = 0.0;        // time next() spent waiting for workers
};

class Loader {
 public:
  /// `set` is borrowed and must outlive the loader. Where the system refuses threads, fewer workers do the same work,
  /// with one warning. Throws Error for an empty set or options out of range.
  Loader(const PictureSource& set, const LoaderOptions& options);
  /// Stops the workers, whatever they are doing.
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Batches an epoch has. 0 is possible with drop_last and an epoch smaller than a batch.
  std::int64_t batches_per_epoch() const;
  /// Begins an epoch at batch `first_batch` (mid-epoch resume); work prepared before is dropped.
  void start_epoch(std::int64_t epoch, std::int64_t first_batch = 0);
  /// The next batch, or nullptr at the end of the epoch. Logs each corrupt file once, by name. Throws Error
  /// when more than 1 % of the set turned out corrupt (kSubstitute), naming the first few.
  const Batch* next();

  /// Distinct files found corrupt so far, in the order their batches were delivered.
  const std::vector<CorruptPicture>& corrupt() const;
  const LoaderStats& stats() const;
  const LoaderOptions& options() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// What an epoch shows of sets of n pictures each with weights w: floor(w) passes over a set, and of one pass more a subset
/// of round((w - floor(w)) n) pictures, drawn anew each epoch (data-formats.md section 14).
class EpochPlan {
 public:
  /// No weights: 1 each. Throws Error for another number of weights than parts, and for weights out of range or that
  /// leave no picture.
  EpochPlan(std::span<const PicturePart> parts, std::span<const double> weights);
  /// Pictures an epoch shows, repeats included.
  std::int64_t size() const { return size_; }
  /// Of one set.
  std::int64_t shown(std::size_t part) const;
  /// The order of an epoch, shuffled by Fisher-Yates over the stream (seed, kShuffle, epoch). An entry is pass * pictures +
  /// index; index_of() has the index, the whole of it names the augmentation's stream.
  std::vector<std::int64_t> order(std::uint64_t seed, std::int64_t epoch, bool shuffle) const;
  std::int64_t index_of(std::int64_t entry) const { return entry % pictures_; }

 private:
  struct Part {
    std::int64_t first, count;  // pictures
    std::int64_t passes, rest;  // whole ones, and how many of one more
  };
  std::vector<Part> parts_;
  std::int64_t pictures_ = 0;  // of all sets, each once
  std::int64_t size_ = 0;
};

/// The order of an epoch of one set that is shown once: position -> dataset index.
std::vector<std::int64_t> epoch_order(std::int64_t size, std::uint64_t seed, std::int64_t epoch,
                                      bool shuffle);

/// Colour order of a sample of the set (data-formats.md section 1).
struct ColourCheck {
  std::array<double, 3> mean{};  // of the sample, R G B, in 0..255
  std::int64_t pictures = 0;     // sampled and readable
  bool grey = false;             // no colour in the sample: order cannot be judged
  std::string warning;           // empty when R > G > B or grey
};
/// Looks at up to `sample` pictures spread evenly over the set, after the exchange asked for by swap_rb.
ColourCheck check_colour_order(const PictureSource& set, bool swap_rb, std::int64_t sample = 128);

}  // namespace qcface::data
