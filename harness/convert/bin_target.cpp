// Writes a verification pack (data-formats.md section 3): a pickle of protocol 3, which Python 3 reads without an encoding.
// No memo, lists in batches of 1000, as pickle itself writes them.
#include <algorithm>
#include <utility>

#include "harness/convert/part_file.h"
#include "harness/convert/target.h"

namespace qcface::convert {
namespace {

constexpr std::int64_t kBatch = 1000;

class BinTarget final : public Target {
 public:
  BinTarget(const std::filesystem::path& path, std::vector<char> same)
      : file_(path), same_(std::move(same)) {}

  std::uint64_t most_bytes() const override { return 0x7FFFFFFF; }
  bool needs_all() const override { return true; }  // two neighbours are a pair

  std::size_t begin(std::span<const Entry> done) override {
    const std::uint64_t there = file_.left_bytes();
    std::uint64_t end = 0;
    std::size_t kept = 0;
    while (kept < done.size() && end + done[kept].bytes <= there) end += done[kept++].bytes;
    file_.open_at(end);
    return kept;
  }

  std::uint32_t put(std::int64_t position, const OutPicture& picture) override {
    const std::uint64_t before = file_.position();
    if (position == 0) op("\x80\x03]");  // PROTO 3, EMPTY_LIST
    if (position % kBatch == 0) op("(");
    const auto bytes = static_cast<std::uint32_t>(picture.bytes.size());
    if (bytes < 256) {
      op("C");
      file_.write(&bytes, 1);
    } else {
      op("B");
      file_.write(&bytes, 4);
    }
    file_.write(picture.bytes);
    if (ends_batch(position, pictures())) op("e");
    return static_cast<std::uint32_t>(file_.position() - before);
  }

  void sync() override { file_.sync(); }

  std::vector<std::string> finish(std::span<const Entry>) override {
    op("]");
    const auto pairs = static_cast<std::int64_t>(same_.size());
    for (std::int64_t k = 0; k < pairs; ++k) {
      if (k % kBatch == 0) op("(");
      op(same_[static_cast<std::size_t>(k)] != 0 ? "\x88" : "\x89");  // NEWTRUE, NEWFALSE
      if (ends_batch(k, pairs)) op("e");
    }
    op("\x86.");  // TUPLE2, STOP
    file_.put_in_place();
    return {};
  }

 private:
  std::int64_t pictures() const { return 2 * static_cast<std::int64_t>(same_.size()); }
  static bool ends_batch(std::int64_t i, std::int64_t count) {
    return i % kBatch == kBatch - 1 || i == count - 1;
  }
  void op(std::string_view text) { file_.write(text.data(), text.size()); }

  PartFile file_;
  std::vector<char> same_;
};

}  // namespace

std::unique_ptr<Target> make_bin_target(const std::filesystem::path& path, std::vector<char> same) {
  return std::make_unique<BinTarget>(path, std::move(same));
}

}  // namespace qcface::convert
