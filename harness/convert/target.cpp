#include "harness/convert/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "harness/convert/convert.h"
#include "harness/data/decode/decoders.h"

namespace qcface::convert {

TargetKind target_of(const std::filesystem::path& path) {
  const std::string suffix = path.extension().string();
  return suffix == ".rec"     ? TargetKind::kRecord
         : suffix == ".qpack" ? TargetKind::kPack
         : suffix == ".bin"   ? TargetKind::kBin
                              : TargetKind::kFolder;
}

Listing::Listing(const data::PictureSource& set, bool by_class) : set_(set) {
  if (!by_class) return;
  bool sorted = true;
  for (std::int64_t i = 1; i < set.size() && sorted; ++i) sorted = set.label(i - 1) <= set.label(i);
  if (sorted) return;
  order_.resize(static_cast<std::size_t>(set.size()));
  std::iota(order_.begin(), order_.end(), std::int64_t{0});
  std::stable_sort(order_.begin(), order_.end(),
                   [&set](std::int64_t a, std::int64_t b) { return set.label(a) < set.label(b); });
}

PairPictures::PairPictures(const std::filesystem::path& file) : pack_(file) {
  what_ = "verification pack " + file.string();
  label_of_.assign(static_cast<std::size_t>(pack_.size()), 0);
  class_names_ = {"imgs"};
  num_classes_ = 1;
}

std::string PairPictures::file_name(std::int64_t index) const {
  std::vector<std::uint8_t> buffer;
  data::StoredPicture stored;
  if (!pack_.read(index, buffer, stored).ok()) return {};
  return fmt::format("{}{}", index + 1, suffix_of(stored.bytes));
}

std::string_view suffix_of(std::span<const std::uint8_t> file) {
  if (data::is_png(file)) return ".png";
  if (data::is_webp(file)) return ".webp";
  if (data::is_tiff(file)) return ".tif";
  if (data::is_bmp(file)) return ".bmp";
  if (data::is_pnm(file)) return ".pnm";
  return ".jpg";
}

}  // namespace qcface::convert
