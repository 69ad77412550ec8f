// Writes train.rec, train.idx and property in the classic layout (data-formats.md section 2): pictures are keys 1 to n by
// class, then record 0, then a record of each class with its first key and the one behind its last.
#include <algorithm>
#include <filesystem>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"
#include "harness/convert/part_file.h"
#include "harness/convert/record_framing.h"
#include "harness/convert/target.h"
#include "harness/data/image.h"
#include "harness/data/sets/record_file.h"

namespace qcface::convert {
namespace {

constexpr std::int64_t kExactFloats = std::int64_t{1} << 24;  // whole numbers up to here are exact in f32

class RecordTarget final : public Target {
 public:
  RecordTarget(const std::filesystem::path& path, const Listing& listing)
      : path_(path), file_(path), listing_(listing) {
    require(
        listing.set().num_classes() <= kExactFloats,
        "{}: {} classes: labels of this format are 32-bit floats, which tell 16777216 apart; choose a pack",
        path.string(), listing.set().num_classes());
  }

  std::uint64_t most_bytes() const override { return data::kRecordLimit - 1 - 24; }

  std::size_t begin(std::span<const Entry> done) override {
    const std::uint64_t there = file_.left_bytes();
    std::uint64_t end = 0;
    std::size_t kept = 0;
    while (kept < done.size() && end + done[kept].bytes <= there) {
      end += done[kept].bytes;
      key_ += done[kept++].taken;
    }
    file_.open_at(end);
    return kept;
  }

  std::uint32_t put(std::int64_t position, const OutPicture& picture) override {
    std::string record = record_header(static_cast<float>(listing_.label(position)), ++key_);
    record.append(reinterpret_cast<const char*>(picture.bytes.data()), picture.bytes.size());
    return put_record(record);
  }

  void sync() override { file_.sync(); }

  std::vector<std::string> finish(std::span<const Entry> entries) override {
    std::vector<std::string> notes;
    const std::int64_t classes = listing_.set().num_classes();
    const std::uint64_t pictures = key_;
    FileGroup others;
    AtomicFile& index = others.add(index_path());
    // Offsets of the pictures, and how many each class has.
    std::vector<std::uint64_t> first_key(static_cast<std::size_t>(classes) + 1, 0);
    std::uint64_t at = 0, key = 0;
    std::string lines;
    for (std::size_t p = 0; p < entries.size(); ++p) {
      if (entries[p].taken == 0) continue;
      ++first_key[static_cast<std::size_t>(listing_.label(static_cast<std::int64_t>(p))) + 1];
      lines += fmt::format("{}\t{}\n", ++key, at);
      at += entries[p].bytes;
      if (lines.size() > (1u << 16)) index.write(std::exchange(lines, {}));
    }
    first_key[0] = 1;
    for (std::size_t k = 1; k < first_key.size(); ++k) first_key[k] += first_key[k - 1];
    const auto label_line = [&](std::uint64_t number, std::uint64_t a, std::uint64_t b) {
      lines += fmt::format("{}\t{}\n", number, file_.position());
      const float labels[2] = {static_cast<float>(a), static_cast<float>(b)};
      put_record(label_record(labels, number));
    };
    label_line(0, pictures + 1, pictures + 1 + static_cast<std::uint64_t>(classes));
    for (std::size_t k = 0; k < static_cast<std::size_t>(classes); ++k)
      label_line(pictures + 1 + k, first_key[k], first_key[k + 1]);
    index.write(lines);
    if (pictures + static_cast<std::uint64_t>(classes) > static_cast<std::uint64_t>(kExactFloats))
      notes.push_back(fmt::format(
          "{}: more than 16777216 keys: the identity records' ranges are rounded to 32-bit floats, as "
          "the format has them; readers have to take the pictures' own labels",
          path_.string()));
    file_.sync();
    write_property(entries, classes, others, notes);
    // The .rec last: until it is there, the other two are of no use and no harm.
    others.commit();
    file_.put_in_place();
    return notes;
  }

 private:
  std::filesystem::path index_path() const { return std::filesystem::path(path_).replace_extension(".idx"); }

  std::uint32_t put_record(const std::string& record) {
    framed_.clear();
    append_record(framed_, {reinterpret_cast<const std::uint8_t*>(record.data()), record.size()});
    file_.write(framed_.data(), framed_.size());
    return static_cast<std::uint32_t>(framed_.size());
  }

  // classes,height,width; the size is that of the first picture. A folder has one such file, whatever number of .rec.
  void write_property(std::span<const Entry> entries, std::int64_t classes, FileGroup& others,
                      std::vector<std::string>& notes) const {
    const auto first =
        std::find_if(entries.begin(), entries.end(), [](const Entry& e) { return e.taken != 0; });
    if (first == entries.end()) return;
    std::vector<std::uint8_t> buffer;
    data::StoredPicture stored;
    data::Image image;
    data::ImageDecoder decoder;
    const std::int64_t index = listing_.index(first - entries.begin());
    int height = 112, width = 112;
    if (listing_.set().read(index, buffer, stored).ok() && decoder.decode(stored, image).ok()) {
      height = image.height();
      width = image.width();
    }
    const std::filesystem::path path = path_.parent_path() / "property";
    const std::string text = fmt::format("{},{},{}", classes, height, width);
    std::error_code unreadable;
    if (!std::filesystem::exists(path, unreadable)) {
      others.add(path).write(text);
    } else if (read_file(path) != text) {
      notes.push_back(fmt::format(
          "{}: is there already and says something else than {}; it was left as it is", path.string(), text));
    }
  }

  std::filesystem::path path_;
  PartFile file_;
  const Listing& listing_;
  std::uint64_t key_ = 0;  // of the last picture
  std::string framed_;
};

}  // namespace

std::unique_ptr<Target> make_record_target(const std::filesystem::path& path, const Listing& listing) {
  return std::make_unique<RecordTarget>(path, listing);
}

}  // namespace qcface::convert
