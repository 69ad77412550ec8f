// Which results a folder holds, and what their models are called.
#include <algorithm>
#include <map>
#include <system_error>

#include "core/error.h"
#include "harness/eval/compare/compare.h"

namespace qcface::eval {
namespace {

namespace fs = std::filesystem;

void read_into(ModelResults& model, const fs::path& folder, const std::string& set) {
  for (const Protocol* protocol : protocols()) {
    if (auto result = read_result(folder, *protocol, model.problems))
      model.results.push_back({protocol, set, folder, std::move(*result)});
  }
}

// Of a folder and the folders in it, in byte order.
void read_sets(ModelResults& model, const fs::path& folder) {
  read_into(model, folder, "");
  std::vector<fs::path> inside;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code unreadable;
    if (it->is_directory(unreadable)) inside.push_back(it->path());
  }
  std::sort(inside.begin(), inside.end());
  for (const fs::path& set : inside) read_into(model, set, set.filename().string());
}

fs::path normal(const fs::path& folder) {
  fs::path path = fs::absolute(folder).lexically_normal();
  return path.filename().empty() ? path.parent_path() : path;
}

}  // namespace

ModelResults read_model(std::string name, const fs::path& folder) {
  require(fs::is_directory(folder),
          "{}: no folder; name one that `qcface eval ... --out` or a training run wrote", folder.string());
  ModelResults model;
  model.name = std::move(name);
  model.folder = folder;
  std::error_code error;
  // A run's own eval/ first: beside it lie checkpoints and plots, which are no sets.
  if (fs::is_directory(folder / "eval", error)) read_sets(model, folder / "eval");
  if (model.results.empty()) read_sets(model, folder);
  std::string problems;
  for (const std::string& problem : model.problems) problems += "; " + problem;
  require(!model.results.empty(),
          "{}: no result of a protocol; name a folder that `qcface eval ... --out` or a training run wrote{}",
          folder.string(), problems);
  return model;
}

std::vector<std::string> names_of_folders(std::span<const fs::path> folders) {
  std::vector<std::string> names;
  std::map<std::string, int> count;
  for (const fs::path& folder : folders) {
    fs::path path = normal(folder);
    if (path.filename() == "eval" && path.has_parent_path()) path = path.parent_path();
    names.push_back(path.filename().string());
    ++count[names.back()];
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (count[names[i]] > 1) names[i] = normal(folders[i]).string();
  }
  return names;
}

}  // namespace qcface::eval
