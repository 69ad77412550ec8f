#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "core/checksum.h"
#include "harness/data/sets/pack_format.h"
#include "harness/data/sets/pack_set.h"
#include "tests/fuzz/target.h"

using namespace qcface;

namespace {

// Checksums would keep every change from what is behind them: they are made right again, and so are the marks.
void seal(std::string& file) {
  data::PackTrailer trailer{};
  if (file.size() < data::kPackDataBegin + sizeof trailer) return;
  const std::size_t at = file.size() - sizeof trailer;
  std::memcpy(file.data(), data::kPackMagic, sizeof data::kPackMagic);
  std::memcpy(&trailer, file.data() + at, sizeof trailer);
  std::memcpy(trailer.end, data::kPackEnd, sizeof trailer.end);
  trailer.file_bytes = file.size();
  const auto kind = file[12] == 0 ? data::PackKind::kEncoded : data::PackKind::kPixels;
  if (const auto t = data::pack_tables(kind, trailer)) {
    const std::uint64_t n = trailer.records;
    const std::uint64_t places[7][2] = {{t->ends, kind == data::PackKind::kEncoded ? 8 * n : 0},
                                        {t->labels, 4 * n},
                                        {t->checksums, 8 * n},
                                        {t->name_ends, 8 * n},
                                        {t->names, trailer.names_bytes},
                                        {t->class_ends, 8 * trailer.classes},
                                        {t->class_names, trailer.class_names_bytes}};
    for (std::size_t i = 0; i < 7; ++i)
      trailer.table_checksum[i] = checksum(file.data() + places[i][0], places[i][1]);
  }
  Checksum sum;
  sum.add(file.data(), sizeof(data::PackHeader));
  sum.add(&trailer, offsetof(data::PackTrailer, checksum));
  trailer.checksum = sum.value();
  std::memcpy(file.data() + at, &trailer, sizeof trailer);
}

}  // namespace

QCFACE_FUZZ_TARGET(pack) {
  std::string file = fuzz::text_of(bytes);
  seal(file);
  const data::PackSet set(fuzz::file_of({reinterpret_cast<const std::uint8_t*>(file.data()), file.size()}));
  std::vector<std::uint8_t> buffer;
  std::size_t read = 0;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    data::StoredPicture picture;
    fuzz::expect(set.read(i, buffer, picture).ok(), "a record that is not there");
    fuzz::expect(set.label(i) >= 0 && set.label(i) < set.num_classes(), "a label that is no class");
    for (const std::uint8_t byte : picture.bytes) read += byte;
    read += set.name(i).size() + set.check_record(i).size();
  }
  fuzz::expect(set.size() == 0 || read > 0, "nothing was read");
}
