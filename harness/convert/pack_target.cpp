// Writes the packed format (data-formats.md section 16). What the tables hold comes from the journal's entries and from the
// set, so that nothing but those is kept in memory.
#include <cstddef>
#include <cstring>
#include <functional>

#include "core/checksum.h"
#include "core/error.h"
#include "harness/convert/part_file.h"
#include "harness/convert/target.h"
#include "harness/data/sets/pack_format.h"

namespace qcface::convert {
namespace {

using data::kPackDataBegin, data::PackHeader, data::PackKind, data::PackTrailer;

class PackTarget final : public Target {
 public:
  PackTarget(const std::filesystem::path& path, const Listing& listing, int side)
      : file_(path), listing_(listing) {
    std::memcpy(header_.magic, data::kPackMagic, sizeof header_.magic);
    header_.version = data::kPackVersion;
    header_.kind = static_cast<std::uint32_t>(side > 0 ? PackKind::kPixels : PackKind::kEncoded);
    header_.height = header_.width = static_cast<std::uint32_t>(side);
  }

  std::size_t begin(std::span<const Entry> done) override {
    const std::uint64_t there = file_.left_bytes();
    std::uint64_t end = kPackDataBegin;
    std::size_t kept = 0;
    while (kept < done.size() && end + done[kept].bytes <= there) end += done[kept++].bytes;
    if (kept == 0) {  // the head too
      file_.open_at(0);
      file_.write(&header_, sizeof header_);
      file_.zeros(kPackDataBegin - sizeof header_);
    } else {
      file_.open_at(end);
    }
    return kept;
  }

  std::uint32_t put(std::int64_t, const OutPicture& picture) override {
    const std::uint64_t before = file_.position();
    file_.write(picture.bytes);
    if (pixels()) align();
    return static_cast<std::uint32_t>(file_.position() - before);
  }

  void sync() override { file_.sync(); }

  std::vector<std::string> finish(std::span<const Entry> entries) override {
    PackTrailer trailer{};
    std::memcpy(trailer.end, data::kPackEnd, sizeof trailer.end);
    align();
    trailer.tables_begin = file_.position();
    trailer.classes = static_cast<std::uint64_t>(listing_.set().num_classes());
    int table = 0;
    const auto end_table = [&] {
      trailer.table_checksum[table++] = sum_.value();
      sum_ = Checksum();
      align();
    };
    const auto for_taken = [&](auto fn) {
      for (std::size_t p = 0; p < entries.size(); ++p) {
        if (entries[p].taken != 0) fn(static_cast<std::int64_t>(p), entries[p]);
      }
    };
    std::uint64_t end = kPackDataBegin;
    for_taken([&](std::int64_t, const Entry& entry) {
      ++trailer.records;
      end += entry.bytes;
      if (!pixels()) number(end);
    });
    end_table();
    for_taken([&](std::int64_t p, const Entry&) { number(static_cast<std::uint32_t>(listing_.label(p))); });
    end_table();
    for_taken([&](std::int64_t, const Entry& entry) { number(entry.checksum); });
    end_table();
    for_taken([&](std::int64_t p, const Entry&) {
      trailer.names_bytes += name(p).size();
      number(trailer.names_bytes);
    });
    end_table();
    for_taken([&](std::int64_t p, const Entry&) { text(name(p)); });
    end_table();
    for (std::uint64_t k = 0; k < trailer.classes; ++k) {
      trailer.class_names_bytes += class_name(k).size();
      number(trailer.class_names_bytes);
    }
    end_table();
    for (std::uint64_t k = 0; k < trailer.classes; ++k) text(class_name(k));
    end_table();
    trailer.file_bytes = file_.position() + sizeof trailer;
    Checksum sum;
    sum.add(&header_, sizeof header_);
    sum.add(&trailer, offsetof(PackTrailer, checksum));
    trailer.checksum = sum.value();
    // The end mark goes out when all before it is on disk: a power cut cannot leave the mark without the rest.
    file_.sync();
    file_.write(&trailer, sizeof trailer);
    file_.put_in_place();
    return {};
  }

 private:
  bool pixels() const { return header_.height > 0; }
  void align() { file_.zeros(data::pack_aligned(file_.position()) - file_.position()); }
  template <class T>
  void number(T value) {
    sum_.add(&value, sizeof value);
    file_.write(&value, sizeof value);
  }
  void text(const std::string& bytes) {
    sum_.add(bytes.data(), bytes.size());
    file_.write(bytes.data(), bytes.size());
  }
  std::string name(std::int64_t position) const { return usable_file_name(listing_.file_name(position)); }
  std::string class_name(std::uint64_t k) const {
    const auto& names = listing_.set().class_names();
    return k < names.size() ? names[k] : fmt::format("{}", k);
  }

  PartFile file_;
  const Listing& listing_;
  PackHeader header_{};
  Checksum sum_;
};

}  // namespace

std::unique_ptr<Target> make_pack_target(const std::filesystem::path& path, const Listing& listing,
                                         int side) {
  return std::make_unique<PackTarget>(path, listing, side);
}

}  // namespace qcface::convert
