// Opening a RecordIO set: which records are pictures, and whose.
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/open_file.h"
#include "core/text.h"
#include "harness/console/interrupt.h"
#include "harness/console/progress.h"
#include "harness/data/lists/list_text.h"
#include "harness/data/sets/record_file.h"
#include "harness/data/sets/record_set.h"

namespace qcface::data {
namespace fs = std::filesystem;
namespace {

// From here on a float skips whole numbers: classes and keys are no longer what was meant.
constexpr float kExactBelow = 16777216.0f;
constexpr std::size_t kSample = 1000;
constexpr std::size_t kLookEvery = 4096;                      // records between looks at the clock
constexpr std::uint64_t kHeldBytes = std::uint64_t{1} << 24;  // mapped pages count as memory of this process

// In place of a label.
constexpr std::int32_t kNotRead = -1, kNoPicture = -2, kNoClass = -3, kDamaged = -4;

bool is_whole(float value, float low, float below) {
  return value >= low && value < below && value == std::floor(value);
}

// Cases of one kind: how many, and the first of them.
struct Cases {
  std::int64_t count = 0;
  std::string first;
  template <class Describe>
  void note(Describe describe) {
    if (count++ == 0) first = describe();
  }
};

// Image keys first .. end - 1 are of one identity. Exact floats: below 2^24.
struct Range {
  std::uint32_t first, end;
  std::int32_t label;
};

struct Descriptor {
  int fd;
  ~Descriptor() { ::close(fd); }
};

}  // namespace

class RecordSetOpener {
 public:
  explicit RecordSetOpener(const fs::path& place) {
    std::error_code error;
    path_ = fs::is_directory(place, error) ? place / "train.rec" : place;
    set_.file_ = map_file(path_);
    set_.bytes_ = {reinterpret_cast<const std::uint8_t*>(set_.file_.bytes.data()), set_.file_.bytes.size()};
    bytes_ = set_.bytes_;
    require(!bytes_.empty(), "{}: the file is empty, expected RecordIO", path_.string());
    require(bytes_.size() < RecordTable::kEnd, "{}: {} bytes, expected fewer than 2^42", path_.string(),
            bytes_.size());
  }

  RecordSet open() {
    fs::path index = path_;
    index.replace_extension(".idx");
    std::error_code error;
    const bool indexed = index != path_ && fs::exists(index, error);
    if (indexed) {
      read_index(index);
      require(table_.size() > 0, "{}: the index names no record", index.string());
      labels_.assign(table_.size(), kNotRead);
    } else {
      scan();
    }
    const bool classic = is_classic();
    if (classic) {
      settle_classic();
    } else {
      read_labels();
    }
    keep_pictures();
    count_classes(classic);
    finish_warnings(classic);
    set_.what_ = fmt::format("RecordIO ({}{}) {}", classic ? "classic" : "im2rec",
                             indexed ? "" : ", no index", path_.string());
    set_.named_classes_ = false;
    advise(0, bytes_.size(), MADV_DONTNEED);
    advise(0, bytes_.size(), MADV_RANDOM);
    return std::move(set_);
  }

 private:
  // --- bytes of the file ------------------------------------------------------------------------------------------------

  void advise(std::uint64_t begin, std::uint64_t end, int advice) const {
    static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    begin = begin / page * page;
    // Only a hint: what fails here costs memory or time.
    ::madvise(const_cast<std::uint8_t*>(bytes_.data()) + begin, static_cast<std::size_t>(end - begin),
              advice);
  }

  // Record and header at an offset; a fault is thrown, with the file and its byte.
  Record require_record(std::uint64_t offset, RecordHeader& header) {
    Record record = read_record(bytes_, offset, buffer_, RecordHeader::kEnough);
    require(record.ok(), "{}: byte {}: {}", path_.string(), record.fault_at, record.fault);
    const std::string fault = parse_record_header(record, header);
    require(fault.empty(), "{}: byte {}: {}", path_.string(), offset, fault);
    return record;
  }

