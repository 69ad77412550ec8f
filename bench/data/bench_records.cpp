// Sets of records and folders: how long they take to open and how much memory that costs, and how many pictures a second one
// thread reads and decodes in random order. Prints one JSON line a measurement.
//
//   qcface_bench_records headers FOLDER RECORDS CLASSES classic|im2rec [shuffled]
//                                                        writes FOLDER/train.rec and train.idx: headers with 8 bytes for a
//                                                        picture; shuffled: keys in random order
//   qcface_bench_records folders FOLDER IDENTITIES PICTURES FILE
//                                                        a folder tree of hard links to copies of one file
//   qcface_bench_records open PLACE                      opens a set
//   qcface_bench_records read PLACE [seconds] [rounds]   reads and decodes in random order
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <iterator>
#include <numeric>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/random.h"
#include "harness/console/memory.h"
#include "harness/console/standard_streams.h"
#include "harness/data/loader.h"
#include "harness/data/sets/picture_source.h"
#include "harness/data/sets/record_file.h"

namespace {

using namespace qcface;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

template <class T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

class Writer {
 public:
  explicit Writer(const fs::path& folder) : records_(folder / "train.rec"), index_(folder / "train.idx") {}

  // A scalar label and eight bytes of picture, or two labels and none.
  void image(std::uint64_t key, float label) { add(key, 0, {label, 0.0f}); }
  void range(std::uint64_t key, float first, float end) { add(key, 2, {first, end}); }
  void commit() {
    flush(0);
    records_.commit();
    index_.commit();
  }

 private:
  void add(std::uint64_t key, std::uint32_t flag, std::array<float, 2> labels) {
    fmt::format_to(std::back_inserter(lines_), "{}\t{}\n", key, offset_ + block_.size());
    append(block_, data::kRecordMagic);
    append(block_, std::uint32_t{32});
    append(block_, flag);
    append(block_, flag == 0 ? labels[0] : 0.0f);
    append(block_, key);
    append(block_, std::uint64_t{0});
    if (flag == 0) {
      block_ += "PICTURE.";
    } else {
      for (const float label : labels) append(block_, label);
    }
    flush(std::size_t{1} << 22);
  }
  void flush(std::size_t least) {
    if (block_.size() < least) return;
    records_.write(block_);
    index_.write(lines_);
    offset_ += block_.size();
    block_.clear();
    lines_.clear();
  }

