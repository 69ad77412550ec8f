#include "harness/eval/features/feature_store.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "core/atomic_file.h"
#include "core/checksum.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"
#include "core/npy.h"
#include "core/text.h"
#include "harness/console/interrupt.h"
#include "harness/eval/features/spread.h"
#include "harness/eval/features/subset.h"
#include "harness/eval/result.h"

namespace qcface::eval {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// What a stop may cost, and what a part may hold: small enough to be written in passing.
constexpr double kSecondsOfAPart = 60;
constexpr std::int64_t kFirstPart = 256, kLargestPart = 16384;

// The name that a picture is kept under.
std::string kept_name(const data::PictureSource& pictures, std::int64_t index) {
  return fs::absolute(pictures.name(index)).lexically_normal().string();
}

// What a picture was when it was embedded: its reading, and size and times of its file. One that is not there differs from one
// that is.
std::vector<std::uint64_t> states_of(const data::PictureSource& pictures) {
  const std::string reading = pictures.reading();
  std::vector<std::uint64_t> states;
  states.reserve(static_cast<std::size_t>(pictures.size()));
  std::string last;  // a pack holds all of them
  std::uint64_t state = 0;
  for (std::int64_t i = 0; i < pictures.size(); ++i) {
    std::string file = pictures.file(i);
    if (i == 0 || file != last) {
      std::array<std::int64_t, 5> facts{};
      struct stat found {};
      if (::stat(file.c_str(), &found) == 0) {
        facts = {found.st_size, found.st_mtim.tv_sec, found.st_mtim.tv_nsec, found.st_ctim.tv_sec,
                 found.st_ctim.tv_nsec};
      }
      Checksum sum;
      sum.add(reading.data(), reading.size());
      sum.add(facts.data(), sizeof(facts));
      state = sum.value();
      last = std::move(file);
    }
    states.push_back(state);
  }
  return states;
}

// A file of rows, its names and facts, read whole.
struct Part {
  NpyArray rows;
  bool mirrored = false;
  std::vector<std::string_view> names;  // in `text`
  std::string text;
  std::vector<std::uint64_t> states;
  std::unordered_map<std::size_t, std::string> unreadable;  // row -> reason
};

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string content_sum(std::span<const std::byte> rows, std::string_view names, const json& facts) {
  Checksum sum;
  sum.add(rows.data(), rows.size());
  sum.add(names.data(), names.size());
  const std::string text = facts.dump();
  sum.add(text.data(), text.size());
  return fmt::format("{:016x}", sum.value());
}

// Throws Error naming the file.
std::unique_ptr<Part> read_part(const fs::path& file, const json& wanted, std::int64_t width) {
  const json facts = try_parse_json(read_file(file)).value_or(json());
  require(facts.is_object(), "{}: is damaged", file.string());
  for (const auto& [member, value] : wanted.items()) {
    const auto it = facts.find(member);
    require(it != facts.end() && *it == value, "{}: '{}' in it is not that of this model", file.string(),
            member);
  }
  auto part = std::make_unique<Part>();
  part->rows = read_npy(fs::path(file).replace_extension(".npy"));
  part->text = read_file(fs::path(file).replace_extension(".txt"));
  part->names = lines_of(part->text);
  json own = facts;
  own.erase("checksum");
  require(text_at(facts, "checksum") == content_sum(part->rows.data, part->text, own),
          "{}: it, or the embeddings or names beside it, are damaged", file.string());
  const std::vector<std::int64_t>& shape = part->rows.shape;
  const std::size_t count = part->names.size();
  require(part->rows.dtype == "<f4" && (shape.size() == 2 || (shape.size() == 3 && shape[1] == 2)) &&
              shape.back() == width && shape[0] == static_cast<std::int64_t>(count),
          "{}: the embeddings beside it are not of its {} names and {} wide", file.string(), count, width);
  part->mirrored = shape.size() == 3;
  part->states = facts.at("states").get<std::vector<std::uint64_t>>();
  require(part->states.size() == count, "{}: {} states for {} names", file.string(), part->states.size(),
          count);
  for (const json& picture : list_at(facts, "unreadable"))
    part->unreadable[picture.at("row").get<std::size_t>()] = text_at(picture, "reason");
  return part;
}

std::uint64_t identity_of(std::string_view name, std::uint64_t state) {
  return checksum(name.data(), name.size()) * 0x9E3779B97F4A7C15u ^ state;
}

}  // namespace