  // Its label, or why it has none.
  std::int32_t label_in(const Record& record, const RecordHeader& header) {
    if (header.picture == record.length) return kNoPicture;
    most_labels_ = std::max(most_labels_, header.flag);
    if (header.flag > 1) ++several_;
    if (is_whole(header.labels[0], 0.0f, kExactBelow)) return static_cast<std::int32_t>(header.labels[0]);
    no_class_.note([&] { return fmt::format("{} of key {}", header.labels[0], header.id); });
    return kNoClass;
  }

  std::int32_t read_label(std::uint64_t offset) {
    const Record record = read_record(bytes_, offset, buffer_, RecordHeader::kEnough);
    RecordHeader header;
    const std::string fault = record.ok() ? parse_record_header(record, header) : record.fault;
    if (fault.empty()) return label_in(record, header);
    damaged_.note([&] { return fmt::format("byte {}: {}", record.ok() ? offset : record.fault_at, fault); });
    return kDamaged;
  }

  // --- which records there are ------------------------------------------------------------------------------------------

  void note_record(std::uint64_t key, std::uint64_t offset) {
    if (key == 0) zero_ = offset;
    table_.add(key, offset);
  }

  void read_index(const fs::path& path) {
    const Descriptor file{open_regular(path)};
    std::error_code error;
    const std::uint64_t total = fs::file_size(path, error);
    IndexParser parser(path.string(), bytes_.size());
    const auto sink = [this](IndexEntry entry) { note_record(entry.key, entry.offset); };
    std::string block(std::size_t{1} << 20, '\0');
    Progress progress("reading " + path.filename().string(), static_cast<std::size_t>(total >> 20), "MB");
    for (std::uint64_t done = 0;;) {
      stop_if_interrupted();
      const ssize_t got = ::read(file.fd, block.data(), block.size());
      if (got < 0 && errno == EINTR) continue;
      require(got >= 0, "{}: cannot be read: {}", path.string(), std::strerror(errno));
      if (got == 0) break;
      parser.parse(std::string_view(block).substr(0, static_cast<std::size_t>(got)), sink);
      done += static_cast<std::uint64_t>(got);
      // Lines grow longer towards the end, so that this is more than enough.
      if (done == static_cast<std::uint64_t>(got)) reserve_for(done, total);
      progress.update(static_cast<std::size_t>(done >> 20));
    }
    parser.finish(sink);
  }

  void reserve_for(std::uint64_t done, std::uint64_t total) {
    if (done == 0 || total <= done) return;
    const double guess =
        static_cast<double>(table_.size()) * static_cast<double>(total) / static_cast<double>(done);
    table_.reserve(static_cast<std::size_t>(guess * 1.02) + 1000);
  }

  void scan() {
    Progress progress("looking for the records of " + path_.filename().string(),
                      static_cast<std::size_t>(bytes_.size() >> 20), "MB");
    advise(0, bytes_.size(), MADV_SEQUENTIAL);
    std::uint64_t dropped = 0;
    for (std::uint64_t at = 0; at < bytes_.size();) {
      RecordHeader header;
      const Record record = require_record(at, header);
      if (labels_.size() == labels_.capacity()) {
        reserve_for(at, bytes_.size());
        labels_.reserve(std::max(labels_.size() + labels_.size() / 8 + 1000, table_.reserved()));
      }
      note_record(header.id, at);
      labels_.push_back(label_in(record, header));
      at = record.end;
      if (table_.size() % kLookEvery != 0) continue;
      stop_if_interrupted();
      progress.update(static_cast<std::size_t>(at >> 20));
      if (at - dropped < kHeldBytes) continue;
      advise(dropped, at, MADV_DONTNEED);
      dropped = at;
    }
  }

  // --- whose they are ---------------------------------------------------------------------------------------------------

