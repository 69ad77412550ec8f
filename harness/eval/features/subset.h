// Some pictures of a source, in an order of their own.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "harness/data/sets/picture_source.h"

namespace qcface::eval {

class Subset final : public data::PictureSource {
 public:
  /// Both are borrowed.
  Subset(const data::PictureSource& source, std::span<const std::int64_t> places)
      : source_(source), places_(places) {
    label_of_.assign(places.size(), 0);
  }
  std::string name(std::int64_t index) const override { return source_.name(at(index)); }
  std::string file(std::int64_t index) const override { return source_.file(at(index)); }
  std::uint64_t stored_bytes(std::int64_t index) const override { return source_.stored_bytes(at(index)); }
  data::DecodeResult read(std::int64_t index, std::vector<std::uint8_t>& buffer,
                          data::StoredPicture& picture) const override {
    return source_.read(at(index), buffer, picture);
  }

 private:
  std::int64_t at(std::int64_t index) const { return places_[static_cast<std::size_t>(index)]; }
  const data::PictureSource& source_;
  std::span<const std::int64_t> places_;
};

}  // namespace qcface::eval
