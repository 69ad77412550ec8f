// TensorBoard event files, written directly: TFRecord framing (length, masked CRC-32C, data, masked CRC-32C)
// round hand-encoded protobuf messages of tensorflow.Event. Scalars use the simple_value field, histograms
// HistogramProto.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace qcface::report {

/// CRC-32C (Castagnoli), as in RFC 3720; crc continues an earlier value.
std::uint32_t crc32c(const void* data, std::size_t bytes, std::uint32_t crc = 0);
/// ((crc >> 15) | (crc << 17)) + 0xA282EAD8: what TFRecord stores.
std::uint32_t masked_crc32c(const void* data, std::size_t bytes);

/// One new file a start, so a resumed run appends without touching what is there; TensorBoard joins the files
/// of a folder by step. Not thread-safe.
class TensorBoardWriter {
 public:
  /// Makes <folder>/events.out.tfevents.<seconds>.<host>.<pid>.<n>. Throws Error naming the file.
  explicit TensorBoardWriter(const std::filesystem::path& folder);
  ~TensorBoardWriter();  // flushes; a failure is logged
  TensorBoardWriter(const TensorBoardWriter&) = delete;
  TensorBoardWriter& operator=(const TensorBoardWriter&) = delete;

  /// wall_time in seconds since 1970; negative = now. NaN and infinity are stored as they are.
  void scalar(std::string_view tag, std::int64_t step, double value, double wall_time = -1);
  /// counts[i] values lie in [edges[i], edges[i+1]]; edges has one entry more than counts and ascends. sum
  /// and sum of squares are taken from bin centres.
  void histogram(std::string_view tag, std::int64_t step, std::span<const double> edges,
                 std::span<const double> counts, double wall_time = -1);
  /// Hands everything to the system. Throws Error naming the file, for example on a full disk.
  void flush();
  const std::filesystem::path& path() const { return path_; }

 private:
  void record(std::string_view event);
  std::filesystem::path path_;
  std::FILE* file_ = nullptr;
};

}  // namespace qcface::report
