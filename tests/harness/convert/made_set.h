// Small sets for the tests of this room: folders of real picture files, and the bytes of a pack laid out by hand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "core/checksum.h"
#include "harness/data/sets/pack_format.h"
#include "harness/data/sets/picture_source.h"
#include "tests/harness/data/picture_support.h"

namespace qcface::test {

/// class name -> picture name -> file.
using Tree = std::map<std::string, std::map<std::string, std::string>>;

/// Every regular file two levels below `root`.
inline Tree tree_of(const std::filesystem::path& root) {
  Tree tree;
  for (const auto& identity : std::filesystem::directory_iterator(root)) {
    for (const auto& file : std::filesystem::directory_iterator(identity.path()))
      tree[identity.path().filename().string()][file.path().filename().string()] = read_file(file.path());
  }
  return tree;
}

/// A picture file's bytes; every seed another picture.
inline std::string picture_file(std::uint32_t seed, const std::string& suffix = ".jpg", int height = 24,
                                int width = 24) {
  const TemporaryFolder folder;
  const std::string path = (folder / ("p" + suffix)).string();
  data::write_image(path, make_picture(seed, height, width));
  return read_file(path);
}

inline void write_tree(const std::filesystem::path& root, const Tree& tree) {
  for (const auto& [identity, pictures] : tree) {
    std::filesystem::create_directories(root / identity);
    for (const auto& [name, bytes] : pictures)
      std::ofstream(root / identity / name, std::ios::binary) << bytes;
  }
}

/// Names that trouble scripts: blanks, a line break, bytes that are no UTF-8, a leading dash.
inline Tree awkward_tree() {
  return {{"a b", {{"one two.jpg", picture_file(1)}, {"x\ny.png", picture_file(2, ".png")}}},
          {"line\nbreak", {{"-rf.jpg", picture_file(3)}}},
          {"plain", {{"0001.JPG", picture_file(4)}, {"0002.bmp", picture_file(5, ".bmp")}}},
          {"\xFF\xFEraw", {{"\xC3.jpg", picture_file(6)}, {"z.jpg", picture_file(7)}}}};
}

/// Label -> files in the order of the set.
inline std::map<std::int64_t, std::vector<std::string>> contents(const data::PictureSource& set) {
  std::map<std::int64_t, std::vector<std::string>> by_label;
  std::vector<std::uint8_t> buffer;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    data::StoredPicture picture;
    REQUIRE(set.read(i, buffer, picture).ok());
    by_label[set.label(i)].emplace_back(picture.bytes.begin(), picture.bytes.end());
  }
  return by_label;
}

struct PackRecord {
  std::string bytes;
  std::uint32_t label = 0;
  std::string name;
};

/// The bytes of a pack after data-formats.md section 16, written without the program's writer. side 0: picture files.
class HandPack {
 public:
  HandPack(const std::vector<PackRecord>& records, const std::vector<std::string>& classes,
           std::uint32_t side = 0) {
    file_.assign("\x89QPK\r\n\x1A\n", 8);
    for (const std::uint32_t number : {1u, side > 0 ? 1u : 0u, side, side}) put(file_, number);
    file_.resize(4096);
    std::string ends, labels, checksums, name_ends, names, class_ends, class_names;
    for (const PackRecord& record : records) {
      file_ += record.bytes;
      if (side > 0) align();
      if (side == 0) put(ends, std::uint64_t{file_.size()});
      put(labels, record.label);
      put(checksums, checksum(record.bytes.data(), record.bytes.size()));
      names += record.name;
      put(name_ends, std::uint64_t{names.size()});
    }
    for (const std::string& name : classes) {
      class_names += name;
      put(class_ends, std::uint64_t{class_names.size()});
    }
    align();
    trailer_ = {static_cast<std::uint64_t>(records.size()), static_cast<std::uint64_t>(classes.size()),
                file_.size(), names.size(), class_names.size()};
    for (const std::string* table :
         {&ends, &labels, &checksums, &name_ends, &names, &class_ends, &class_names}) {
      places_.push_back(file_.size());
      sums_.push_back(checksum(table->data(), table->size()));
      file_ += *table;
      align();
    }
    add_trailer();
  }

  std::string& bytes() { return file_; }
  /// Where table number i (0: ends) begins.
  std::size_t table(int i) const { return places_[static_cast<std::size_t>(i)]; }
  std::size_t trailer() const { return file_.size() - 128; }
  /// Writes a number into the file and makes all checksums right again, as somebody would who wants to harm.
  template <class T>
  void forge(std::size_t at, T value) {
    std::memcpy(file_.data() + at, &value, sizeof value);
    const std::size_t end = trailer();
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const std::size_t bytes = table_bytes(i);
      if (places_[i] + bytes > end) continue;
      const std::uint64_t sum = checksum(file_.data() + places_[i], bytes);
      std::memcpy(file_.data() + end + 56 + 8 * i, &sum, 8);
    }
    seal();
  }

 private:
  template <class T>
  static void put(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void align() { file_.resize((file_.size() + 63) / 64 * 64); }
  std::size_t table_bytes(std::size_t i) const {
    const std::uint64_t n = trailer_[0], k = trailer_[1];
    const bool pixels = file_[12] != 0;
    return std::vector<std::size_t>{
        pixels ? 0 : 8 * n, 4 * n, 8 * n, 8 * n, trailer_[3], 8 * k, trailer_[4]}[i];
  }
  void add_trailer() {
    const std::uint64_t total = file_.size() + 128;
    file_ += "QPK END\n";
    put(file_, total);
    for (const std::uint64_t number : trailer_) put(file_, number);
    for (const std::uint64_t sum : sums_) put(file_, sum);
    file_.resize(total);
    seal();
  }
  void seal() {
    const std::size_t end = trailer();
    const std::string covered = file_.substr(0, 128) + file_.substr(end, 112);
    const std::uint64_t sum = checksum(covered.data(), covered.size());
    std::memcpy(file_.data() + end + 112, &sum, 8);
  }

  std::string file_;
  std::vector<std::uint64_t> trailer_, sums_;
  std::vector<std::size_t> places_;
};

inline std::string write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
  return path.string();
}

}  // namespace qcface::test
