#include "harness/data/align/align.h"

#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/text.h"
#include "harness/console/interrupt.h"
#include "harness/console/run_tasks.h"
#include "harness/data/align/align_journal.h"
#include "harness/data/align/similarity.h"
#include "harness/data/align/warp.h"
#include "harness/data/decode/jpeg.h"
#include "harness/data/image.h"
#include "harness/data/lists/landmarks.h"
#include "harness/data/lists/picture_finder.h"
#include "harness/data/lists/picture_list.h"
#include "harness/data/resize.h"

namespace qcface::data {
namespace fs = std::filesystem;
namespace {

struct Task {
  std::string picture;  // path
  std::string name;     // relative to the folder
  std::string crop;     // relative to the output folder
  std::size_t line = 0;
  FivePoints points;
};

nlohmann::ordered_json description(const AlignOptions& o) {
  nlohmann::ordered_json points = nlohmann::ordered_json::array();
  for (const Point& p : face_template(o.height, o.narrow)) points.push_back({p.x, p.y});
  nlohmann::ordered_json json = {
      {"format", "qcface-align-1"}, {"width", o.width()}, {"height", o.height}, {"points", points}};
  if (o.png) {
    json["files"] = "png";
  } else {
    json["files"] = "jpg";
    json["quality"] = o.quality;
  }
  return json;
}

bool lies_in(const fs::path& inner, const fs::path& outer) {
  std::error_code error;
  const fs::path relative =
      fs::weakly_canonical(inner, error).lexically_relative(fs::weakly_canonical(outer, error));
  return !relative.empty() && *relative.begin() != "..";
}

void check(const AlignOptions& o) {
  require(o.height >= 16 && o.height <= 1024, "data align: size {}, expected 16 to 1024", o.height);
  require(!o.narrow || o.height % 7 == 0,
          "data align: size {}: a crop of 96 of 112 columns needs a multiple of 7", o.height);
  require(o.quality >= 1 && o.quality <= 100, "data align: JPEG quality {}, expected 1 to 100", o.quality);
  require(!lies_in(o.out, o.data) && !lies_in(o.data, o.out),
          "--out {}: must be another folder than {}, and neither inside the other", o.out.string(),
          o.data.string());
}

// The rows whose picture is there, in the order of the list.
std::vector<Task> find_pictures(const AlignOptions& o, AlignResult& result) {
  const std::vector<Landmarks> rows = read_landmarks(o.landmarks);
  result.rows = static_cast<std::int64_t>(rows.size());
  PictureFinder finder(o.landmarks, o.data);
  std::vector<std::pair<int, const Landmarks*>> found;
  std::vector<std::size_t> line_of;  // of each picture
  for (const Landmarks& row : rows) {
    const int index = finder.find(row.name, row.line);
    if (index < 0) {
      result.notes.push_back({AlignNote::kMissing, row.name, fmt::format("line {} of the list", row.line)});
      continue;
    }
    if (static_cast<std::size_t>(index) < line_of.size()) {
      fail("{}: line {}: {} is the picture of line {} already", o.landmarks.string(), row.line,
           printable(row.name, kPrintedBytes), line_of[static_cast<std::size_t>(index)]);
    }
    line_of.push_back(row.line);
    found.emplace_back(index, &row);
  }
  require(!found.empty(), "{}: none of the {} names leads to a picture in {}, for example {} (line {})",
          o.landmarks.string(), rows.size(), o.data.string(), printable(rows[0].name, kPrintedBytes),
          rows[0].line);
  const std::vector<std::string> images = finder.take_images();
  const fs::path root = fs::absolute(o.data).lexically_normal();
  std::vector<Task> tasks;
  std::unordered_map<std::string, std::size_t> task_of;
  for (const auto& [index, row] : found) {
    const std::string& picture = images[static_cast<std::size_t>(index)];
    const fs::path relative = fs::absolute(picture).lexically_normal().lexically_relative(root);
    require(!relative.empty() && *relative.begin() != "..", "{}: line {}: {} lies outside {}",
            o.landmarks.string(), row->line, printable(row->name, kPrintedBytes), o.data.string());
    const std::string crop = fs::path(relative).replace_extension(o.png ? ".png" : ".jpg").string();
    const auto [other, is_new] = task_of.try_emplace(crop, tasks.size());
    if (!is_new) {
      fail("{}: line {}: the crops of {} and of {} (line {}) would have one name; rename one of the pictures",
           o.landmarks.string(), row->line, printable(relative.string(), kPrintedBytes),
           printable(tasks[other->second].name, kPrintedBytes), tasks[other->second].line);
    }
    tasks.push_back({picture, relative.string(), crop, row->line, row->points});
  }
  return tasks;
}

void note_pictures_without_landmarks(const AlignOptions& o, const std::vector<Task>& tasks,
                                     AlignResult& result) {
  std::unordered_set<std::string_view> known;
  for (const Task& task : tasks) known.insert(task.name);
  const PictureList all = list_pictures(o.data);
  if (all.left_out.count() > 0) result.warnings.push_back("left out: " + all.left_out.describe());
  for (const std::string& file : all.files) {
    std::string name = fs::path(file).lexically_relative(o.data).string();
    if (!known.contains(name)) result.notes.push_back({AlignNote::kNoLandmarks, std::move(name), ""});
  }
}

// Size and times of the file, and the points: crops of these are the same.
std::string identity_of(const Task& task) {
  struct stat status {};
  if (::stat(task.picture.c_str(), &status) != 0) return "";
  const auto* const points = reinterpret_cast<const unsigned char*>(task.points.data());
  return fmt::format("{}:{}.{:09}:{}.{:09}:{:08x}", status.st_size, status.st_mtim.tv_sec,
                     status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec,
                     ::crc32_z(::crc32_z(0, nullptr, 0), points, sizeof task.points));
}

class Aligner {
 public:
  explicit Aligner(const AlignOptions& options)
      : options_(options), template_(face_template(options.height, options.narrow)) {}

