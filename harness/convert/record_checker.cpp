#include "harness/convert/record_checker.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/open_file.h"
#include "core/text.h"
#include "harness/console/interrupt.h"
#include "harness/data/image.h"
#include "harness/data/sets/record_file.h"

namespace qcface::convert {
namespace fs = std::filesystem;

namespace {

using data::Record, data::RecordHeader;

class RecordChecker final : public Checker {
 public:
  explicit RecordChecker(const fs::path& place) {
    std::error_code error;
    path_ = fs::is_directory(place, error) ? place / "train.rec" : place;
    file_ = map_file(path_);
    bytes_ = {reinterpret_cast<const std::uint8_t*>(file_.bytes.data()), file_.bytes.size()};
    follow_framing();
    const fs::path index = fs::path(path_).replace_extension(".idx");
    if (fs::exists(index, error)) compare_index(index);
  }

  const char* what() const override { return "records"; }
  std::int64_t count() const override { return static_cast<std::int64_t>(offsets_.size()); }
  std::vector<std::string> problems() const override { return problems_; }
  std::string listing() const override { return fmt::format("{} records", offsets_.size()); }
  std::function<std::string(std::int64_t)> worker() const override {
    struct RecordTools {
      data::ImageDecoder decoder;
      data::Image image;
      std::vector<std::uint8_t> buffer;
    };
    return [this, tools = std::make_shared<RecordTools>()](std::int64_t i) -> std::string {
      const std::uint64_t offset = offsets_[static_cast<std::size_t>(i)];
      const Record record = data::read_record(bytes_, offset, tools->buffer);
      if (!record.ok()) return sentence(record.fault_at, record.fault);
      RecordHeader header;
      std::string problem = data::parse_record_header(record, header);
      if (!problem.empty()) return sentence(offset, problem);
      // Lists of labels without a picture are those of sets and classes.
      if (header.picture == record.payload.size() && header.flag > 0) return {};
      problem = tools->decoder.decode(record.payload.subspan(header.picture), tools->image).reason;
      return problem.empty() ? problem
                             : sentence(offset, fmt::format("id {}: {}", header.id, printable(problem)));
    };
  }

 private:
  std::string sentence(std::uint64_t at, const std::string& problem) const {
    return fmt::format("{}: byte {}: {}", path_.string(), at, problem);
  }

  // Where each record begins, until something is no record.
  void follow_framing() {
    std::vector<std::uint8_t> buffer;
    for (std::uint64_t at = 0; at < bytes_.size();) {
      if (offsets_.size() % 4096 == 0) stop_if_interrupted();
      const Record record = data::read_record(bytes_, at, buffer, RecordHeader::kEnough);
      if (!record.ok()) {
        problems_.push_back(sentence(record.fault_at, record.fault));
        framed_to_ = at;
        return;
      }
      offsets_.push_back(at);
      at = record.end;
    }
    framed_to_ = bytes_.size();
  }

  // Each line has to name a record, and each record needs a line. Where the framing breaks off the index is all there is.
  void compare_index(const fs::path& index) {
    std::vector<std::uint64_t> named;
    data::IndexParser parser(index.string(), bytes_.size());
    const auto sink = [&named](data::IndexEntry entry) { named.push_back(entry.offset); };
    try {
      parser.parse(read_file(index), sink);
      parser.finish(sink);
    } catch (const Error& error) {
      problems_.emplace_back(error.what());
    }
    std::sort(named.begin(), named.end());
    const std::size_t framed = offsets_.size();
    std::int64_t nowhere = 0;
    std::uint64_t example = 0;
    for (std::size_t i = 0; i < named.size(); ++i) {
      if (named[i] >= framed_to_) {  // at framed_to_ itself stands what was found already
        if (named[i] > framed_to_ && (offsets_.empty() || offsets_.back() != named[i]))
          offsets_.push_back(named[i]);
      } else if (!std::binary_search(offsets_.begin(), offsets_.begin() + static_cast<std::ptrdiff_t>(framed),
                                     named[i])) {
        if (nowhere++ == 0) example = named[i];
      }
    }
    if (nowhere > 0)
      problems_.push_back(
          fmt::format("{}: {} lines name places where no record begins, for example byte {} of {}",
                      index.string(), nowhere, example, path_.string()));
    std::int64_t unnamed = 0;
    for (std::size_t i = 0; i < framed; ++i) {
      if (std::binary_search(named.begin(), named.end(), offsets_[i])) continue;
      if (unnamed++ == 0) example = offsets_[i];
    }
    if (unnamed > 0)
      problems_.push_back(fmt::format("{}: {} records of {} have no line, for example the one at byte {}",
                                      index.string(), unnamed, path_.string(), example));
  }

  fs::path path_;
  MappedFile file_;
  std::span<const std::uint8_t> bytes_;
  std::vector<std::uint64_t> offsets_;  // of records, ascending
  std::uint64_t framed_to_ = 0;
  std::vector<std::string> problems_;
};

}  // namespace

std::unique_ptr<Checker> make_record_checker(const fs::path& place) {
  return std::make_unique<RecordChecker>(place);
}

}  // namespace qcface::convert
