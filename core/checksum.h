// XXH3-64 with seed 0 (https://xxhash.com): the checksum of packed data sets, their tables and of journals. It finds damage;
// it is no defence against anybody who wants two contents to look alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace qcface {

std::uint64_t checksum(const void* data, std::size_t bytes);
inline std::uint64_t checksum(std::span<const std::uint8_t> bytes) {
  return checksum(bytes.data(), bytes.size());
}

/// The same of data that comes in parts.
class Checksum {
 public:
  Checksum();
  ~Checksum();
  Checksum(Checksum&&) noexcept;
  Checksum& operator=(Checksum&&) noexcept;
  void add(const void* data, std::size_t bytes);
  std::uint64_t value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// XXH3-128: so long that two contents with the same value are, for any number of pictures that there is, the same content.
struct ContentHash {
  std::uint64_t high = 0, low = 0;
  friend auto operator<=>(const ContentHash&, const ContentHash&) = default;
};
ContentHash content_hash(std::span<const std::uint8_t> bytes);

}  // namespace qcface