  // The layout of InsightFace: record 0 names the keys of the identity records, and holds no picture.
  bool is_classic() {
    if (!zero_) return false;
    RecordHeader header;
    const Record record = require_record(*zero_, header);
    if (header.flag == 0 || header.picture != record.length) return false;
    const auto [a, b] = header.labels;
    const float limit = 4294967296.0f;
    require(header.flag >= 2 && is_whole(a, 1.0f, limit) && is_whole(b, a, limit),
            "{}: byte {}: record 0 has no picture and {} labels ({}, {}), expected the first key of the "
            "identity records and the one after the last",
            path_.string(), *zero_, header.flag, a, b);
    first_identity_ = static_cast<std::uint64_t>(a);
    identities_ = static_cast<std::uint64_t>(b) - first_identity_;
    if (b >= kExactBelow) settle_first_identity(a);
    return true;
  }

  // Record 0 holds floats: the key that was meant is the first near it whose record has no picture.
  void settle_first_identity(float a) {
    const auto spacing = static_cast<std::uint64_t>(std::max(std::nextafter(a, 2.0f * a) - a, 1.0f));
    const std::uint64_t low = first_identity_ - std::min(first_identity_, spacing);
    const std::uint64_t high = first_identity_ + spacing;
    std::uint64_t found = high + 1, last = 0;
    for (std::size_t i = 0; i < table_.size(); ++i) {
      const std::uint64_t key = table_.key(i);
      last = std::max(last, key);
      if (key < low || key > high || key >= found) continue;
      RecordHeader header;
      if (require_record(table_.offset(i), header).length == header.picture) found = key;
    }
    if (found <= high) first_identity_ = found;
    identities_ = last >= first_identity_ ? last + 1 - first_identity_ : 0;
  }

  // Labels from the identity records where they are exact and the pictures bear them out.
  void settle_classic() {
    const std::vector<Range> ranges = labels_.front() == kNotRead ? read_identities() : std::vector<Range>();
    std::uint64_t present = 0;
    drop_records([&](std::size_t i) {
      const std::uint64_t key = table_.key(i);
      const bool image = key >= 1 && key < first_identity_;
      present += image ? 1 : 0;
      if (key >= first_identity_ + identities_) ++beyond_;
      return image;
    });
    if (present + 1 < first_identity_) missing_ = first_identity_ - 1 - present;
    const std::size_t known = label_by_range(ranges);
    if (known > 0 && !sample_agrees()) {
      std::fill(labels_.begin(), labels_.end(), kNotRead);
    }
    read_labels();
  }

  std::vector<Range> read_identities() {
    std::vector<Range> ranges;
    for (std::size_t i = 0; i < table_.size(); ++i) {
      const std::uint64_t key = table_.key(i);
      if (key < first_identity_ || key >= first_identity_ + identities_) continue;
      RecordHeader header;
      const Record record = require_record(table_.offset(i), header);
      require(header.flag >= 2 && header.picture == record.length,
              "{}: byte {}: the record of key {} is no identity record, but record 0 says that keys {} to {} "
              "are",
              path_.string(), table_.offset(i), key, first_identity_, first_identity_ + identities_ - 1);
      const auto [first, end] = header.labels;
      const std::uint64_t label = key - first_identity_;
      if (is_whole(first, 1.0f, kExactBelow) && is_whole(end, first, kExactBelow) && label < kMostClasses) {
        ranges.push_back({static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(end),
                          static_cast<std::int32_t>(label)});
      }
      if (ranges.size() % kLookEvery != 0) continue;
      stop_if_interrupted();
      advise(0, bytes_.size(), MADV_DONTNEED);
    }
    std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
    for (std::size_t i = 1; i < ranges.size(); ++i) {
      if (ranges[i].first >= ranges[i - 1].end) continue;
      warn(fmt::format("identities {} and {} claim the same pictures: every label is read from its picture",
                       ranges[i - 1].label, ranges[i].label));
      return {};
    }
    return ranges;
  }

