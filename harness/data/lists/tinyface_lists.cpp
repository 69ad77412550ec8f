#include "harness/data/lists/tinyface_lists.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "harness/data/lists/list_text.h"
#include "harness/data/lists/mat_file.h"
#include "harness/data/lists/picture_list.h"

namespace qcface::data {
namespace {

namespace fs = std::filesystem;

constexpr const char *kProbe = "Probe", *kMatched = "Gallery_Match", *kDistractors = "Gallery_Distractor";

struct Published {
  const char* what;
  std::int64_t TinyFaceLists::*count;
  std::int64_t expected;
};
constexpr Published kPublished[] = {{"probes", &TinyFaceLists::probes, 3728},
                                    {"pictures of the matched gallery", &TinyFaceLists::matched, 4443},
                                    {"distractors", &TinyFaceLists::distractors, 153428},
                                    {"identities", &TinyFaceLists::identities, 2569}};

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// "12_3.jpg" of "Probe/12_3.jpg", and that without its suffix.
std::string file_of(std::string_view name) { return std::string(name.substr(name.find_last_of("/\\") + 1)); }
std::string stem_of(std::string_view file) {
  return std::string(has_picture_suffix(file) ? file.substr(0, file.rfind('.')) : file);
}

std::optional<std::int64_t> number_of(std::string_view stem) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(stem.data(), stem.data() + stem.size(), number);
  if (error != std::errc() || number < 0 || end == stem.data() + stem.size() || *end != '_')
    return std::nullopt;
  return number;
}

struct Entry {
  std::string file;
  std::int64_t subject = kDistractor;
};

class Reader {
 public:
  Reader(const fs::path& root, const std::string& aligned, const PictureNames* names)
      : aligned_name_(aligned), names_(names) {
    const bool inside = is_folder(root / "Testing_Set");
    tests_ = inside ? root / "Testing_Set" : root / "tinyface" / "Testing_Set";
    require(names != nullptr || !root.empty(), "TinyFace: its folder is missing: give --data");
    require(root.empty() || is_folder(root), "{}: no such folder", root.string());
    require(names != nullptr || is_folder(tests_),
            "{}: neither tinyface/Testing_Set nor Testing_Set is in it, expected TinyFace's pictures there",
            root.string());
    aligned_ = root / aligned;
    if (!is_folder(aligned_) && !root.empty()) {
      const fs::path beside = fs::absolute(root).lexically_normal().parent_path();
      const fs::path other = root.filename().empty() ? beside.parent_path() / aligned : beside / aligned;
      require(names != nullptr || is_folder(other),
              "{}: no folder {} in it or beside it, expected the aligned pictures there: see --aligned-dir",
              root.string(), aligned);
      if (is_folder(other)) aligned_ = other;
    }
  }

  TinyFaceLists read() {
    std::vector<Entry> probes = in_folder(kProbe), matched = in_folder(kMatched);
    const fs::path probe_mat = tests_ / "probe_img_ID_pairs.mat",
                   gallery_mat = tests_ / "gallery_match_img_ID_pairs.mat";
    std::error_code error;
    const bool has_probe = fs::exists(probe_mat, error), has_gallery = fs::exists(gallery_mat, error);
    if (has_probe && has_gallery) {
      lists_.from_mat = true;
      probes = in_mat(probe_mat, "probe_set", "probe_ids", probes);
      matched = in_mat(gallery_mat, "gallery_set", "gallery_ids", matched);
      compare_grouping(probes, matched);
    } else {
      if (has_probe || has_gallery)
        warn("{}: {} is missing beside it, so the numbers of the names say whose the pictures are",
             (has_probe ? probe_mat : gallery_mat).string(),
             (has_probe ? gallery_mat : probe_mat).filename().string());
      for (auto* entries : {&probes, &matched}) number_by_name(*entries);
    }
    std::vector<Entry> distractors = in_folder(kDistractors);
    require(!probes.empty() && !matched.empty(),
            "{}: {} probes and {} pictures of the matched gallery, expected some of both", tests_.string(),
            probes.size(), matched.size());
    add(kProbe, probes);
    add(kMatched, matched);
    add(kDistractors, distractors);
    count(probes.size(), matched.size());
    return std::move(lists_);
  }