  struct Crop {
    std::optional<AlignNote> note;
    PictureSize size;                    // of the picture
    std::span<const std::uint8_t> file;  // until the next call; empty: none
  };
  Crop make(const Task& task) {
    const DecodeResult decoded = decoder_.decode_file(task.picture, picture_);
    if (!decoded.ok()) return {AlignNote{AlignNote::kUnreadable, task.name, decoded.reason}, {}, {}};
    Crop result;
    result.size = {picture_.width(), picture_.height()};
    if (const auto map = fit_similarity(task.points, template_)) {
      warp(picture_, *map, options_.height, options_.width(), crop_);
    } else if (!centre_crop()) {
      return {
          AlignNote{
              AlignNote::kUnreadable, task.name,
              fmt::format("line {}: the points are one, and {} x {} pixels are too narrow for a centre crop",
                          task.line, picture_.width(), picture_.height())},
          {},
          {}};
    }
    result.note = note_of(task, result.size);
    if (options_.png) {
      png_ = encode_image(".png", crop_);
      result.file = png_;
    } else {
      result.file = jpeg_.encode(crop_, options_.quality);
    }
    return result;
  }

  /// What is to be said of a picture whose crop can be made.
  std::optional<AlignNote> note_of(const Task& task, PictureSize size) const {
    if (!fit_similarity(task.points, template_))
      return AlignNote{AlignNote::kCentreCrop, task.name,
                       fmt::format("line {}: the points are one", task.line)};
    Point mean;
    for (const Point& p : task.points) {
      mean.x += p.x / static_cast<double>(task.points.size());
      mean.y += p.y / static_cast<double>(task.points.size());
    }
    if (mean.x >= 0 && mean.y >= 0 && mean.x < size.width && mean.y < size.height) return std::nullopt;
    return AlignNote{AlignNote::kPointsOutside, task.name,
                     fmt::format("line {}: their middle is ({:.1f}, {:.1f}) in {} x {} pixels", task.line,
                                 mean.x, mean.y, size.width, size.height)};
  }

 private:
  bool centre_crop() {
    constexpr int kMaxAspect = 16;  // as the loader: a sliver would blow up to a huge strip
    const auto [low, high] = std::minmax(picture_.height(), picture_.width());
    if (high > kMaxAspect * low) return false;
    const Image& ready = resizer_.resize_shorter_side(picture_, options_.height, resized_);
    const int y0 = (ready.height() - options_.height) / 2, x0 = (ready.width() - options_.width()) / 2;
    crop_.reshape(options_.height, options_.width());
    for (int y = 0; y < options_.height; ++y) {
      const std::uint8_t* const from = ready.row(y0 + y) + Image::kChannels * x0;
      std::copy(from, from + Image::kChannels * options_.width(), crop_.row(y));
    }
    return true;
  }

