#include "harness/data/lists/cfp_pairs.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "harness/data/lists/list_text.h"
#include "harness/data/lists/picture_finder.h"

namespace qcface::data {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kMostPictures = 10'000'000;

// Paths by number, which counts from 1; empty where the list has none.
std::vector<std::string> read_numbers(const fs::path& list) {
  std::vector<std::string> paths;
  const ListText text(list);
  for (const ListLine& line : text.lines()) {
    const auto fields = split_fields(line.text, Separator::kBlanks);
    const std::int64_t number = fields && fields->size() == 2 ? whole_number((*fields)[0]).value_or(0) : 0;
    require(number >= 1 && number <= kMostPictures,
            "{}: line {}: expected a number and the path of a picture", list.string(), line.number);
    const std::size_t place = static_cast<std::size_t>(number);
    if (paths.size() <= place) paths.resize(place + 1);
    require(paths[place].empty(), "{}: line {}: number {} stands there twice", list.string(), line.number,
            number);
    paths[place] = (*fields)[1];
  }
  require(!paths.empty(), "{}: no pictures in this list", list.string());
  return paths;
}

// PERSON/frontal/NN.jpg out of a path that ends so, in the forms that sets of pictures have it in.
std::vector<std::string> forms_of(const std::string& path) {
  const fs::path whole(path);
  const std::string picture = whole.filename().string(), view = whole.parent_path().filename().string(),
                    person = whole.parent_path().parent_path().filename().string();
  std::vector<std::string> forms;
  for (const char* folder : {"", "Images/", "Data/Images/"}) {
    forms.push_back(fmt::format("{}{}/{}/{}", folder, person, view, picture));
    forms.push_back(fmt::format("{}{}/{}_{}", folder, person, view, picture));
  }
  return forms;
}

}  // namespace

PairList read_cfp_pairs(const fs::path& folder, const fs::path& root, const PairOptions& options) {
  const fs::path split = (folder / "").lexically_normal().parent_path();
  const bool profiles = split.filename() == "FP";
  require(
      profiles || split.filename() == "FF",
      "{}: is a folder, but not Split/FF or Split/FP of CFP's protocol: name a pair list, or one of these",
      folder.string());
  const fs::path lists = split.parent_path().parent_path();
  const std::vector<std::string> frontal = read_numbers(lists / "Pair_list_F.txt");
  const std::vector<std::string> second = profiles ? read_numbers(lists / "Pair_list_P.txt") : frontal;

  PairList pairs;
  PictureFinder finder(split, root, options.names);
  for (int fold = 1;; ++fold) {
    const fs::path of_fold = split / fmt::format("{:02}", fold);
    std::error_code error;
    if (!fs::is_directory(of_fold, error)) {
      require(fold > 1, "{}: there is no fold 01 in it", split.string());
      break;
    }
    for (const auto& [name, same] : {std::pair{"same.txt", true}, std::pair{"diff.txt", false}}) {
      const fs::path file = of_fold / name;
      const ListText text(file);
      for (const ListLine& line : text.lines()) {
        const auto fields = split_fields(line.text, Separator::kBlanksOrComma);
        require(fields && fields->size() == 2, "{}: line {}: expected two numbers with a comma between",
                file.string(), line.number);
        int place[2];
        for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
          const std::vector<std::string>& known = i == 0 ? frontal : second;
          const std::int64_t number = whole_number((*fields)[i]).value_or(0);
          require(number >= 1 && number < static_cast<std::int64_t>(known.size()) &&
                      !known[static_cast<std::size_t>(number)].empty(),
                  "{}: line {}: {} is no number of {}", file.string(), line.number,
                  printable((*fields)[i], 100), i == 1 && profiles ? "Pair_list_P.txt" : "Pair_list_F.txt");
          place[i] = finder.find_any(forms_of(known[static_cast<std::size_t>(number)]), line.number);
        }
        if (options.allow_missing && (place[0] < 0 || place[1] < 0)) {
          ++pairs.left_out;
          continue;
        }
        pairs.pairs.emplace_back(place[0], place[1]);
        pairs.same.push_back(same ? 1 : 0);
      }
    }
  }
  if (!options.allow_missing) finder.require_all();
  require(pairs.size() > 0, "{}: no pairs in it{}", split.string(),
          pairs.left_out > 0 ? " whose pictures are there" : "");
  pairs.images = finder.take_images();
  return pairs;
}

}  // namespace qcface::data