 private:
  template <class... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) {
    lists_.warnings.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  // Pictures of a set, by name.
  std::vector<Entry> in_folder(const char* set) const {
    std::vector<Entry> entries;
    if (is_folder(tests_ / set)) {
      for (const auto& entry : fs::directory_iterator(tests_ / set)) {
        std::string file = entry.path().filename().string();
        if (has_picture_suffix(file) && file[0] != '.') entries.push_back({std::move(file)});
      }
    } else if (names_ != nullptr) {
      for (const auto& [stem, name] : named_in(set)) entries.push_back({file_of(name)});
    } else {
      fail("{}: no such folder, expected the pictures of {}", (tests_ / set).string(), set);
    }
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.file < b.file; });
    return entries;
  }

  // Names that lie in a folder of the set's name, by stem; of two the one in the aligned folder.
  std::unordered_map<std::string, std::string> named_in(const char* set) const {
    std::unordered_map<std::string, std::string> named;
    const std::string inside = std::string("/") + set + "/";
    for (std::size_t row = 0; row < names_->size(); ++row) {
      std::string name = (*names_)[row];
      std::replace(name.begin(), name.end(), '\\', '/');
      const std::size_t end = name.rfind('/');
      if (end == std::string::npos || !("/" + name.substr(0, end + 1)).ends_with(inside)) continue;
      const auto [first, added] = named.emplace(stem_of(file_of(name)), name);
      if (added) continue;
      const bool aligned = ("/" + name).find("/" + aligned_name_ + "/") != std::string::npos;
      require(aligned != (("/" + first->second).find("/" + aligned_name_ + "/") != std::string::npos),
              "{}: {} and {} are twins of one picture, expected one of them", names_->what(),
              printable(first->second, kPrintedBytes), printable(name, kPrintedBytes));
      if (aligned) first->second = name;
    }
    return named;
  }

  std::vector<Entry> in_mat(const fs::path& mat, std::string_view names, std::string_view ids,
                            const std::vector<Entry>& folder) {
    const IdPairs pairs = read_id_pairs(mat, names, ids);
    std::vector<Entry> entries;
    std::unordered_map<std::string, std::size_t> row_of;
    for (std::size_t row = 0; row < pairs.names.size(); ++row) {
      entries.push_back({file_of(pairs.names[row]), pairs.ids[row]});
      require(pairs.ids[row] >= 0, "{}: row {}: identity {}, expected a number from 0", mat.string(), row + 1,
              pairs.ids[row]);
      const auto [first, added] = row_of.emplace(stem_of(entries.back().file), row);
      require(added, "{}: row {} is row {} again: {}", mat.string(), row + 1, first->second + 1,
              printable(pairs.names[row], kPrintedBytes));
    }
    std::size_t known = 0;
    const Entry* extra = nullptr;
    for (const Entry& entry : folder) {
      if (row_of.count(stem_of(entry.file)) > 0)
        ++known;
      else if (extra == nullptr)
        extra = &entry;
    }
    if (extra != nullptr)
      warn("{}: {} of {} pictures of its set are not in it and are left out, for example {}", mat.string(),
           folder.size() - known, folder.size(), printable(extra->file, kPrintedBytes));
    if (!folder.empty() && known < entries.size())
      warn("{}: {} of its {} pictures are not in the folder of the originals", mat.string(),
           entries.size() - known, entries.size());
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.file < b.file; });
    return entries;
  }

  // The numbers need not be those of the names, but should group pictures alike.
  void compare_grouping(const std::vector<Entry>& probes, const std::vector<Entry>& matched) {
    std::unordered_map<std::int64_t, std::int64_t> number_of_id, id_of_number;
    std::size_t differing = 0;
    const Entry* example = nullptr;
    for (const auto* entries : {&probes, &matched}) {
      for (const Entry& entry : *entries) {
        const auto number = number_of(entry.file);
        const bool alike = number && number_of_id.emplace(entry.subject, *number).first->second == *number &&
                           id_of_number.emplace(*number, entry.subject).first->second == entry.subject;
        if (alike) continue;
        if (++differing == 1) example = &entry;
      }
    }
    if (differing > 0)
      warn(
          "{}: the MAT-files group {} of {} pictures otherwise than the numbers of their names do, for "
          "example {}; the "
          "MAT-files count",
          tests_.string(), differing, probes.size() + matched.size(),
          printable(example->file, kPrintedBytes));
  }

  void number_by_name(std::vector<Entry>& entries) const {
    for (Entry& entry : entries) {
      const auto number = number_of(entry.file);
      require(number.has_value(), "{}: {}: expected a number and _ in front of the name: whose picture it is",
              tests_.string(), printable(entry.file, kPrintedBytes));
      entry.subject = *number;
    }
  }

  void add(const char* set, const std::vector<Entry>& entries) {
    const fs::path folder = aligned_ / set;
    std::unordered_map<std::string, std::string> twins;  // stem -> path
    if (names_ != nullptr) {
      twins = named_in(set);
    } else if (is_folder(folder)) {
      for (const auto& entry : fs::directory_iterator(folder)) {
        const std::string file = entry.path().filename().string();
        if (!has_picture_suffix(file) || file[0] == '.') continue;
        const auto [first, added] = twins.emplace(stem_of(file), entry.path().string());
        require(added, "{}: {} and {} are twins of one picture, expected one of them", folder.string(),
                printable(file_of(first->second), kPrintedBytes), printable(file, kPrintedBytes));
      }
    }
    std::size_t missing = 0;
    std::string examples;
    for (const Entry& entry : entries) {
      const std::string stem = stem_of(entry.file);
      const auto twin = twins.find(stem);
      // Names without folders are found by the name alone.
      std::string path = twin != twins.end() ? twin->second : (folder / (stem + ".jpg")).string();
      if (twin == twins.end() && (names_ == nullptr || !names_->find(path))) {
        if (++missing <= kMostNamed)
          examples += (examples.empty() ? "" : ", ") + printable(entry.file, kPrintedBytes);
        continue;
      }
      lists_.files.push_back(std::move(path));
      lists_.subject.push_back(entry.subject);
    }
    require(missing == 0, "{}: {} of {} pictures of {} have no aligned twin {}: {}{}; align them all",
            folder.string(), missing, entries.size(), set,
            names_ != nullptr ? "among the names of " + names_->what() : "there", examples,
            missing > kMostNamed ? ", ..." : "");
  }

  void count(std::size_t probes, std::size_t matched) {
    lists_.probes = static_cast<std::int64_t>(probes);
    lists_.matched = static_cast<std::int64_t>(matched);
    lists_.distractors = static_cast<std::int64_t>(lists_.files.size() - probes - matched);
    std::vector<std::int64_t> identities(
        lists_.subject.begin(), lists_.subject.begin() + static_cast<std::ptrdiff_t>(probes + matched));
    std::sort(identities.begin(), identities.end());
    lists_.identities = std::unique(identities.begin(), identities.end()) - identities.begin();
    for (const Published& size : kPublished) {
      if (lists_.*size.count != size.expected)
        warn("{} {}, published TinyFace has {}", lists_.*size.count, size.what, size.expected);
    }
  }

  std::string aligned_name_;
  const PictureNames* names_;
  fs::path tests_, aligned_;
  TinyFaceLists lists_;
};

}  // namespace

TinyFaceLists read_tinyface_lists(const fs::path& root, const std::string& aligned,
                                  const PictureNames* names) {
  return Reader(root, aligned, names).read();
}

}  // namespace qcface::data
