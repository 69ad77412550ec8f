#include "harness/synth/synth.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/random.h"
#include "harness/console/interrupt.h"
#include "harness/console/run_tasks.h"
#include "harness/data/augment/degradation_series.h"
#include "harness/data/augment/degrade.h"
#include "harness/synth/face.h"

namespace qcface::synth {
using data::Degradation;
using data::Image;
namespace fs = std::filesystem;
namespace {

constexpr int kGeneratorVersion = 1;               // raise when the same options give other pictures
constexpr std::uint64_t kHeldOut = 1u << 20;       // first identity number of the verification set
constexpr std::uint64_t kStudyPicture = 1u << 20;  // picture number of the sources of the degradation series
constexpr std::uint32_t kTrainingStream =
    1u << 16;  // "epoch" of kDegrade streams that choose training degradations
constexpr std::int64_t kMostPictures = 1'000'000'000;
constexpr int kMostMarks = 100;
constexpr const char* kMarker = "synth.json";
constexpr const char* kUnfinished = "synth.unfinished";

void check(const SynthOptions& o) {
  require(!o.out.empty(), "data synth: no output folder given");
  require(o.identities >= 1 && o.identities < static_cast<int>(kHeldOut),
          "data synth: {} identities, expected at least 1", o.identities);
  require(o.pictures_per_identity >= 1, "data synth: {} pictures per identity, expected at least 1",
          o.pictures_per_identity);
  require(o.verify_identities >= 2 && o.verify_pictures >= 2,
          "data synth: {} verification identities of {} pictures, expected at least 2 of 2",
          o.verify_identities, o.verify_pictures);
  const std::int64_t same_pairs =
      std::int64_t{o.verify_identities} * o.verify_pictures * (o.verify_pictures - 1) / 2;
  require(o.pairs >= 20 && o.pairs / 2 <= same_pairs,
          "data synth: {} pairs, expected 20 (10 folds of a same and a different pair) to {} (twice the "
          "same-identity pairs "
          "that {} identities of {} pictures have)",
          o.pairs, 2 * same_pairs, o.verify_identities, o.verify_pictures);
  require(o.doubles >= 1 && o.doubles <= o.identities,
          "data synth: groups of {} identities, expected 1 to {}", o.doubles, o.identities);
  require(o.marks >= 0 && o.marks <= kMostMarks, "data synth: {} marks, expected 0 to {}", o.marks,
          kMostMarks);
  require(o.degrade_sources >= 0, "data synth: {} degradation sources", o.degrade_sources);
  const std::int64_t pictures = std::int64_t{o.identities} * o.pictures_per_identity +
                                std::int64_t{o.verify_identities} * o.verify_pictures;
  require(pictures <= kMostPictures,
          "data synth: {} pictures in all, expected at most {}: ask for fewer identities or "
          "pictures",
          pictures, kMostPictures);
  require(o.degraded_share >= 0.0 && o.degraded_share <= 1.0,
          "data synth: degraded share {}, expected 0 to 1", o.degraded_share);
  require(o.size >= 32 && o.size <= 1024, "data synth: picture size {}, expected 32 to 1024", o.size);
  require(o.quality >= 1 && o.quality <= 100, "data synth: JPEG quality {}, expected 1 to 100", o.quality);
  require(o.threads >= 0, "data synth: {} threads, expected 0 (all cores) or more", o.threads);
}

std::string parameters(const SynthOptions& o) {
  nlohmann::ordered_json json = {{"generator", kGeneratorVersion},
                                 {"seed", o.seed},
                                 {"identities", o.identities},
                                 {"pictures_per_identity", o.pictures_per_identity},
                                 {"verify_identities", o.verify_identities},
                                 {"verify_pictures", o.verify_pictures},
                                 {"pairs", o.pairs},
                                 {"degrade_sources", o.degrade_sources},
                                 {"degraded_share", o.degraded_share},
                                 {"size", o.size},
                                 {"quality", o.quality}};
  // Named where they are used: a set of an earlier version stays complete.
  if (o.doubles != 1) json["doubles"] = o.doubles;
  if (o.marks != 0) json["marks"] = o.marks;
  return json.dump(2) + "\n";
}

// Somebody to train on, or held out.
FaceIdentity identity_of(const SynthOptions& o, std::uint64_t number) {
  FaceIdentity identity = number < kHeldOut && o.doubles > 1
                              ? draw_double(o.seed, number, static_cast<std::uint64_t>(o.doubles))
                              : draw_identity(o.seed, number);
  identity.marks = o.marks;
  return identity;
}

// What is done to one training picture.
struct TrainingDegradation {
  bool any = false;
  Degradation kind = Degradation::kBlur;
  double level = 0.0;
};
TrainingDegradation draw_training_degradation(const SynthOptions& o, std::uint64_t picture) {
  RandomStream random(o.seed, RandomPurpose::kDegrade, kTrainingStream, picture);
  constexpr Degradation kKinds[] = {Degradation::kBlur, Degradation::kDownUp, Degradation::kNoise,
                                    Degradation::kJpeg, Degradation::kOcclusion};
  TrainingDegradation d;
  d.any = random.coin(o.degraded_share);
  d.kind = kKinds[random.integer(0, 4)];
  const std::span<const double> levels = study_levels(d.kind);
  const double low = levels[1], high = levels[levels.size() - 1];
  d.level = low + (high - low) * random.uniform();
  if (d.kind == Degradation::kJpeg) d.level = std::floor(d.level);
  return d;
}

std::string train_name(int identity, int picture) {
  return fmt::format("id{:05d}/{:03d}.jpg", identity, picture);
}

void make_training_picture(const SynthOptions& o, const fs::path& folder, int identity, int picture) {
  Image image;
  render_face(identity_of(o, static_cast<std::uint64_t>(identity)),
              draw_picture(o.seed, static_cast<std::uint64_t>(identity), static_cast<std::uint64_t>(picture)),
              o.size, image);
  const auto number =
      static_cast<std::uint64_t>(identity) * static_cast<std::uint64_t>(o.pictures_per_identity) +
      static_cast<std::uint64_t>(picture);
  const TrainingDegradation d = draw_training_degradation(o, number);
  if (d.any) degrade(image, d.kind, d.level, o.seed, number, image);
  write_image((folder / train_name(identity, picture)).string(), image, o.quality);
}

void make_verification_picture(const SynthOptions& o, const fs::path& folder, int number) {
  const std::uint64_t identity = kHeldOut + static_cast<std::uint64_t>(number / o.verify_pictures);
  Image image;
  render_face(identity_of(o, identity),
              draw_picture(o.seed, identity, static_cast<std::uint64_t>(number % o.verify_pictures)), o.size,
              image);
  write_image((folder / fmt::format("{}.jpg", number + 1)).string(), image, o.quality);
}

// A clean source: nearly frontal, sharp, evenly lit; then every kind at every level.
void make_study(const SynthOptions& o, const fs::path& folder, int source) {
  const auto index = static_cast<std::uint64_t>(source);
  const std::uint64_t identity = kHeldOut + index % static_cast<std::uint64_t>(o.verify_identities);
  FacePicture picture = draw_picture(o.seed, identity, kStudyPicture + index);
  picture.yaw *= 0.5f;
  picture.pitch *= 0.5f;
  picture.blur = 0.0f;
  picture.noise = 0.002f;
  picture.ambient = std::max(picture.ambient, 0.5f);
  picture.exposure = std::clamp(picture.exposure, 0.92f, 1.1f);
  Image clean;
  render_face(identity_of(o, identity), picture, o.size, clean);
  data::write_series(folder, clean, o.seed, source);
}

std::string degradation_csv(const SynthOptions& o) {
  std::string csv = "file,kind,level\n";
  for (int i = 0; i < o.identities; ++i) {
    for (int k = 0; k < o.pictures_per_identity; ++k) {
      const TrainingDegradation d = draw_training_degradation(
          o, static_cast<std::uint64_t>(i) * static_cast<std::uint64_t>(o.pictures_per_identity) +
                 static_cast<std::uint64_t>(k));
      csv += fmt::format("{},{},{}\n", train_name(i, k), d.any ? name_of(d.kind) : "none",
                         d.any ? d.level : 0.0);
    }
  }
  return csv;
}

std::string levels_csv(const SynthOptions& o) {
  std::string csv = data::kLevelsHeader;
  for (int source = 0; source < o.degrade_sources; ++source) csv += data::series_rows(source);
  return csv;
}

// Same and different alternate, so every fold of consecutive lines has both. No pair twice.
std::string pair_list(const SynthOptions& o) {
  RandomStream random(o.seed, RandomPurpose::kPairs);
  std::set<std::pair<int, int>> used;
  std::string text;
  const auto below = [&random](int n) {
    return static_cast<int>(random.below(static_cast<std::uint64_t>(n)));
  };
  for (int line = 0; line < o.pairs;) {
    stop_if_interrupted();
    const bool same = line % 2 == 0;
    const int person = below(o.verify_identities);
    const int other = same ? person : (person + 1 + below(o.verify_identities - 1)) % o.verify_identities;
    const int a = person * o.verify_pictures + below(o.verify_pictures);
    const int b = other * o.verify_pictures + below(o.verify_pictures);
    if (a == b || !used.insert(std::minmax(a, b)).second) continue;
    text += fmt::format("{} {} {}\n", a + 1, b + 1, same ? 1 : 0);
    ++line;
  }
  return text;
}

// True when a complete set with these parameters is there. Leaves the folder ready for writing otherwise.
bool prepare_folder(const SynthOptions& o, const std::string& wanted) {
  std::error_code error;
  if (fs::exists(o.out / kMarker)) {
    if (read_file(o.out / kMarker) == wanted) return true;
    fail("{}: holds a face set made with other options (see {}). Choose another folder, or delete this one",
         o.out.string(), kMarker);
  }
  if (fs::exists(o.out)) {
    require(fs::is_directory(o.out), "{}: is not a folder", o.out.string());
    const bool ours = fs::exists(o.out / kUnfinished);
    require(ours || fs::is_empty(o.out, error),
            "{}: is not empty and holds no face set. Choose another folder, or empty this one",
            o.out.string());
    // Left behind by a run that was stopped: its pictures may be cut short.
    if (ours) {
      for (const char* part : {"train", "verify", "degrade"}) fs::remove_all(o.out / part, error);
    }
  }
  require_writable_folder(o.out, "--out");
  write_file_atomically(o.out / kUnfinished, wanted);
  return false;
}

}  // namespace

SynthResult synthesize_faces(const SynthOptions& options, const std::function<void(double)>& progress) {
  check(options);
  const auto begin = std::chrono::steady_clock::now();
  SynthResult result;
  result.train = options.out / "train";
  result.verify = options.out / "verify";
  result.pairs = result.verify / "pairs.list";
  result.degrade = options.out / "degrade";
  result.levels = result.degrade / "levels.csv";
  result.train_pictures = std::int64_t{options.identities} * options.pictures_per_identity;
  result.verify_pictures = std::int64_t{options.verify_identities} * options.verify_pictures;
  result.pair_count = options.pairs;
  result.degraded_pictures = options.degrade_sources * data::series_length();
  const std::string wanted = parameters(options);
  result.reused = prepare_folder(options, wanted);
  if (!result.reused) {
    for (int i = 0; i < options.identities; ++i) {
      stop_if_interrupted();
      fs::create_directories((result.train / train_name(i, 0)).parent_path());
    }
    fs::create_directories(result.verify / "imgs");
    data::make_series_folders(result.degrade);
    const int train = static_cast<int>(result.train_pictures),
              verify = static_cast<int>(result.verify_pictures);
    // The studies are the longest tasks: first.
    const std::int64_t tasks = std::int64_t{options.degrade_sources} + train + verify;
    const auto shown = [&](std::int64_t done) {
      if (progress)
        progress(static_cast<double>(done) / static_cast<double>(std::max<std::int64_t>(tasks, 1)));
    };
    run_tasks(tasks, options.threads, shown, [&](std::int64_t number, int) {
      int i = static_cast<int>(number);
      if (i < options.degrade_sources) return make_study(options, result.degrade, i);
      i -= options.degrade_sources;
      if (i < train) {
        return make_training_picture(options, result.train, i / options.pictures_per_identity,
                                     i % options.pictures_per_identity);
      }
      make_verification_picture(options, result.verify / "imgs", i - train);
    });
    write_file_atomically(result.pairs, pair_list(options));
    write_file_atomically(result.levels, levels_csv(options));
    write_file_atomically(options.out / "train_degradation.csv", degradation_csv(options));
    write_file_atomically(options.out / kMarker, wanted);
    fs::remove(options.out / kUnfinished);
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

}  // namespace qcface::synth
