#include "harness/data/align/aligned_pictures.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "harness/data/align/warp.h"
#include "harness/data/image.h"

namespace qcface::data {
namespace {

std::optional<Similarity> similarity_of(const FivePoints& points) {
  static const FivePoints kTarget = face_template(AlignedPictures::kSide, false);
  return fit_similarity(points, kTarget);
}

}  // namespace

AlignedPictures::AlignedPictures(const std::filesystem::path& folder, std::vector<std::string> files,
                                 std::vector<FivePoints> points)
    : folder_((folder / "").string()), files_(std::move(files)), points_(std::move(points)) {
  require(files_.size() == points_.size(), "aligned pictures: {} files but {} sets of points", files_.size(),
          points_.size());
  what_ = "loose crops, aligned";
  label_of_.assign(files_.size(), 0);
  class_names_ = {"pictures"};
  num_classes_ = 1;
  Fnv1a hash;
  for (const FivePoints& five : points_) {
    hash.add(five.data(), sizeof five);
    if (!similarity_of(five)) ++unaligned_;
  }
  reading_ = "aligned, points " + hash.hex();
}

std::string AlignedPictures::name(std::int64_t index) const {
  return folder_ + files_[static_cast<std::size_t>(index)];
}

std::string AlignedPictures::file_name(std::int64_t index) const {
  const std::string& file = files_[static_cast<std::size_t>(index)];
  return file.substr(file.rfind('/') + 1);
}

std::uint64_t AlignedPictures::stored_bytes(std::int64_t index) const {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(name(index), error);
  return error ? 0 : static_cast<std::uint64_t>(bytes);
}

DecodeResult AlignedPictures::read(std::int64_t index, std::vector<std::uint8_t>& buffer,
                                   StoredPicture& picture) const {
  const std::optional<Similarity> map = similarity_of(points_[static_cast<std::size_t>(index)]);
  if (!map) {
    picture.height = picture.width = 0;
    return ImageDecoder::read_file(name(index), buffer, picture.bytes);
  }
  // Of each thread that reads: they only grow.
  thread_local ImageDecoder decoder;
  thread_local Image loose, crop;
  const DecodeResult decoded = decoder.decode_file(name(index), loose);
  if (!decoded.ok()) return decoded;
  warp(loose, *map, kSide, kSide, crop);
  if (buffer.size() < crop.bytes()) buffer.resize(crop.bytes());
  std::copy_n(crop.data(), crop.bytes(), buffer.data());
  picture.bytes = {buffer.data(), crop.bytes()};
  picture.height = picture.width = kSide;
  return {};
}

}  // namespace qcface::data
