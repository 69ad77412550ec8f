#include "harness/eval/features/feature_cache.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <numeric>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"
#include "core/npy.h"
#include "core/text.h"
#include "harness/eval/result.h"

namespace qcface::eval {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

fs::path path_of(const fs::path& folder, const char* what, const FeatureKey& key, const char* suffix) {
  return folder / fmt::format("{}_{}{}", what, key.hash, suffix);
}

std::string with_slashes(std::string name) {
  std::replace(name.begin(), name.end(), '\\', '/');
  return name;
}

// Sizes and times of the files of the pictures; one that is not there is told from one that is.
std::string state_of(const data::PictureSource& pictures, std::span<const std::size_t> order) {
  Fnv1a hash;
  std::string last;  // a pack holds all of them
  std::array<std::int64_t, 5> state{};
  for (const std::size_t place : order) {
    std::string file = pictures.file(static_cast<std::int64_t>(place));
    if (file != last) {
      struct stat found {};
      state = {};
      if (::stat(file.c_str(), &found) == 0) {
        state = {found.st_size, found.st_mtim.tv_sec, found.st_mtim.tv_nsec, found.st_ctim.tv_sec,
                 found.st_ctim.tv_nsec};
      }
      last = std::move(file);
    }
    hash.add(state.data(), sizeof(state));
  }
  return hash.hex();
}

std::string checksum(const std::vector<float>& plain, const std::vector<float>& mirrored,
                     const json& unreadable) {
  Fnv1a hash;
  hash.add(unreadable.dump());
  for (const std::vector<float>* rows : {&plain, &mirrored}) {
    hash.add(rows->data(), rows->size() * sizeof(float));
  }
  return hash.hex();
}

// Rows that stand in the order of the names, put where they were asked for, or the other way round.
std::vector<float> reordered(const std::vector<float>& rows, const FeatureKey& key, bool to_names) {
  const std::size_t width = key.order.empty() ? 0 : rows.size() / key.order.size();
  std::vector<float> moved(rows.size());
  for (std::size_t i = 0; i < key.order.size(); ++i) {
    const std::size_t from = to_names ? key.order[i] : i;
    const std::size_t to = to_names ? i : key.order[i];
    std::copy_n(rows.data() + from * width, width, moved.data() + to * width);
  }
  return moved;
}

Embeddings read_features(const fs::path& folder, const FeatureKey& key, std::int64_t width, FlipFusion flip) {
  const auto start = std::chrono::steady_clock::now();
  const fs::path file = path_of(folder, "features", key, ".json");
  const json facts = try_parse_json(read_file(file)).value_or(json());
  for (const auto& [member, wanted] : key.facts.items()) {
    const auto it = facts.is_object() ? facts.find(member) : facts.end();
    require(facts.is_object() && it != facts.end() && *it == wanted,
            "{}: '{}' in it is not that of these pictures and this model", file.string(), member);
  }
  const auto read = [&](const char* what) {
    return read_feature_rows(path_of(folder, what, key, ".npy"), path_of(folder, "filenames", key, ".npy"));
  };
  const FeatureRows rows = read("embeddings");
  const FeatureRows mirrored = flip != FlipFusion::kNone ? read("mirrored") : FeatureRows{width, {}, {}};
  require(std::equal(rows.names.begin(), rows.names.end(), key.names.begin(), key.names.end(),
                     [](const std::string& a, const std::string& b) { return a == with_slashes(b); }),
          "{}: the pictures named beside it are others", file.string());
  require(rows.width == width && mirrored.width == width,
          "{}: the embeddings beside it have the widths {} and {}, expected {}", file.string(), rows.width,
          mirrored.width, width);
  require(text_at(facts, "checksum") == checksum(rows.values, mirrored.values, list_at(facts, "unreadable")),
          "{}: the embeddings beside it are damaged", file.string());

  Embeddings result;
  result.count = static_cast<std::int64_t>(key.names.size());
  result.width = width;
  result.flip = flip;
  result.plain = reordered(rows.values, key, false);
  result.mirrored = reordered(mirrored.values, key, false);
  result.valid.assign(key.names.size(), 1);
  for (const json& picture : list_at(facts, "unreadable")) {
    const std::size_t row = picture.at("row").get<std::size_t>();
    require(row < key.names.size(), "{}: row {} of {} pictures is named as unreadable", file.string(), row,
            key.names.size());
    const std::size_t place = key.order[row];
    result.valid[place] = 0;
    result.corrupt.push_back(
        {static_cast<std::int64_t>(place), key.files[place], text_at(picture, "reason")});
  }
  fuse_rows(result);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace

FeatureKey feature_key(const std::string& model, int side, const ExtractOptions& options,
                       const data::PictureSource& pictures) {
  FeatureKey key;
  std::vector<std::string> absolute;
  for (std::int64_t i = 0; i < pictures.size(); ++i) {
    key.files.push_back(pictures.name(i));
    absolute.push_back(fs::absolute(key.files.back()).lexically_normal().string());
  }
  key.order.resize(absolute.size());
  std::iota(key.order.begin(), key.order.end(), std::size_t{0});
  std::stable_sort(key.order.begin(), key.order.end(),
                   [&](std::size_t a, std::size_t b) { return absolute[a] < absolute[b]; });
  for (const std::size_t place : key.order) key.names.push_back(absolute[place]);
  nlohmann::json preparation = data::to_json(options.preparation);
  preparation["side"] = side;
  preparation["mirrored"] = options.flip != FlipFusion::kNone;
  key.facts = {{"format", "qcface-features/1"},
               {"program", QCFACE_VERSION},
               {"model", model},
               {"preparation", std::move(preparation)}};
  Fnv1a hash;
  hash.add(key.facts.dump());
  for (const std::string& name : key.names) {
    hash.add(name);
    hash.add(static_cast<unsigned char>(0));
  }
  key.hash = hash.hex();
  key.facts["pictures"] =
      state_of(pictures, key.order);  // not in the hash: files of pictures that have changed are replaced
  return key;
}

std::optional<Embeddings> find_features(const fs::path& folder, const FeatureKey& key, std::int64_t width,
                                        FlipFusion flip) {
  const fs::path file = path_of(folder, "features", key, ".json");
  std::error_code error;
  if (!fs::exists(file, error)) {
    log::info("{}: no embeddings of these {} pictures by this model yet", folder.string(), key.names.size());
    return std::nullopt;
  }
  std::string problem;
  try {
    Embeddings found = read_features(folder, key, width, flip);
    for (const data::CorruptPicture& picture : found.corrupt) {
      log::warn("{}: picture skipped ({}), as when it was embedded", picture.path, picture.reason);
    }
    log::info("embeddings of {} pictures taken from {}", found.count, file.string());
    return found;
  } catch (const Error& damage) {
    problem = damage.what();
  } catch (const json::exception& damage) {
    problem = fmt::format("{}: {}", file.string(), json_problem(damage));
  }
  log::warn("{}; it is left aside, and the pictures are embedded anew", problem);
  return std::nullopt;
}

void keep_features(const fs::path& folder, const FeatureKey& key, const Embeddings& embeddings) {
  std::vector<std::size_t> row_of(key.order.size());
  for (std::size_t i = 0; i < key.order.size(); ++i) row_of[key.order[i]] = i;
  json facts = key.facts;
  facts["unreadable"] = json::array();
  for (const data::CorruptPicture& picture : embeddings.corrupt) {
    facts["unreadable"].push_back(
        {{"row", row_of[static_cast<std::size_t>(picture.index)]}, {"reason", to_json_text(picture.reason)}});
  }
  const std::array<std::int64_t, 2> shape{embeddings.count, embeddings.width};
  const std::vector<float> plain = reordered(embeddings.plain, key, true);
  const std::vector<float> mirrored = reordered(embeddings.mirrored, key, true);
  facts["checksum"] = checksum(plain, mirrored, facts["unreadable"]);
  try {
    FileGroup group;
    write_npy(group.add(path_of(folder, "embeddings", key, ".npy")), plain, shape);
    if (!mirrored.empty()) write_npy(group.add(path_of(folder, "mirrored", key, ".npy")), mirrored, shape);
    write_npy(group.add(path_of(folder, "filenames", key, ".npy")), key.names);
    group.add(path_of(folder, "features", key, ".json")).write(facts.dump(1) + "\n");
    group.commit();
  } catch (const Error& error) {
    log::warn("the embeddings could not be kept: {}", error.what());
  }
}

FeatureRows read_feature_rows(const fs::path& embeddings, const fs::path& filenames) {
  const NpyArray values = read_npy(embeddings), names = read_npy(filenames);
  require(values.dtype == "<f4" && values.shape.size() == 2,
          "{}: expected float32 of shape [n, D], found {} with {} dimensions", embeddings.string(),
          values.dtype, values.shape.size());
  require(names.dtype.starts_with("<U") && names.shape.size() == 1,
          "{}: expected text of shape [n], found {} with {} dimensions", filenames.string(), names.dtype,
          names.shape.size());
  require(values.shape[0] == names.shape[0], "{}: {} embeddings, but {} has {} names", embeddings.string(),
          values.shape[0], filenames.string(), names.shape[0]);
  FeatureRows rows{values.shape[1], std::vector<float>(static_cast<std::size_t>(values.elements())), {}};
  if (!rows.values.empty()) std::memcpy(rows.values.data(), values.data.data(), values.data.size());
  for (const std::string& name : names.to_strings()) rows.names.push_back(with_slashes(name));
  return rows;
}

}  // namespace qcface::eval