  // The number of pictures that are in a range.
  std::size_t label_by_range(const std::vector<Range>& ranges) {
    std::size_t known = 0;
    auto range = ranges.begin();  // pictures of one identity stand together
    for (std::size_t i = 0; i < table_.size() && !ranges.empty(); ++i) {
      const std::uint64_t key = table_.key(i);
      if (range == ranges.end() || key < range->first || key >= range->end) {
        range = std::upper_bound(ranges.begin(), ranges.end(), key,
                                 [](std::uint64_t k, const Range& r) { return k < r.first; });
        if (range == ranges.begin() || key >= (--range)->end) continue;
      }
      labels_[i] = range->label;
      ++known;
    }
    return known;
  }

  bool sample_agrees() {
    const std::size_t count = std::min(kSample, labels_.size());
    bool agrees = true;
    for (std::size_t s = 0; s < count && agrees; ++s) {
      stop_if_interrupted();
      // A look at one page may map two megabytes around it.
      if (s % 16 == 0) advise(0, bytes_.size(), MADV_DONTNEED);
      const std::size_t i = s * labels_.size() / count;
      if (labels_[i] == kNotRead) continue;
      const std::int32_t own = read_label(table_.offset(i));
      agrees = own == kDamaged || own == kNoPicture || own == labels_[i];
      if (agrees) continue;
      warn(
          fmt::format("the label of key {} is {}, the identity records say {}: every label is read from its "
                      "picture",
                      table_.key(i), own == kNoClass ? "no class" : std::to_string(own), labels_[i]));
    }
    require(
        damaged_.count * 100 <= static_cast<std::int64_t>(count),
        "{}: {} of {} records that were looked at cannot be read, for example {}. Does the index belong to "
        "this file?",
        path_.string(), damaged_.count, count, damaged_.first);
    // Such a picture is skipped when its turn comes, or all are looked at once more.
    damaged_ = no_class_ = {};
    several_ = 0;
    return agrees;
  }

  // From their own records, where they are not known.
  void read_labels() {
    std::size_t open = 0;
    for (const std::int32_t label : labels_) open += label == kNotRead ? 1 : 0;
    if (open == 0) return;
    Progress progress("reading the labels of " + path_.filename().string(), open, "records");
    std::size_t done = 0;
    std::uint64_t held = 0;
    for (std::size_t i = 0; i < labels_.size(); ++i) {
      if (labels_[i] != kNotRead) continue;
      labels_[i] = read_label(table_.offset(i));
      if (++done % kLookEvery != 0) continue;
      stop_if_interrupted();
      progress.update(done);
      const std::uint64_t at = table_.offset(i);
      const std::uint64_t moved = at > held ? at - held : held - at;
      if (moved < kHeldBytes) continue;
      advise(0, bytes_.size(), MADV_DONTNEED);
      held = at;
    }
  }

  // --- what remains -----------------------------------------------------------------------------------------------------

  template <class Keep>
  void drop_records(Keep keep) {
    std::size_t count = 0;
    table_.filter([&](std::size_t i) {
      if (!keep(i)) return false;
      labels_[count++] = labels_[i];
      return true;
    });
    labels_.resize(count);
  }

  void keep_pictures() {
    const std::size_t before = labels_.size();
    require(damaged_.count * 100 <= static_cast<std::int64_t>(before),
            "{}: {} of {} records cannot be read, for example {}. Does the index belong to this file?",
            path_.string(), damaged_.count, before, damaged_.first);
    drop_records([&](std::size_t i) {
      if (labels_[i] == kNoPicture) no_picture_.note([&] { return fmt::format("key {}", table_.key(i)); });
      return labels_[i] >= 0;
    });
    require(!labels_.empty(), "{}: none of the {} records holds a picture with a class{}", path_.string(),
            before, no_class_.count > 0 ? fmt::format(" (label {})", no_class_.first) : "");
  }

