#include "harness/eval/protocols/hq_layout.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "harness/console/usage.h"
#include "harness/data/lists/list_text.h"
#include "harness/data/lists/picture_list.h"

namespace qcface::eval {
namespace {

namespace fs = std::filesystem;

struct Known {
  std::string name;
  std::vector<std::string> aliases;  // of its folder, its pack and its list
  std::vector<std::string> lists;    // official names beside NAME_pairs.list and NAME_pairs.txt
};

const std::vector<Known>& known_sets() {
  static const std::vector<Known> kKnown{{"agedb_30", {"agedb_30", "agedb"}, {}},
                                         {"cfp_fp",
                                          {"cfp_fp", "cfp"},
                                          {"cfp_protocol/Split/FP", "Protocol/Split/FP",
                                           "cfp/Protocol/Split/FP", "cfp-dataset/Protocol/Split/FP"}},
                                         {"lfw", {"lfw"}, {"pairs_LFW.txt"}},
                                         {"calfw", {"calfw"}, {"pairs_CALFW.txt"}},
                                         {"cplfw", {"cplfw"}, {"pairs_CPLFW.txt"}},
                                         {"xqlfw", {"xqlfw", "lfw"}, {}},
                                         {"cfp_ff",
                                          {"cfp_ff", "cfp_fp", "cfp"},
                                          {"cfp_protocol/Split/FF", "Protocol/Split/FF",
                                           "cfp/Protocol/Split/FF", "cfp-dataset/Protocol/Split/FF"}}};
  return kKnown;
}

Known known_as(const std::string& name) {
  for (const Known& set : known_sets()) {
    if (set.name == name || set.aliases.front() == name) return set;
    // agedb and cfp mean the published sets.
    if (set.aliases.size() == 2 && set.aliases[1] == name && name != "lfw") return set;
  }
  return {name, {name}, {}};
}

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}
bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// The pictures of a set: a folder, or a pack.
std::optional<fs::path> place_of(const HqSource& source, const Known& set) {
  if (source.names != nullptr) return source.root / set.aliases.front();
  for (const std::string& alias : set.aliases) {
    if (is_folder(source.root / alias)) return source.root / alias;
    if (is_there(source.root / (alias + ".bin")) && alias == set.aliases.front())
      return source.root / (alias + ".bin");
  }
  return std::nullopt;
}

std::vector<fs::path> candidates(const HqSource& source, const Known& set, const fs::path& place) {
  std::vector<fs::path> lists;
  const fs::path root = !source.pairs_root.empty()             ? source.pairs_root
                        : is_folder(source.root / "pairlists") ? source.root / "pairlists"
                                                               : source.root;
  // A list of a set whose name is another's alias is not that set's.
  const std::string& name = set.name;
  std::vector<std::string> names{name};
  if (set.aliases.size() > 1 && name != "xqlfw" && name != "cfp_ff") names.emplace_back(set.aliases[1]);
  for (const fs::path& folder : {root, place}) {
    for (const std::string& own : names) {
      lists.push_back(folder / (own + "_pairs.list"));
      lists.push_back(folder / (own + "_pairs.txt"));
    }
    for (const std::string& official : set.lists) lists.push_back(folder / official);
    if (folder == place && place.filename() == name) {
      lists.push_back(folder / "pairs.txt");
      lists.push_back(folder / "pairs.list");
    }
  }
  return lists;
}

std::vector<std::string> split(const std::string& wanted) {
  std::vector<std::string> names;
  for (std::size_t begin = 0; begin <= wanted.size();) {
    const std::size_t end = std::min(wanted.find(',', begin), wanted.size());
    names.push_back(wanted.substr(begin, end - begin));
    require_usage(!names.back().empty(), "--test_db {}: a name is empty", wanted);
    require_usage(std::count(names.begin(), names.end(), names.back()) == 1,
                  "--test_db {}: {} stands there twice", wanted, names.back());
    begin = end + 1;
  }
  return names;
}

}  // namespace

std::vector<VerifySet> open_hq_sets(const HqSource& source) {
  const bool asked = !source.wanted.empty();
  std::vector<std::string> names;
  if (asked) {
    names = split(source.wanted);
  } else {
    for (const Known& set : known_sets()) names.emplace_back(set.name);
  }
  std::vector<VerifySet> sets;
  for (const std::string& name : names) {
    const Known set = known_as(name);
    const std::optional<fs::path> place = place_of(source, set);
    if (!place) {
      require(!asked, "{}: no pictures of {}: expected a folder {} or a pack {}.bin in it",
              source.root.string(), name, fmt::join(set.aliases, " or "), set.aliases.front());
      continue;
    }
    fs::path list;
    if (place->extension() != ".bin") {
      const std::vector<fs::path> lists = candidates(source, set, *place);
      const auto found = std::find_if(lists.begin(), lists.end(), is_there);
      if (found == lists.end()) {
        require(!asked, "{}: no pair list of {}: looked for {} and {} others", place->string(), name,
                lists.front().string(), lists.size() - 1);
        continue;
      }
      list = *found;
    }
    sets.push_back(open_verify_set(*place, list, {source.names, source.allow_missing}));
    sets.back().name = set.name;
  }
  require(
      !sets.empty(),
      "{}: none of the high-quality sets is there: expected folders such as lfw with lfw_pairs.list beside "
      "them, or packs such as lfw.bin",
      source.root.string());
  return sets;
}

std::vector<VerifySet> open_packs(const fs::path& place, const std::string& wanted) {
  std::vector<fs::path> packs;
  if (is_folder(place)) {
    if (wanted.empty()) {
      for (const auto& entry : fs::directory_iterator(place)) {
        if (entry.path().extension() == ".bin") packs.push_back(entry.path());
      }
      std::sort(packs.begin(), packs.end());
    } else {
      for (const std::string& name : split(wanted)) packs.push_back(place / (name + ".bin"));
    }
    require(!packs.empty(), "{}: no pack (.bin) in it", place.string());
  } else {
    require_usage(wanted.empty(), "--test_db and the pack --data {} contradict each other: name its folder",
                  place.string());
    packs.push_back(place);
  }
  std::vector<VerifySet> sets;
  for (const fs::path& pack : packs) {
    require(is_there(pack), "{}: there is no such pack", pack.string());
    sets.push_back(open_verify_set(pack, {}));
  }
  return sets;
}

LabelledPictures adience_pictures(const fs::path& folder) {
  LabelledPictures pictures;
  pictures.files = data::list_pictures(folder).files;
  for (const std::string& file : pictures.files) {
    const std::string name = fs::path(file).filename().string();
    const std::size_t first = name.find('.'),
                      second = first == std::string::npos ? first : name.find('.', first + 1);
    const auto number =
        second == std::string::npos
            ? std::nullopt
            : data::whole_number(std::string_view(name).substr(first + 1, second - first - 1));
    require(number.has_value(),
            "{}: expected the number of the person between the first two dots of the name, as in "
            "landmark_aligned_face.2282.11597935265_29bcdfa4a5_o.jpg",
            printable(file, 300));
    pictures.labels.push_back(number.value_or(0));
  }
  return pictures;
}

}  // namespace qcface::eval
