#include "harness/convert/convert.h"

#include <chrono>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "core/checksum.h"
#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "harness/console/progress.h"
#include "harness/convert/in_order.h"
#include "harness/convert/journal.h"
#include "harness/convert/part_file.h"
#include "harness/convert/png.h"
#include "harness/data/loader.h"
#include "harness/data/picture_pipeline.h"
#include "harness/data/sets/pack_set.h"

namespace qcface::convert {
namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

// Between two syncs: what a power cut or a full disk can cost, and what a sync is spread over.
constexpr std::uint64_t kSyncBytes = std::uint64_t{16} << 20;
constexpr auto kSyncTime = std::chrono::seconds(5);

// One picture between reading and putting.
struct Item {
  std::vector<std::uint8_t> file, made;  // as read; as pixels or PNG
  OutPicture out;
  std::string reason;
};

// What is done to the pictures, fixed for a call.
struct Form {
  int pixels = 0;        // side of a pack of pixels; 0: files
  bool prepare = false;  // cut to size
  bool check = false;
  data::LoaderOptions loader;  // for PicturePipeline: nothing but the size
};

class Maker {
 public:
  Maker(const Listing& listing, const Form& form, std::uint64_t most_bytes)
      : listing_(listing), form_(form), most_bytes_(most_bytes), pipeline_(form.loader) {}

  void operator()(std::int64_t position, Item& item) {
    item.reason.clear();
    data::StoredPicture stored;
    data::DecodeResult result = listing_.set().read(listing_.index(position), item.file, stored);
    if (result.ok()) make(stored, item, result);
    if (!result.ok()) item.reason = std::move(result.reason);
    if (!item.reason.empty()) return;
    if (item.out.bytes.size() > most_bytes_) {
      item.reason = fmt::format("{} bytes, more than the format holds", item.out.bytes.size());
      return;
    }
    item.out.checksum = checksum(item.out.bytes);
  }

 private:
  void make(const data::StoredPicture& stored, Item& item, data::DecodeResult& result) {
    item.out.bytes = stored.bytes;
    if (form_.prepare) {
      const int side = form_.loader.side;
      pixels_.reshape(side, side);
      item.reason = pipeline_.prepare(stored, {}, pixels_.data()).reason;
      if (!item.reason.empty()) return;
      if (form_.pixels > 0) {
        item.made.assign(pixels_.data(), pixels_.data() + pixels_.bytes());
      } else {
        encode_png(pixels_, item.made);
      }
      item.out.bytes = item.made;
    } else if (stored.height > 0) {  // pixels that become a file
      result = decoder_.decode(stored, pixels_);
      if (!result.ok()) return;
      encode_png(pixels_, item.made);
      item.out.bytes = item.made;
    } else if (stored.bytes.empty()) {
      item.reason = "empty file";
    } else if (form_.check) {
      result = decoder_.decode(stored, pixels_);
    }
  }

  const Listing& listing_;
  const Form& form_;
  const std::uint64_t most_bytes_;
  data::PicturePipeline pipeline_;
  data::ImageDecoder decoder_;
  data::Image pixels_;
};

// A hash of all names and labels: whether the set is the one that the journal was begun with.
std::string listing_hash(const data::PictureSource& set) {
  Checksum sum;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    if (i % 65536 == 0) stop_if_interrupted();
    const std::string name = set.name(i);
    const std::int64_t label = set.label(i);
    sum.add(name.c_str(), name.size() + 1);
    sum.add(&label, sizeof label);
  }
  set.class_names().for_each([&sum](std::string_view name) {
    sum.add(name.data(), name.size());
    sum.add("", 1);
  });
  return fmt::format("{:016x}", sum.value());
}

// A journal's block: u32 number of entries, the entries, then for each that was left out a u32 length and its reason.
std::string block_of(std::span<const Entry> entries, std::span<const std::string> reasons) {
  const auto put32 = [](std::string& out, std::size_t value) {
    const auto number = static_cast<std::uint32_t>(value);
    out.append(reinterpret_cast<const char*>(&number), sizeof number);
  };
  std::string block;
  put32(block, entries.size());
  block.append(reinterpret_cast<const char*>(entries.data()), entries.size_bytes());
  for (const std::string& reason : reasons) {
    put32(block, reason.size());
    block += reason;
  }
  return block;
}

struct Done {
  std::vector<Entry> entries;
  std::vector<std::pair<std::int64_t, std::string>> left_out;  // position, reason
};