  AtomicFile records_, index_;
  std::string block_, lines_;
  std::uint64_t offset_ = 0;
};

int write_headers(const fs::path& folder, std::uint64_t records, std::uint64_t classes,
                  const std::string& layout, bool shuffled) {
  require(layout == "classic" || layout == "im2rec", "layout {}: expected classic or im2rec", layout);
  require(classes >= 1 && records >= classes, "{} records of {} classes", records, classes);
  fs::create_directories(folder);
  Writer writer(folder);
  const bool classic = layout == "classic";
  const std::uint64_t first = classic ? 1 : 0;
  // Picture i is of class i * classes / records.
  const auto begin_of = [&](std::uint64_t c) { return (c * records + classes - 1) / classes; };
  if (classic) writer.range(0, static_cast<float>(records + 1), static_cast<float>(records + 1 + classes));
  std::vector<std::uint32_t> order(records);
  std::iota(order.begin(), order.end(), 0u);
  RandomStream random(1, RandomPurpose::kTest);
  for (std::size_t i = order.size(); shuffled && i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  for (const std::uint32_t i : order) writer.image(first + i, static_cast<float>(i * classes / records));
  for (std::uint64_t c = 0; classic && c < classes; ++c) {
    writer.range(records + 1 + c, static_cast<float>(1 + begin_of(c)),
                 static_cast<float>(1 + begin_of(c + 1)));
  }
  writer.commit();
  return 0;
}

int make_folders(const fs::path& root, int identities, int pictures, fs::path file) {
  constexpr int kLinks = 60'000;  // a file system may allow no more to one file
  int links = 0;
  for (int i = 0; i < identities; ++i) {
    const fs::path folder = root / fmt::format("id{:07}", i);
    fs::create_directories(folder);
    for (int p = 0; p < pictures; ++p) {
      const fs::path picture = folder / fmt::format("{}.jpg", p);
      if (links++ % kLinks == 0) {
        fs::copy_file(file, picture);
        file = picture;
      } else {
        fs::create_hard_link(file, picture);
      }
    }
  }
  return 0;
}

int open_place(const std::string& place) {
  const double before = peak_resident_mib();
  const auto begin = Clock::now();
  const auto set = data::open_pictures(place);
  const double seconds = seconds_since(begin);
  for (const std::string& warning : set->warnings()) std::fprintf(stderr, "%s\n", warning.c_str());
  fmt::print(
      "{{\"what\": \"{}\", \"pictures\": {}, \"classes\": {}, \"seconds\": {:.3f}, \"peak_mib\": {:.1f}, "
      "\"peak_before_mib\": {:.1f}}}\n",
      set->parts().front().what, set->size(), set->num_classes(), seconds, peak_resident_mib(), before);
  return 0;
}

int read_place(const std::string& place, double seconds, int rounds) {
  const auto set = data::open_pictures(place);
  const auto order = data::epoch_order(set->size(), 1, 0, true);
  data::ImageDecoder decoder;
  data::Image image;
  std::vector<std::uint8_t> buffer;
  data::StoredPicture picture;
  const auto measure = [&](bool decode) {
    std::uint64_t bytes = 0;
    std::size_t count = 0;
    const auto begin = Clock::now();
    double elapsed = 0.0;
    while (elapsed < seconds) {
      for (int i = 0; i < 64; ++i, ++count) {
        const std::int64_t index = order[count % order.size()];
        data::DecodeResult result = set->read(index, buffer, picture);
        if (result.ok() && decode) result = decoder.decode(picture, image);
        if (!result.ok()) fail("{}: {}", set->name(index), result.reason);
        bytes += picture.bytes.size();
      }
      elapsed = seconds_since(begin);
    }
    return std::pair(static_cast<double>(count) / elapsed, bytes / count);
  };
  measure(true);
  for (int round = 0; round < rounds; ++round) {
    const double reading = measure(false).first;
    const auto [decoding, mean_bytes] = measure(true);
    fmt::print(
        "{{\"program\": \"qcface\", \"pictures\": {}, \"mean_bytes\": {}, \"read\": {:.0f}, \"decode\": "
        "{:.1f}}}\n",
        set->size(), mean_bytes, reading, decoding);
    std::fflush(stdout);
  }
  return 0;
}

constexpr const char* kProgram = "qcface_bench_records";
constexpr const char* kUsage =
    "usage: qcface_bench_records headers FOLDER RECORDS CLASSES classic|im2rec [shuffled]\n"
    "       qcface_bench_records folders FOLDER IDENTITIES PICTURES FILE\n"
    "       qcface_bench_records open PLACE\n"
    "       qcface_bench_records read PLACE [seconds] [rounds]\n";

int run(const std::vector<std::string>& args) {
  const std::string what = args.empty() ? "" : args[0];
  if (what == "--help" || what == "-h") print_and_exit(kProgram, kUsage);
  if (what == "headers" && (args.size() == 5 || (args.size() == 6 && args[5] == "shuffled")))
    return write_headers(args[1], std::stoull(args[2]), std::stoull(args[3]), args[4], args.size() == 6);
  if (what == "folders" && args.size() == 5)
    return make_folders(args[1], std::stoi(args[2]), std::stoi(args[3]), args[4]);
  if (what == "open" && args.size() == 2) return open_place(args[1]);
  if (what == "read" && args.size() >= 2 && args.size() <= 4) {
    return read_place(args[1], args.size() > 2 ? std::stod(args[2]) : 1.0,
                      args.size() > 3 ? std::stoi(args[3]) : 3);
  }
  std::fputs(kUsage, stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(kProgram, [&] { return run({argv + 1, argv + argc}); });
}