FeatureStore::FeatureStore(fs::path folder, const std::string& model, const data::Preparation& preparation,
                           int side, std::int64_t width)
    : folder_(std::move(folder)), width_(width) {
  json prepared = data::to_json(preparation);
  prepared["side"] = side;
  facts_ = {{"format", "qcface-features/2"},
            {"program", QCFACE_VERSION},
            {"model", model},
            {"preparation", std::move(prepared)}};
  Fnv1a hash;
  hash.add(facts_.dump());
  key_ = hash.hex();
}

std::vector<std::int64_t> FeatureStore::take(const data::PictureSource& pictures,
                                             std::span<const std::uint64_t> states, Embeddings& into) const {
  std::unordered_map<std::uint64_t, std::int64_t> wanted;  // the first place of each picture
  std::vector<std::string> names;
  std::vector<std::int64_t> same(states.size());  // that place
  wanted.reserve(states.size());
  names.reserve(states.size());
  for (std::int64_t i = 0; i < pictures.size(); ++i) {
    names.push_back(kept_name(pictures, i));
    const auto state = states[static_cast<std::size_t>(i)];
    same[static_cast<std::size_t>(i)] = wanted.emplace(identity_of(names.back(), state), i).first->second;
  }
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("features_" + key_ + "_") && name.ends_with(".json")) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  const bool mirrored = !into.mirrored.empty();
  const std::size_t width = static_cast<std::size_t>(width_);
  std::vector<char> have(states.size(), 0);
  for (const fs::path& file : files) {
    stop_if_interrupted();
    std::string problem;
    try {
      const std::unique_ptr<Part> part = read_part(file, facts_, width_);
      if (mirrored && !part->mirrored) continue;
      const std::size_t columns = part->mirrored ? 2 * width : width;
      for (std::size_t row = 0; row < part->names.size(); ++row) {
        const auto it = wanted.find(identity_of(part->names[row], part->states[row]));
        if (it == wanted.end() || names[static_cast<std::size_t>(it->second)] != part->names[row]) continue;
        const std::size_t place = static_cast<std::size_t>(it->second);
        if (have[place]) continue;
        have[place] = 1;
        const std::byte* values = part->rows.data.data() + row * columns * sizeof(float);
        std::memcpy(into.plain.data() + place * width, values, width * sizeof(float));
        if (mirrored) {
          std::memcpy(into.mirrored.data() + place * width, values + width * sizeof(float),
                      width * sizeof(float));
        }
        const auto reason = part->unreadable.find(row);
        into.valid[place] = reason == part->unreadable.end();
        if (reason != part->unreadable.end())
          into.corrupt.push_back({it->second, pictures.name(it->second), reason->second});
      }
    } catch (const Error& damage) {
      problem = damage.what();
    } catch (const json::exception& damage) {
      problem = fmt::format("{}: {}", file.string(), json_problem(damage));
    }
    if (!problem.empty()) log::warn("{}; it is left aside, and its pictures are embedded anew", problem);
  }
  std::vector<std::int64_t> missing;
  for (std::size_t i = 0; i < same.size(); ++i) {
    const std::size_t first = static_cast<std::size_t>(same[i]);
    if (!have[first] || names[i] != names[first]) {
      missing.push_back(static_cast<std::int64_t>(i));
    } else if (i != first) {  // a picture that stands twice
      into.valid[i] = into.valid[first];
      if (!into.valid[i]) {
        const auto damage = std::find_if(into.corrupt.begin(), into.corrupt.end(),
                                         [&](const auto& each) { return each.index == same[i]; });
        into.corrupt.push_back({static_cast<std::int64_t>(i), damage->path, std::string(damage->reason)});
      }
      std::copy_n(into.plain.data() + first * width, width, into.plain.data() + i * width);
      if (mirrored)
        std::copy_n(into.mirrored.data() + first * width, width, into.mirrored.data() + i * width);
    }
  }
  return missing;
}