  void count_classes(bool classic) {
    const auto needed = static_cast<std::uint64_t>(*std::max_element(labels_.begin(), labels_.end())) + 1;
    std::uint64_t classes = classic ? std::max(needed, identities_) : needed;
    std::error_code error;
    const fs::path property = path_.parent_path() / "property";
    if (fs::exists(property, error)) {
      const auto claimed = read_property(property);
      if (claimed && *claimed >= needed && !classic) classes = *claimed;
      if (!claimed || *claimed != classes) {
        warn(
            fmt::format("{}: expected `classes,height,width` with {} classes, as the labels have it; it is "
                        "not followed",
                        property.string(), classes));
      }
    }
    const std::uint64_t limit = std::min(kMostClasses, (std::uint64_t{1} << 20) + 64 * labels_.size());
    require(
        classes <= limit,
        "{}: {} classes for {} pictures (the largest label is {}), expected at most {}: number the classes "
        "from 0 without such gaps",
        path_.string(), classes, labels_.size(), needed - 1, limit);
    set_.num_classes_ = static_cast<std::int64_t>(classes);
    set_.class_names_ = ClassNames::numbers(classes);
  }

  static std::optional<std::uint64_t> read_property(const fs::path& path) {
    const ListText text(path);
    if (text.lines().size() != 1) return std::nullopt;
    const auto fields = split_fields(text.lines().front().text, Separator::kComma);
    if (!fields || fields->size() != 3) return std::nullopt;
    const auto classes = whole_number(fields->front());
    if (!classes || *classes < 1) return std::nullopt;
    return static_cast<std::uint64_t>(*classes);
  }

  void warn(const std::string& text) {
    set_.warnings_.push_back(fmt::format("{}: {}", path_.string(), text));
  }

  void finish_warnings(bool classic) {
    if (missing_ > 0) {
      warn(fmt::format("{} of the {} image keys that record 0 names have no record", missing_,
                       first_identity_ - 1));
    }
    if (beyond_ > 0) warn(fmt::format("{} records behind the identity records are left out", beyond_));
    if (no_picture_.count > 0) {
      warn(fmt::format("{} records without a picture are left out, for example {}", no_picture_.count,
                       no_picture_.first));
    }
    if (no_class_.count > 0) {
      warn(fmt::format("{} records are left out because their label is no class number, for example {}",
                       no_class_.count, no_class_.first));
    }
    if (damaged_.count > 0) {
      warn(
          fmt::format("{} records are damaged and left out, for example {}", damaged_.count, damaged_.first));
    }
    // The second label of the classic layout is a mark of no use here.
    if (several_ > 0 && most_labels_ > (classic ? 2u : 1u)) {
      warn(fmt::format("{} records hold several labels (up to {}): the first is taken for the class",
                       several_, most_labels_));
    }
  }

  static constexpr std::uint64_t kMostClasses = std::uint64_t{1} << 24;

  fs::path path_;
  RecordSet set_;
  std::span<const std::uint8_t> bytes_;
  RecordTable& table_ = set_.table_;
  std::vector<std::int32_t>& labels_ = set_.label_of_;
  std::vector<std::uint8_t> buffer_;

  std::optional<std::uint64_t> zero_;  // where record 0 stands
  std::uint64_t first_identity_ = 0, identities_ = 0;
  std::uint64_t missing_ = 0, beyond_ = 0;
  Cases no_picture_, no_class_, damaged_;
  std::int64_t several_ = 0;
  std::uint32_t most_labels_ = 0;
};

bool is_record_set(const fs::path& place) {
  std::error_code error;
  if (fs::is_directory(place, error)) return fs::exists(place / "train.rec", error);
  if (!fs::is_regular_file(place, error)) return false;
  if (place.extension() == ".rec") return true;
  const Descriptor file{open_regular(place)};
  std::uint32_t word = 0;
  return ::read(file.fd, &word, sizeof word) == sizeof word && word == kRecordMagic;
}

RecordSet open_record_set(const fs::path& place) { return RecordSetOpener(place).open(); }

}  // namespace qcface::data