void read_block(const std::string& block, Done& done, const fs::path& journal) {
  std::size_t at = 0;
  const auto take = [&](void* to, std::size_t bytes) {
    require(bytes <= block.size() - at, "{}: a block ends early; remove it to start over", journal.string());
    if (bytes > 0) std::memcpy(to, block.data() + at, bytes);
    at += bytes;
  };
  std::uint32_t count = 0;
  take(&count, sizeof count);
  const std::size_t first = done.entries.size();
  require(count <= (block.size() - at) / sizeof(Entry), "{}: a block ends early; remove it to start over",
          journal.string());
  done.entries.resize(first + count);
  take(done.entries.data() + first, count * sizeof(Entry));
  for (std::size_t p = first; p < done.entries.size(); ++p) {
    if (done.entries[p].taken != 0) continue;
    std::uint32_t length = 0;
    take(&length, sizeof length);
    require(length <= block.size() - at, "{}: a block ends early; remove it to start over", journal.string());
    std::string reason(length, '\0');
    take(reason.data(), length);
    done.left_out.emplace_back(static_cast<std::int64_t>(p), std::move(reason));
  }
}

// The work itself: goes on where the journal ends.
class Conversion {
 public:
  Conversion(const Listing& listing, Target& target, Journal& journal)
      : listing_(listing), target_(target), journal_(journal) {
    for (const std::string& block : journal.blocks()) read_block(block, done_, journal.path());
    require(done_.entries.size() <= static_cast<std::size_t>(listing.size()),
            "{}: has more pictures than the set; remove it to start over", journal.path().string());
    const std::size_t kept = target.begin(done_.entries);
    require(kept == done_.entries.size(),
            "{}: of {} pictures that it knows {} are in the part beside it; remove both to start over",
            journal.path().string(), done_.entries.size(), kept);
    noted_ = done_.entries.size();
  }

  std::int64_t first() const { return static_cast<std::int64_t>(noted_); }

  void run(const Form& form, int threads) {
    const std::int64_t begin = first(), count = listing_.size();
    done_.entries.reserve(static_cast<std::size_t>(count));
    Progress progress("writing", static_cast<std::size_t>(count - begin), "pictures");
    const auto make = [&] { return Maker(listing_, form, target_.most_bytes()); };
    try {
      for_each_in_order<Item>(begin, count, threads, make, [&](std::int64_t position, Item& item) {
        take(position, item);
        if (position % 64 == 63 || position + 1 == count) {
          progress.update(static_cast<std::size_t>(position + 1 - begin));
          if (bytes_ - synced_ >= kSyncBytes || Clock::now() - last_sync_ >= kSyncTime) note();
        }
      });
    } catch (const Interrupted&) {
      progress.clear();
      note();
      log::info("{} of {} pictures are done; the same command goes on from there", done_.entries.size(),
                count);
      throw;
    }
    note();
  }

  Done& done() { return done_; }

 private:
  void take(std::int64_t position, Item& item) {
    Entry entry;
    if (item.reason.empty()) {
      entry = {item.out.checksum, target_.put(position, item.out), 1};
      bytes_ += item.out.bytes.size();
    } else {
      const std::string name = listing_.set().name(listing_.index(position));
      require(!target_.needs_all(),
              "{}: {}; a verification pack needs both pictures of every pair: mend it, or take its pairs out "
              "of the "
              "list",
              printable(name), item.reason);
      if (said_++ < kMostSaid) log::warn("{}: left out ({})", printable(name), printable(item.reason));
      done_.left_out.emplace_back(position, item.reason);
      reasons_.push_back(std::move(item.reason));
    }
    done_.entries.push_back(entry);
  }

  // The pictures are on disk before the journal says so.
  void note() {
    if (done_.entries.size() == noted_) return;
    target_.sync();
    journal_.append(block_of(std::span(done_.entries).subspan(noted_), reasons_));
    noted_ = done_.entries.size();
    reasons_.clear();
    synced_ = bytes_;
    last_sync_ = Clock::now();
  }

  static constexpr int kMostSaid = 20;
  const Listing& listing_;
  Target& target_;
  Journal& journal_;
  Done done_;
  std::size_t noted_ = 0;             // entries that the journal has
  std::vector<std::string> reasons_;  // of those left out since
  std::uint64_t bytes_ = 0, synced_ = 0;
  Clock::time_point last_sync_ = Clock::now();
  int said_ = 0;
};