void FeatureStore::keep(const data::PictureSource& pictures, std::span<const std::uint64_t> states,
                        std::span<const std::int64_t> places, const Embeddings& made) {
  const std::size_t width = static_cast<std::size_t>(width_);
  const bool mirrored = !made.mirrored.empty();
  std::unordered_map<std::int64_t, const std::string*> reasons;  // by place among `places`
  for (const data::CorruptPicture& picture : made.corrupt) reasons[picture.index] = &picture.reason;
  std::vector<float> rows;
  std::string names;
  json own = facts_;
  json& kept_states = own["states"] = json::array();
  own["unreadable"] = json::array();
  std::int64_t count = 0;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const std::string name = kept_name(pictures, places[i]);
    if (name.find('\n') != std::string::npos) continue;  // a name is a line
    const float* plain = made.plain.data() + i * width;
    rows.insert(rows.end(), plain, plain + width);
    if (mirrored) {
      const float* other = made.mirrored.data() + i * width;
      rows.insert(rows.end(), other, other + width);
    }
    names += name + "\n";
    kept_states.push_back(states[static_cast<std::size_t>(places[i])]);
    if (!made.valid[i]) {
      const auto reason = reasons.find(static_cast<std::int64_t>(i));
      own["unreadable"].push_back(
          {{"row", count},
           {"reason", to_json_text(reason == reasons.end() ? "unreadable" : *reason->second)}});
    }
    ++count;
  }
  if (count == 0) return;
  const std::string sum = content_sum(std::as_bytes(std::span(rows)), names, own);
  own["checksum"] = sum;
  const auto path = [&](const char* suffix) {
    return folder_ / fmt::format("features_{}_{}{}", key_, sum, suffix);
  };
  try {
    FileGroup group;
    if (mirrored) {
      write_npy(group.add(path(".npy")), rows, std::array<std::int64_t, 3>{count, 2, width_});
    } else {
      write_npy(group.add(path(".npy")), rows, std::array<std::int64_t, 2>{count, width_});
    }
    group.add(path(".txt")).write(names);
    group.add(path(".json")).write(own.dump() + "\n");
    group.commit();
  } catch (const Error& error) {
    log::warn("the embeddings could not be kept: {}", error.what());
    writable_ = false;
  }
}

Embeddings FeatureStore::complete(Embedder& embedder, const data::PictureSource& pictures,
                                  const ExtractOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  require(pictures.size() > 0, "embeddings: no picture to embed");
  // Before a picture is read: one that changes meanwhile is not taken for what was embedded.
  std::vector<std::uint64_t> states;
  Embeddings result = empty_embeddings(pictures.size(), width_, options.flip);
  std::vector<std::int64_t> missing;
  if (options.leads()) {
    states = states_of(pictures);
    missing = take(pictures, states, result);
  }
  if (options.ranks != nullptr) {
    broadcast_rows(result, pictures, *options.ranks);
    auto count = static_cast<std::int64_t>(missing.size());
    options.ranks->broadcast(array_of(&count, 1), 0);
    missing.resize(static_cast<std::size_t>(count));
    options.ranks->broadcast(array_of(missing.data(), count), 0);
  }
  const auto pictures_in_all = static_cast<std::size_t>(pictures.size());
  const std::size_t total = missing.size();
  if (total < pictures_in_all) {
    log::info("embeddings of {} of {} pictures taken from {}", pictures_in_all - total, pictures_in_all,
              folder_.string());
  }
  for (const data::CorruptPicture& picture : result.corrupt) {
    if (options.leads())
      log::warn("{}: picture skipped ({}), as when it was embedded", picture.path, picture.reason);
  }

  const std::size_t width = static_cast<std::size_t>(width_);
  std::int64_t part = kFirstPart;
  std::size_t done = 0;
  try {
    while (done < total) {
      const auto began = std::chrono::steady_clock::now();
      if (options.ranks != nullptr) options.ranks->broadcast(array_of(&part, 1), 0);
      const std::size_t count = std::min(static_cast<std::size_t>(part), total - done);
      const std::span<const std::int64_t> places(missing.data() + done, count);
      ExtractOptions of_part = options;
      if (options.progress)
        of_part.progress = [&](std::size_t n, std::size_t) { options.progress(done + n, total); };
      const Embeddings made = extract_rows_on_ranks(embedder, Subset(pictures, places), of_part);
      for (std::size_t i = 0; i < count; ++i) {
        const std::size_t place = static_cast<std::size_t>(places[i]);
        std::copy_n(made.plain.data() + i * width, width, result.plain.data() + place * width);
        if (!made.mirrored.empty())
          std::copy_n(made.mirrored.data() + i * width, width, result.mirrored.data() + place * width);
        result.valid[place] = made.valid[i];
      }
      for (const data::CorruptPicture& picture : made.corrupt) {
        result.corrupt.push_back(
            {places[static_cast<std::size_t>(picture.index)], picture.path, picture.reason});
      }
      if (options.leads() && writable_) keep(pictures, states, places, made);
      done += count;
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
      part = std::clamp(
          static_cast<std::int64_t>(static_cast<double>(count) * kSecondsOfAPart / std::max(seconds, 1e-3)),
          kFirstPart, kLargestPart);
    }
  } catch (const Interrupted&) {
    log::info("embeddings of {} of {} pictures are in {}: the same command goes on from there",
              pictures_in_all - total + done, pictures_in_all, folder_.string());
    throw;
  }
  std::sort(result.corrupt.begin(), result.corrupt.end(),
            [](const auto& a, const auto& b) { return a.index < b.index; });
  finish_rows(result, pictures, start);
  return result;
}

}  // namespace qcface::eval
