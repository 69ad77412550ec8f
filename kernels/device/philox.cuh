// The counter-based random numbers of core/random.h on the device: word by number, any thread any word.
#pragma once

#include "kernels/device/device.cuh"

namespace qcface::cuda {

/// Four words of Philox4x32-10 for a 128-bit counter and a 64-bit key.
struct PhiloxBlock {
  std::uint32_t word[4];
};

__device__ __forceinline__ PhiloxBlock philox_block(PhiloxBlock counter, std::uint32_t key0,
                                                    std::uint32_t key1) {
  QCF_UNROLL
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * counter.word[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * counter.word[2];
    counter = {{static_cast<std::uint32_t>(p1 >> 32) ^ counter.word[1] ^ key0, static_cast<std::uint32_t>(p1),
                static_cast<std::uint32_t>(p0 >> 32) ^ counter.word[3] ^ key1,
                static_cast<std::uint32_t>(p0)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

/// Block `number` (words 4 number .. 4 number + 3) of the stream (seed, purpose, epoch, index). Numbers wrap
/// at 2^32, as the stream's do.
__device__ __forceinline__ PhiloxBlock stream_block(std::uint64_t seed, std::uint32_t purpose,
                                                    std::uint32_t epoch, std::uint64_t index,
                                                    std::uint64_t number) {
  return philox_block({{static_cast<std::uint32_t>(number), epoch, static_cast<std::uint32_t>(index),
                        static_cast<std::uint32_t>(index >> 32)}},
                      static_cast<std::uint32_t>(seed),
                      static_cast<std::uint32_t>(seed >> 32) ^ (purpose << 20));
}

}  // namespace qcface::cuda
