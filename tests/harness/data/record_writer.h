// RecordIO files for tests: what a writer of data-formats.md section 2 makes.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace qcface::test {

template <class T>
void append_value(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// Labels empty: scalar 0; one label: a scalar one, flag 0; more: flag = their number.
inline std::string record_payload(std::uint64_t key, const std::vector<float>& labels,
                                  std::string_view picture) {
  std::string out;
  const bool scalar = labels.size() < 2;
  append_value(out, scalar ? std::uint32_t{0} : static_cast<std::uint32_t>(labels.size()));
  append_value(out, scalar && !labels.empty() ? labels[0] : 0.0f);
  append_value(out, key);
  append_value(out, std::uint64_t{0});
  for (std::size_t i = 0; !scalar && i < labels.size(); ++i) append_value(out, labels[i]);
  return out.append(picture);
}

class RecordWriter {
 public:
  std::string file, index;

  /// One record; where the magic word stands at a multiple of 4 it is taken out and the record split.
  void add(std::uint64_t key, std::string_view payload) {
    index += std::to_string(key) + "\t" + std::to_string(file.size()) + "\n";
    std::vector<std::string_view> parts;
    std::size_t begin = 0;
    for (std::size_t at = 0; at + 4 <= payload.size(); at += 4) {
      if (std::memcmp(payload.data() + at, "\x0A\x23\xD7\xCE", 4) != 0) continue;
      parts.push_back(payload.substr(begin, at - begin));
      begin = at + 4;
    }
    parts.push_back(payload.substr(begin));
    for (std::size_t p = 0; p < parts.size(); ++p) {
      const bool last = p + 1 == parts.size();
      add_part(parts.size() == 1 ? 0 : p == 0 ? 1 : last ? 3 : 2, parts[p]);
    }
  }
  void add(std::uint64_t key, const std::vector<float>& labels, std::string_view picture) {
    add(key, record_payload(key, labels, picture));
  }
  void add_part(std::uint32_t cflag, std::string_view data) {
    append_value(file, std::uint32_t{0xCED7230A});
    append_value(file, cflag << 29 | static_cast<std::uint32_t>(data.size()));
    file.append(data);
    while (file.size() % 4 != 0) file += '\0';
  }
  /// <folder>/train.rec, and train.idx unless told otherwise.
  std::filesystem::path write(const std::filesystem::path& folder, bool with_index = true) const {
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "train.rec", std::ios::binary) << file;
    if (with_index) std::ofstream(folder / "train.idx", std::ios::binary) << index;
    return folder / "train.rec";
  }
};

}  // namespace qcface::test