// Pixels that a set has stay pixels in a pack, where they are square.
Form form_of(const data::PictureSource& set, const ConvertOptions& options) {
  Form form;
  const auto* const pack = dynamic_cast<const data::PackSet*>(&set);
  int side = options.pixels ? options.side : 0;
  if (!options.pixels && options.kind == TargetKind::kPack && pack != nullptr &&
      pack->height() == pack->width())
    side = pack->height();
  form.prepare = side > 0;
  form.pixels = options.kind == TargetKind::kPack ? side : 0;
  form.check = options.check;
  form.loader.side = side > 0 ? side : options.side;
  return form;
}

std::unique_ptr<Target> make_target(const fs::path& to, const Listing& listing, const ConvertOptions& options,
                                    const Form& form, std::vector<char> same) {
  const auto* const pack = dynamic_cast<const data::PackSet*>(&listing.set());
  switch (options.kind) {
    case TargetKind::kPack:
      return make_pack_target(to, listing, form.pixels);
    case TargetKind::kRecord:
      return make_record_target(to, listing);
    case TargetKind::kBin:
      return make_bin_target(to, std::move(same));
    case TargetKind::kFolder:
      break;
  }
  return make_folder_target(to, listing, form.prepare || (pack != nullptr && pack->height() > 0),
                            std::move(same));
}

// Nothing is overwritten.
void require_free(const fs::path& to, const fs::path& journal, TargetKind kind) {
  std::error_code error;
  const fs::file_status status = fs::status(to, error);
  if (!fs::exists(status)) return;
  if (kind == TargetKind::kFolder && fs::is_directory(status) && fs::is_empty(to, error)) return;
  // A kill between the last rename and the end leaves a journal without its part.
  if (!fs::exists(PartFile::part_of(to), error)) fs::remove(journal, error);
  fail("{}: is there already; choose another name, or remove it first", to.string());
}

}  // namespace

ConvertResult convert_set(const data::PictureSource& set, std::string_view places, const fs::path& to,
                          const ConvertOptions& options, std::vector<char> same) {
  fs::path target_path = to;
  if (target_path.filename().empty()) target_path = target_path.parent_path();  // "folder/"
  fs::path journal_path = target_path;
  journal_path += ".journal";
  require(set.size() > 0, "{}: holds no pictures", places);
  require_free(target_path, journal_path, options.kind);
  const bool by_class = options.kind == TargetKind::kRecord || options.kind == TargetKind::kFolder;
  const Listing listing(set, by_class);
  const Form form = form_of(set, options);
  nlohmann::ordered_json described = nlohmann::ordered_json::array();
  for (const fs::path& place : data::split_places(places)) described.push_back(describe_place(place));
  nlohmann::ordered_json work{{"places", described},
                              {"kind", kTargetNames[static_cast<int>(options.kind)].first},
                              {"pixels", form.prepare ? form.loader.side : 0},
                              {"check", options.check},
                              {"pictures", set.size()},
                              {"classes", set.num_classes()},
                              {"names and labels", listing_hash(set)}};
  if (!same.empty()) work["pairs"] = fmt::format("{:016x}", checksum(same.data(), same.size()));
  const auto target = make_target(target_path, listing, options, form, std::move(same));
  Journal journal(journal_path, work, {PartFile::part_of(target_path)});
  Conversion conversion(listing, *target, journal);
  ConvertResult result;
  result.resumed = conversion.first();
  if (result.resumed > 0)
    log::info("going on behind {} of {} pictures, which an earlier call has done", result.resumed,
              set.size());
  conversion.run(form, options.threads);
  const Done& done = conversion.done();
  for (const Entry& entry : done.entries) {
    result.pictures += entry.taken;
    result.bytes += entry.bytes;
  }
  if (result.pictures == 0) {
    fail("{}: not one of {} pictures can be used, for example {} ({})", target_path.string(), set.size(),
         printable(set.name(listing.index(0))), printable(done.left_out.front().second));
  }
  result.notes = target->finish(done.entries);
  journal.remove();
  for (const auto& [position, reason] : done.left_out)
    result.left_out.push_back({set.name(listing.index(position)), reason});
  return result;
}

std::string describe(const ConvertResult& result, const fs::path& to) {
  std::string text = fmt::format("{}: {} pictures, {:.1f} MB", to.string(), result.pictures,
                                 static_cast<double>(result.bytes) / 1e6);
  if (result.left_out.empty()) return text;
  std::map<std::string, std::int64_t> reasons;
  for (const LeftOutPicture& picture : result.left_out) ++reasons[picture.reason];
  text += fmt::format("; {} left out:", result.left_out.size());
  for (const auto& [reason, count] : reasons) text += fmt::format("\n  {:>8}  {}", count, printable(reason));
  return text;
}

}  // namespace qcface::convert
