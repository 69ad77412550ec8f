#include <fmt/format.h>

#include <cstddef>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "harness/data/sets/image_folder.h"
#include "harness/data/sets/mixed_set.h"
#include "harness/data/sets/pack_set.h"
#include "harness/data/sets/picture_source.h"
#include "harness/data/sets/record_set.h"

namespace qcface::data {
namespace fs = std::filesystem;
namespace {

struct Kind {
  bool (*is)(const fs::path& place);
  std::unique_ptr<PictureSource> (*open)(const fs::path& place);
};
// The first that recognises a place opens it; the last one takes what is left, and says what is wrong with it.
constexpr Kind kKinds[] = {
    {is_pack,
     [](const fs::path& place) -> std::unique_ptr<PictureSource> {
       return std::make_unique<PackSet>(place);
     }},
    {is_record_set,
     [](const fs::path& place) -> std::unique_ptr<PictureSource> {
       return std::make_unique<RecordSet>(open_record_set(place));
     }},
    {[](const fs::path&) { return true; },
     [](const fs::path& place) -> std::unique_ptr<PictureSource> {
       return std::make_unique<ImageFolder>(scan_image_folder(place));
     }},
};

std::unique_ptr<PictureSource> open_place(const fs::path& place) {
  for (const Kind& kind : kKinds) {
    if (kind.is(place)) return kind.open(place);
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<PictureSource> open_pictures(std::string_view places, bool merge_by_name) {
  std::vector<std::unique_ptr<PictureSource>> sets;
  std::map<fs::path, int> seen;
  std::vector<std::string> warnings;
  for (const fs::path& place : split_places(places)) {
    sets.push_back(open_place(place));
    std::error_code error;
    if (++seen[fs::canonical(place, error)] == 2) {
      warnings.push_back(fmt::format("{}: this data set is given more than once, its pictures count as often",
                                     place.string()));
    }
  }
  std::unique_ptr<PictureSource> set;
  if (sets.size() == 1) {
    set = std::move(sets.front());
  } else {
    set = std::make_unique<MixedSet>(std::move(sets), merge_by_name);
  }
  if (set->num_classes() == 1) {
    warnings.push_back(fmt::format("only one identity ({}): a classification loss has nothing to tell apart",
                                   printable(set->class_names().front(), 200)));
  }
  for (std::string& warning : warnings) set->warnings_.push_back(std::move(warning));
  return set;
}

}  // namespace qcface::data