  const AlignOptions& options_;
  const FivePoints template_;
  ImageDecoder decoder_;
  JpegCodec jpeg_;
  Resizer resizer_;
  Image picture_, crop_, resized_;
  std::vector<std::uint8_t> png_;
};

std::string csv_of(const std::vector<AlignNote>& notes) {
  std::string csv = "picture,what,detail\n";
  for (const AlignNote& note : notes)
    csv += csv_field(note.picture) + "," + name_of(note.kind) + "," + csv_field(note.detail) + "\n";
  return csv;
}

void finish(const AlignOptions& o, const AlignJournal& journal, nlohmann::ordered_json& json,
            const AlignResult& result) {
  journal.sync();
  json["landmarks"] = to_json_text(o.landmarks.filename().string());
  json["rows"] = result.rows;
  json["crops"] = result.made + result.kept;
  for (int kind = 0; kind < AlignNote::kKinds; ++kind) {
    const auto note = static_cast<AlignNote::Kind>(kind);
    json["notes"][name_of(note)] = result.count(note);
  }
  FileGroup files;
  files.add(o.out / "align.csv").write(csv_of(result.notes));
  files.add(o.out / "align.json").write(json.dump(2) + "\n");
  files.commit();
}

}  // namespace

const char* name_of(AlignNote::Kind kind) {
  static constexpr const char* kNames[AlignNote::kKinds] = {"no such picture", "unreadable", "no landmarks",
                                                            "centre crop", "points outside"};
  return kNames[kind];
}

std::int64_t AlignResult::count(AlignNote::Kind kind) const {
  return std::count_if(notes.begin(), notes.end(), [&](const AlignNote& note) { return note.kind == kind; });
}

AlignResult align_pictures(const AlignOptions& options,
                           const std::function<void(std::int64_t, std::int64_t)>& progress) {
  check(options);
  AlignResult result;
  const std::vector<Task> tasks = find_pictures(options, result);
  note_pictures_without_landmarks(options, tasks, result);
  nlohmann::ordered_json json = description(options);
  AlignJournal journal(options.out, json.dump());
  std::error_code gone;
  fs::remove(options.out / "align.json", gone);  // the set is not whole from here on
  std::set<fs::path> folders;
  for (const Task& task : tasks) folders.insert((options.out / task.crop).parent_path());
  for (const fs::path& folder : folders) {
    stop_if_interrupted();
    std::error_code error;
    fs::create_directories(folder, error);
    require(!error, "{}: cannot be made: {}", folder.string(), error.message());
  }

  std::vector<std::unique_ptr<Aligner>> aligners(static_cast<std::size_t>(threads_for(options.threads)));
  std::mutex mutex;  // of the result
  const auto count = static_cast<std::int64_t>(tasks.size());
  const auto shown = [&](std::int64_t done) {
    if (progress) progress(done, count);
  };
  run_tasks(count, options.threads, shown, [&](std::int64_t i, int worker) {
    const Task& task = tasks[static_cast<std::size_t>(i)];
    auto& aligner = aligners[static_cast<std::size_t>(worker)];
    if (!aligner) aligner = std::make_unique<Aligner>(options);
    const std::string source = identity_of(task);  // before it is read: what changes meanwhile is newer
    const std::optional<PictureSize> known = journal.find(task.crop, source);
    std::optional<AlignNote> note;
    bool made = false;
    if (known) {
      note = aligner->note_of(task, *known);
    } else {
      const Aligner::Crop crop = aligner->make(task);
      note = crop.note;
      made = !crop.file.empty();
      if (made) {
        AtomicFile file(options.out / task.crop);
        file.write(crop.file.data(), crop.file.size());
        file.commit_unsynced();
        journal.add(task.crop, source, crop.size, crop.file);
      }
    }
    const std::lock_guard lock(mutex);
    ++(known ? result.kept : made ? result.made : result.failed);
    if (note) result.notes.push_back(std::move(*note));
  });
  std::sort(result.notes.begin(), result.notes.end(), [](const AlignNote& a, const AlignNote& b) {
    return std::tie(a.kind, a.picture) < std::tie(b.kind, b.picture);
  });
  finish(options, journal, json, result);
  return result;
}

}  // namespace qcface::data
