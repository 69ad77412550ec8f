#include <cstring>
#include <utility>

#include "core/checksum.h"
#include "core/error.h"
#include "core/open_file.h"
#include "core/text.h"
#include "harness/convert/record_checker.h"
#include "harness/convert/verify.h"
#include "harness/data/lists/picture_list.h"
#include "harness/data/sets/pack_set.h"
#include "harness/data/sets/record_set.h"
#include "harness/data/sets/verification_pack.h"

namespace qcface::convert {
namespace {

// What a thread decodes with.
struct Tools {
  data::ImageDecoder decoder;
  data::Image image;
  std::vector<std::uint8_t> buffer;
};

// Pictures at any depth of a folder: each has to decode.
class FolderChecker final : public Checker {
 public:
  explicit FolderChecker(const std::filesystem::path& folder) : files_(data::list_pictures(folder).files) {}
  const char* what() const override { return "pictures"; }
  std::int64_t count() const override { return static_cast<std::int64_t>(files_.size()); }
  std::string listing() const override {
    Checksum sum;
    for (const std::string& file : files_) sum.add(file.c_str(), file.size() + 1);
    return fmt::format("{:016x}", sum.value());
  }
  std::function<std::string(std::int64_t)> worker() const override {
    return [this, tools = std::make_shared<Tools>()](std::int64_t i) -> std::string {
      const std::string& file = files_[static_cast<std::size_t>(i)];
      const data::DecodeResult result = tools->decoder.decode_file(file, tools->image);
      return result.ok() ? std::string() : fmt::format("{}: {}", printable(file), printable(result.reason));
    };
  }

 private:
  std::vector<std::string> files_;
};

class PackChecker final : public Checker {
 public:
  PackChecker(const std::filesystem::path& pack, bool decode)
      : path_(pack.string()), set_(pack), decode_(decode) {}
  const char* what() const override { return "packed pictures"; }
  std::int64_t count() const override { return set_.size(); }
  std::string listing() const override { return fmt::format("{} pictures", set_.size()); }
  std::function<std::string(std::int64_t)> worker() const override {
    return [this, tools = std::make_shared<Tools>()](std::int64_t i) -> std::string {
      std::string problem = set_.check_record(i);
      data::StoredPicture stored;
      if (problem.empty() && decode_ && set_.read(i, tools->buffer, stored).ok())
        problem = tools->decoder.decode(stored, tools->image).reason;
      if (problem.empty()) return problem;
      return fmt::format("{}: byte {}: picture {} ({}): {}", path_, set_.record_begin(i), i,
                         printable(set_.name(i).substr(path_.size() + 1)), printable(problem));
    };
  }

 private:
  std::string path_;
  data::PackSet set_;
  bool decode_;
};

// Pictures of a pickle: each has to decode. The pickle itself is read at opening.
class BinChecker final : public Checker {
 public:
  explicit BinChecker(const std::filesystem::path& file) : pack_(file) {}
  const char* what() const override { return "pictures"; }
  std::int64_t count() const override { return pack_.size(); }
  std::string listing() const override { return fmt::format("{} pictures", pack_.size()); }
  std::function<std::string(std::int64_t)> worker() const override {
    return [this, tools = std::make_shared<Tools>()](std::int64_t i) -> std::string {
      data::StoredPicture stored;
      data::DecodeResult result = pack_.read(i, tools->buffer, stored);
      if (result.ok()) result = tools->decoder.decode(stored, tools->image);
      return result.ok() ? std::string()
                         : fmt::format("{}: {}", printable(pack_.name(i)), printable(result.reason));
    };
  }

 private:
  data::VerificationPack pack_;
};

}  // namespace

std::unique_ptr<Checker> open_checker(const std::filesystem::path& place, bool decode) {
  if (data::is_pack(place)) return std::make_unique<PackChecker>(place, decode);
  if (data::is_record_set(place)) return make_record_checker(place);
  if (std::error_code error; std::filesystem::is_directory(place, error))
    return std::make_unique<FolderChecker>(place);
  if (data::is_verification_pack(place)) return std::make_unique<BinChecker>(place);
  map_file(place);  // says why it cannot be opened, where that is so
  fail("{}: byte 0: is neither a pack, nor RecordIO, nor a verification pack, nor a folder", place.string());
}

}  // namespace qcface::convert
