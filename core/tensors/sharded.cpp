#include "core/tensors/sharded.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "core/tensors/safetensors.h"
#include "core/text.h"

namespace qcface {
namespace {

constexpr std::string_view kEnding = ".safetensors.index.json";
constexpr std::size_t kLargestIndex = 100'000'000;  // as of the header of one file

struct Index {
  std::map<std::string, std::map<std::string, bool>>
      tensors_of;  // by file; whether the file was seen to hold them
  std::map<std::string, std::string> metadata;
};

Index parse_index(const MappedFile& file) {
  const std::string_view text(reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size());
  require(text.size() <= kLargestIndex, "{}: has {} bytes where an index has {} at most", file.path,
          text.size(), kLargestIndex);
  Index index;
  try {
    const nlohmann::json json = parse_json(text);
    require(json.is_object() && json.contains("weight_map") && json["weight_map"].is_object(),
            "is JSON without an object weight_map; expected the index of a set of safetensors files");
    for (const auto& [tensor, shard] : json["weight_map"].items()) {
      const auto& name = shard.get_ref<const std::string&>();
      require(!name.empty() && name != "." && name != ".." &&
                  name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos,
              "weight_map: tensor {} is in '{}'; expected the name of a file in the same folder",
              printable(tensor, 200), printable(name, 200));
      index.tensors_of[name][tensor] = false;
    }
    if (json.contains("metadata") && json["metadata"].is_object()) {
      for (const auto& [key, value] : json["metadata"].items())
        index.metadata.emplace(key, value.is_string() ? value.get<std::string>() : value.dump());
    }
  } catch (const Error& error) {
    fail("{}: {}", file.path, error.what());
  } catch (const nlohmann::json::exception& error) {
    fail("{}: {}", file.path, json_problem(error));
  }
  return index;
}

}  // namespace

bool is_shard_index(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  // A safetensors file may begin with this byte, of its header's length; the next ones are then 0.
  return first != std::string_view::npos && text[first] == '{' && text.size() > 1 &&
         text.substr(0, 8).find('\0') == std::string_view::npos;
}

std::optional<std::filesystem::path> find_shard_index(const std::filesystem::path& path) {
  std::error_code problem;
  if (!std::filesystem::is_directory(path, problem)) return std::nullopt;
  if (const auto usual = path / ("model" + std::string(kEnding)); std::filesystem::exists(usual, problem))
    return usual;
  std::vector<std::filesystem::path> found;
  for (std::filesystem::directory_iterator entry(path, problem), end; !problem && entry != end;
       entry.increment(problem)) {
    if (entry->path().filename().string().ends_with(kEnding)) found.push_back(entry->path());
  }
  require(!problem, "{}: cannot be read: {}", path.string(), problem.message());
  require(!found.empty(), "{}: is a folder without model{}; expected a regular file of tensors",
          path.string(), kEnding);
  require(found.size() == 1, "{}: holds {} indexes, for example {}; name one of them", path.string(),
          found.size(), printable(std::min_element(found.begin(), found.end())->filename().string(), 200));
  return found.front();
}

TensorSource read_shards(const std::filesystem::path& path) {
  const std::string name = path.string();
  Index index = parse_index(map_file(path));
  std::vector<std::string> missing;
  std::error_code problem;
  for (const auto& [shard, tensors] : index.tensors_of) {
    if (!std::filesystem::exists(path.parent_path() / shard, problem))
      missing.push_back(printable(shard, 200));
  }
  constexpr std::size_t kShown = 5;
  require(missing.empty(), "{}: {} of its {} files are missing: {}{}", name, missing.size(),
          index.tensors_of.size(),
          fmt::join(missing.begin(),
                    missing.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, missing.size())), ", "),
          missing.size() > kShown ? ", ..." : "");
  std::vector<TensorView> all;
  auto sources = std::make_shared<std::vector<TensorSource>>();
  for (auto& [shard, expected] : index.tensors_of) {
    TensorSource source = read_safetensors(map_file(path.parent_path() / shard));
    for (const TensorView& view : source.tensors()) {
      const auto found = expected.find(view.name);
      require(found != expected.end(), "{}: holds tensor {}, which {} does not place there", source.path(),
              printable(view.name, 200), name);
      found->second = true;
      all.push_back(view);
    }
    for (const auto& [tensor, seen] : expected)
      require(seen, "{}: holds no tensor {}, where {} places it", source.path(), printable(tensor, 200),
              name);
    index.metadata.insert(source.metadata().begin(), source.metadata().end());
    sources->push_back(std::move(source));
  }
  return TensorSource(name, std::move(all), std::move(index.metadata), sources);
}

}  // namespace qcface
