// Netpbm's P1 to P6. A sample v of maximum m is shown as round(255 v / m).
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "harness/data/decode/decoders.h"

namespace qcface::data {
namespace {

constexpr std::uint32_t kLargestMaximum = 65535;

class Scanner {
 public:
  explicit Scanner(Bytes file) : file_(file) {}
  Bytes rest() const { return file_.subspan(at_); }

  /// The next decimal number, after blanks and comments; nothing at the end or at another character.
  std::optional<std::uint32_t> number() {
    skip_blanks();
    const std::size_t first = at_;
    std::uint64_t value = 0;
    for (; at_ < file_.size() && std::isdigit(file_[at_]) != 0; ++at_) {
      value = std::min<std::uint64_t>(value * 10 + (file_[at_] - '0'), UINT32_MAX);
    }
    if (at_ == first) return std::nullopt;
    return static_cast<std::uint32_t>(value);
  }
  /// The next digit of a plain bitmap, where digits may stand without blanks between them.
  std::optional<std::uint32_t> bit() {
    skip_blanks();
    if (at_ >= file_.size() || (file_[at_] != '0' && file_[at_] != '1')) return std::nullopt;
    return file_[at_++] - std::uint32_t{'0'};
  }
  /// One blank: between the header and binary pixels, and behind the last number of plain ones, which may be cut otherwise.
  bool blank() { return at_ < file_.size() && std::isspace(file_[at_++]) != 0; }

 private:
  void skip_blanks() {
    while (at_ < file_.size() && (std::isspace(file_[at_]) != 0 || file_[at_] == '#')) {
      if (file_[at_] == '#') {
        while (at_ < file_.size() && file_[at_] != '\n' && file_[at_] != '\r') ++at_;
      } else {
        ++at_;
      }
    }
  }

  Bytes file_;
  std::size_t at_ = 2;  // behind the magic
};

DecodeResult pnm_ends_early() {
  return refuse(DecodeStatus::kCorrupt, "PNM: the data ends early or is damaged");
}

DecodeResult above_maximum(std::uint32_t value, std::uint32_t maximum) {
  return refuse(DecodeStatus::kCorrupt,
                fmt::format("PNM: a sample of {} is above the maximum {}", value, maximum));
}

// Calls sample(i) -> value for every sample in file order and writes it, grey to three channels.
template <class Sample>
DecodeResult fill(Image& out, int channels, std::uint32_t maximum, Sample sample) {
  std::uint8_t* to = out.data();
  const std::size_t count = out.bytes() / Image::kChannels * static_cast<std::size_t>(channels);
  for (std::size_t i = 0; i < count; ++i) {
    const std::optional<std::uint32_t> value = sample(i);
    if (!value) return pnm_ends_early();
    if (*value > maximum) return above_maximum(*value, maximum);
    const auto shown = static_cast<std::uint8_t>((*value * 255 + maximum / 2) / maximum);
    const int copies = Image::kChannels / channels;
    to = std::fill_n(to, copies, shown);
  }
  return {};
}

}  // namespace

bool is_pnm(Bytes file) {
  return file.size() >= 3 && file[0] == 'P' && file[1] >= '1' && file[1] <= '6' &&
         (std::isspace(file[2]) != 0 || file[2] == '#');
}

DecodeResult decode_pnm(Bytes file, Image& out) {
  const int kind = file[1] - '0';
  const bool bitmap = kind == 1 || kind == 4, plain = kind <= 3;
  const int channels = kind == 3 || kind == 6 ? 3 : 1;
  Scanner scanner(file);
  const auto width = scanner.number(), height = scanner.number();
  const auto maximum = bitmap ? std::optional<std::uint32_t>(1) : scanner.number();
  if (!width || !height || !maximum) return pnm_ends_early();
  if (*maximum < 1 || *maximum > kLargestMaximum) {
    return refuse(DecodeStatus::kCorrupt, fmt::format("PNM: a maximum of {}, expected 1 to 65535", *maximum));
  }
  DecodeResult result = reshape_checked(out, *width, *height);
  if (!result.ok()) return result;
  if (plain) {
    // In a bitmap 1 is black.
    result = fill(out, channels, *maximum, [&](std::size_t) -> std::optional<std::uint32_t> {
      if (!bitmap) return scanner.number();
      const auto bit = scanner.bit();
      return bit ? std::optional<std::uint32_t>(1 - *bit) : std::nullopt;
    });
    return result.ok() && !bitmap && !scanner.blank() ? pnm_ends_early() : result;
  }
  if (!scanner.blank()) return pnm_ends_early();
  const Bytes pixels = scanner.rest();
  if (bitmap) {
    const std::size_t row = (*width + 7) / 8;
    if (pixels.size() < row * *height) return pnm_ends_early();
    return fill(out, 1, 1, [&](std::size_t i) -> std::optional<std::uint32_t> {
      const std::size_t y = i / *width, x = i % *width;
      return 1u - ((pixels[y * row + x / 8] >> (7 - x % 8)) & 1u);
    });
  }
  const std::size_t sample_bytes = *maximum > 255 ? 2 : 1;
  if (pixels.size() < out.bytes() / Image::kChannels * static_cast<std::size_t>(channels) * sample_bytes) {
    return pnm_ends_early();
  }
  return fill(out, channels, *maximum, [&](std::size_t i) -> std::optional<std::uint32_t> {
    return read_uint(pixels, i * sample_bytes, static_cast<int>(sample_bytes), true);
  });
}

}  // namespace qcface::data
