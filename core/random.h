// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011). A stream is named by (seed, purpose, epoch, index); the numbers of a stream depend on nothing
// else, so any thread may draw any stream in any order and a run gives the same bits with any number of
// workers.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

namespace qcface {

/// What a stream is for. The values are part of the reproducibility promise: append, never renumber.
enum class RandomPurpose : std::uint32_t {
  kWeights = 1,        // index = tensor position
  kHeadWeights = 2,    // index = class
  kShuffle = 3,        // epoch's permutation
  kAugment = 4,        // index = dataset index of the picture
  kDropout = 5,        // epoch, index = step inside the epoch
  kSubstitute = 6,     // replacement of a corrupt picture; index = position in the epoch
  kSynthIdentity = 7,  // index = identity
  kSynthPicture = 8,   // epoch = identity, index = picture
  kDegrade = 9,
  kPairs = 10,
  kSubset = 11,       // pictures of a set shown once more, or at all, in an epoch; index = set
  kBootstrap = 12,    // epoch: 0 pairs, 1 folds; index = replicate
  kAugmentStep = 13,  // steps of a list; index as kAugment's, two blocks a step
  kClassSample = 14,  // index = step inside the epoch, and 2^32 times the first class of the rank
  kTest = 1000,
};

/// One block of Philox4x32-10: 128-bit counter, 64-bit key -> four 32-bit words.
inline std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                               std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
               static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

/// The stream (seed, purpose, epoch, index). Copyable; 2^32 blocks of four words each.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, RandomPurpose purpose, std::uint32_t epoch = 0, std::uint64_t index = 0)
      : key_{static_cast<std::uint32_t>(seed),
             static_cast<std::uint32_t>(seed >> 32) ^ (static_cast<std::uint32_t>(purpose) << 20)},
        counter_{0, epoch, static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32)} {}

  /// Goes on at block `block` of the stream.
  void go_to_block(std::uint32_t block) {
    counter_[0] = block;
    used_ = 4;
  }
  std::uint32_t next_u32() {
    if (used_ == 4) {
      words_ = philox4x32(counter_, key_);
      ++counter_[0];
      used_ = 0;
    }
    return words_[used_++];
  }
  std::uint64_t next_u64() {
    const std::uint64_t low = next_u32();
    return low | (static_cast<std::uint64_t>(next_u32()) << 32);
  }
  /// Uniform in [0, 1), 53 bits.
  double uniform() { return static_cast<double>(next_u64() >> 11) * 0x1p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Uniform integer in [0, n), n >= 1, without modulo bias.
  std::uint64_t below(std::uint64_t n) {
    const std::uint64_t limit = n * (UINT64_MAX / n);
    std::uint64_t value = next_u64();
    while (value >= limit) value = next_u64();
    return value % n;
  }
  /// Uniform integer in [low, high], both ends included.
  int integer(int low, int high) {
    return low + static_cast<int>(below(static_cast<std::uint64_t>(high - low) + 1));
  }
  bool coin(double probability) { return uniform() < probability; }
  /// Standard normal (Box-Muller; two uniforms a value, the second branch is not kept, so draws stay
  /// aligned).
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log1p(-uniform()));
    return radius * std::cos(6.283185307179586476925 * uniform());
  }

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 4> words_{};
  int used_ = 4;
};

}  // namespace qcface
