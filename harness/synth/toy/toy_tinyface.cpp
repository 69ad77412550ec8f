// TinyFace (data-formats.md section 8): ROOT/tinyface/Testing_Set/{Probe,Gallery_Match,Gallery_Distractor} with small pictures
// and the two MAT-files, ROOT/aligned_pad_0.1_pad_high with their aligned twins. The numbers in names have gaps, those of the
// MAT-files run, as in the real set.
#include <fmt/format.h>

#include <string>

#include "harness/data/lists/mat_write.h"
#include "harness/synth/toy/toy.h"

namespace qcface::synth {
namespace {

namespace fs = std::filesystem;

constexpr int kFirstTinyPicture = 300;  // pictures of each person that no other toy set has
constexpr int kProbes = 2;              // of a person
constexpr int kSmall = 24;              // pixels of an original

void write_twins(const ToyOptions& options, const char* set, const std::string& stem, int person,
                 int picture) {
  write_toy_face(options, person, picture, kSmall,
                 options.out / "tinyface" / "Testing_Set" / set / (stem + ".jpg"));
  write_toy_face(options, person, picture, 112,
                 options.out / "aligned_pad_0.1_pad_high" / set / (stem + ".jpg"));
}

void make_tinyface(const ToyOptions& options) {
  data::IdPairs probes, matched;
  for (int person = 0; person < options.people; ++person) {
    const int number = 5 * person + 17;
    int picture = 0;
    const auto write = [&](const char* set, data::IdPairs& pairs) {
      const std::string stem = fmt::format("{}_{}", number, picture + 1);
      write_twins(options, set, stem, person, kFirstTinyPicture + picture++);
      pairs.names.push_back(stem + ".jpg");
      pairs.ids.push_back(person + 1);
    };
    for (int i = 0; i < kProbes; ++i) write("Probe", probes);
    for (int i = 0; i <= person % 3; ++i) write("Gallery_Match", matched);
  }
  // People of whom there is nothing else. Their stems repeat some of the probes', in another set.
  for (int i = 0; i < 3 * options.people; ++i)
    write_twins(options, "Gallery_Distractor", fmt::format("{}_{}", i + 1, 1), options.people + i,
                kFirstTinyPicture);
  const fs::path tests = options.out / "tinyface" / "Testing_Set";
  data::write_id_pairs(tests / "probe_img_ID_pairs.mat", probes, "probe_set", "probe_ids");
  data::write_id_pairs(tests / "gallery_match_img_ID_pairs.mat", matched, "gallery_set", "gallery_ids");
}

}  // namespace

extern const Toy kToyTinyFace;
const Toy kToyTinyFace{
    "tinyface",
    "tinyface/Testing_Set (small pictures, MAT-files) and aligned_pad_0.1_pad_high with their twins",
    make_tinyface};

}  // namespace qcface::synth
