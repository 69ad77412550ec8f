// Sets of pictures in one file: opened as training and evaluation open them, and every picture read.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/data/sets/picture_source.h"
#include "harness/data/sets/record_file.h"
#include "harness/data/sets/record_set.h"
#include "harness/data/sets/verification_pack.h"
#include "tests/fuzz/target.h"

using namespace qcface;

namespace {

void read_all(const data::PictureSource& set) {
  std::vector<std::uint8_t> buffer;
  std::size_t sum = 0;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    data::StoredPicture picture;
    fuzz::expect(set.label(i) >= 0 && set.label(i) < set.num_classes(), "a label that is no class");
    (void)set.name(i);
    (void)set.stored_bytes(i);
    if (!set.read(i, buffer, picture).ok()) continue;
    for (const std::uint8_t byte : picture.bytes) sum += byte;
    if (picture.height > 0) {
      fuzz::expect(picture.bytes.size() == std::size_t{3} * static_cast<std::size_t>(picture.height) *
                                               static_cast<std::size_t>(picture.width),
                   "pixels that are not those of the picture's size");
    }
  }
  fuzz::expect(sum < SIZE_MAX, "the bytes of all pictures");
}

}  // namespace

QCFACE_FUZZ_TARGET(records) { read_all(data::open_record_set(fuzz::file_of(bytes))); }

QCFACE_FUZZ_TARGET(record_index) {
  data::IndexParser parser("input", std::uint64_t{1} << 40);
  std::uint64_t largest = 0;
  const auto take = [&](data::IndexEntry entry) { largest = std::max(largest, entry.offset); };
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  parser.parse(text.substr(0, text.size() / 3), take);
  parser.parse(text.substr(text.size() / 3), take);
  parser.finish(take);
  fuzz::expect(largest < std::uint64_t{1} << 40, "an offset beyond the record file");
}

QCFACE_FUZZ_TARGET(verification_pack) {
  const data::VerificationPack pack(MappedFile{"input", std::as_bytes(bytes), nullptr});
  read_all(pack);
  fuzz::expect(2 * pack.pairs().size() == static_cast<std::size_t>(pack.size()), "pairs of other pictures");
}
