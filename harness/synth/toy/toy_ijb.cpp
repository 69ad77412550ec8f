// IJB-B and IJB-C (data-formats.md section 7): ROOT/IJBB and ROOT/IJBC with loose_crop/N.jpg and meta/ijbb_*.txt and .csv.
// Everybody has a template in one of the two galleries and two among the probes; a template holds stills and frames of videos.
#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/random.h"
#include "harness/data/align/similarity.h"
#include "harness/data/align/warp.h"
#include "harness/data/image.h"
#include "harness/synth/toy/toy.h"

namespace qcface::synth {
namespace {

namespace fs = std::filesystem;

// A picture of each person: whose template it belongs to (0: the gallery's, 1 and 2: probes') and which media of it.
struct Slot {
  int kind, media;
};
constexpr Slot kSlots[] = {{0, 0}, {1, 0}, {0, 1}, {2, 0}, {0, 1}, {1, 1}, {0, 1}, {2, 0}, {1, 1}};
constexpr int kSlotCount = static_cast<int>(std::size(kSlots));
constexpr int kFace = 128;  // pixels of the painted picture
constexpr int kIjbQuality = 92;

struct Set {
  const char* name;
  const char* prefix;
  char gallery;       // S1, S2 or G1, G2
  int first_picture;  // of each person
  int first_template;
};
constexpr Set kIjbSets[] = {{"IJBB", "ijbb", 'S', 100, 11}, {"IJBC", "ijbc", 'G', 200, 1001}};

int template_of(const Set& set, int person, int kind) { return set.first_template + 3 * person + kind; }
int subject_of(int person) { return 7 * person + 2; }

// Paints a face somewhere in a larger picture, turned and scaled; returns where its five points are.
data::FivePoints write_loose_crop(const ToyOptions& options, const Set& set, int person, int slot,
                                  const fs::path& file) {
  RandomStream random(options.seed, RandomPurpose::kSynthPicture,
                      static_cast<std::uint32_t>(set.first_picture + slot),
                      static_cast<std::uint64_t>(person));
  const int height = 180 + static_cast<int>(random.uniform(0, 60)),
            width = 160 + static_cast<int>(random.uniform(0, 60));
  const double scale = random.uniform(0.7, 1.0), angle = random.uniform(-0.3, 0.3);
  data::Similarity map{scale * std::cos(angle), scale * std::sin(angle), 0, 0};
  const data::Point middle = map({kFace / 2.0, kFace / 2.0});
  map.tx = width / 2.0 - middle.x + random.uniform(-12, 12);
  map.ty = height / 2.0 - middle.y + random.uniform(-12, 12);
  data::Image loose;
  data::warp(toy_face(options, person, set.first_picture + slot, kFace), map, height, width, loose);
  data::write_image(file.string(), loose, kIjbQuality);
  data::FivePoints points = data::face_template(kFace, false);
  for (data::Point& point : points) point = map(point);
  return points;
}

void make_set(const ToyOptions& options, const Set& set) {
  const fs::path root = options.out / set.name, meta = root / "meta";
  fs::create_directories(root / "loose_crop");
  fs::create_directories(meta);
  const std::string header = "TEMPLATE_ID,SUBJECT_ID,FILENAME,SIGHTING_ID\n";
  std::string points, media, pairs, probes = header, galleries[2] = {header, header};
  int number = 0;
  for (int slot = 0; slot < kSlotCount; ++slot) {
    for (int person = 0; person < options.people; ++person) {
      const Slot& of = kSlots[slot];
      const std::string file = fmt::format("{}.jpg", ++number);
      fmt::format_to(std::back_inserter(points), "{}", file);
      for (const data::Point& p : write_loose_crop(options, set, person, slot, root / "loose_crop" / file))
        fmt::format_to(std::back_inserter(points), " {:.3f} {:.3f}", p.x, p.y);
      fmt::format_to(std::back_inserter(points), " {:.3f}\n", 0.75 + 0.02 * slot);
      const int id = template_of(set, person, of.kind);
      fmt::format_to(std::back_inserter(media), "{} {} {}\n", file, id, 10 * id + of.media);
      std::string& list = of.kind == 0 ? galleries[person % 2] : probes;
      fmt::format_to(std::back_inserter(list), "{},{},img/{},{}\n", id, subject_of(person), number, number);
    }
  }
  for (int person = 0; person < options.people; ++person) {
    for (int other = 0; other < options.people; ++other) {
      for (const int kind : {1, 2}) {
        fmt::format_to(std::back_inserter(pairs), "{} {} {}\n", template_of(set, person, 0),
                       template_of(set, other, kind), person == other ? 1 : 0);
      }
    }
  }
  const auto write = [&](const std::string& name, const std::string& text) {
    write_file_atomically(meta / (std::string(set.prefix) + "_" + name), text);
  };
  write("name_5pts_score.txt", points);
  write("face_tid_mid.txt", media);
  write("template_pair_label.txt", pairs);
  for (int i = 0; i < 2; ++i) write(fmt::format("1N_gallery_{}{}.csv", set.gallery, i + 1), galleries[i]);
  write("1N_probe_mixed.csv", probes);
}

void make_ijb(const ToyOptions& options) {
  for (const Set& set : kIjbSets) make_set(options, set);
}

}  // namespace

extern const Toy kToyIjb;
const Toy kToyIjb{"ijb", "IJBB and IJBC: loose_crop/N.jpg, meta/ijbb_*.txt and .csv", make_ijb};

}  // namespace qcface::synth
