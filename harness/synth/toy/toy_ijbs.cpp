// IJB-S as far as its files are known (data-formats.md section 9): crops ROOT/PERSON/{img_N,videos_V_F}.jpg, cs6_*.csv and
// galleries/ in ROOT/protocols. Each person is in two surveillance videos and one from the air; the last person is in no
// gallery.
#include <fmt/format.h>

#include <iterator>
#include <map>
#include <string>

#include "core/atomic_file.h"
#include "harness/synth/toy/toy.h"

namespace qcface::synth {
namespace {

namespace fs = std::filesystem;

constexpr int kFirstIjbsPicture = 400;  // pictures of each person that no other toy set has
constexpr int kFrames = 2;              // of a video
constexpr int kStills = 3;              // of a person; the first is the single one
constexpr int kVideos = 3;              // of a person: two on the ground, one from the air

void make_ijbs(const ToyOptions& options) {
  std::string metadata = "SUBJECT_ID,FILENAME\n", crops = ",path\n";
  std::string surveillance = "FILENAME\n", second = "FILENAME\n", uav = "FILENAME\n";
  std::map<std::string, std::string> galleries;
  int still = 0, video = 0, row = 0;
  for (int person = 0; person < options.people; ++person) {
    int picture = kFirstIjbsPicture;
    const std::string folder = std::to_string(10 * person + 1);
    const auto write = [&](const std::string& crop) {
      write_toy_face(options, person, picture++, 112, options.out / folder / crop);
      fmt::format_to(std::back_inserter(crops), "{},{}/{}\n", row++, folder, crop);
    };
    const bool enrolled = person + 1 < options.people;
    const auto enrol = [&](const char* kind, const std::string& file) {
      std::string& list =
          galleries
              .try_emplace(fmt::format("{}_g{}", kind, person % 2 + 1), "TEMPLATE_ID,SUBJECT_ID,FILENAME\n")
              .first->second;
      if (enrolled) fmt::format_to(std::back_inserter(list), "{},{},{}\n", person, folder, file);
    };
    for (int i = 0; i < kStills; ++i, ++still) {
      const std::string file = fmt::format("img/{}.jpg", still);
      write(fmt::format("img_{}.jpg", still));
      fmt::format_to(std::back_inserter(metadata), "{},{}\n", folder, file);
      if (i == 0) enrol("single", file);
      enrol("booking", file);
    }
    for (int i = 0; i < kVideos; ++i, ++video) {
      const std::string file = fmt::format("videos/{}.mp4", video);
      for (int frame = 0; frame < kFrames; ++frame) write(fmt::format("videos_{}_{}.jpg", video, 7 * frame));
      fmt::format_to(std::back_inserter(metadata), "{},{}\n", folder, file);
      (i < 2 ? surveillance : uav) += file + "\n";
      if (i == 0) enrol("surveillance", file);
      if (i == 1) second += file + "\n";
    }
  }
  const fs::path protocols = options.out / "protocols";
  fs::create_directories(protocols / "galleries");
  write_file_atomically(options.out / "image_list_toy.csv", crops);
  write_file_atomically(protocols / "cs6_metadata.csv", metadata);
  write_file_atomically(protocols / "cs6_surveillance_to_single-booking_probe.csv", surveillance);
  write_file_atomically(protocols / "cs6_surveillance_to_surveillance_probe.csv", second);
  write_file_atomically(protocols / "cs6_uav_to_single-booking_probe.csv", uav);
  for (const auto& [name, text] : galleries)
    write_file_atomically(protocols / "galleries" / fmt::format("cs6_surveillance_to_{}.csv", name), text);
}

}  // namespace

extern const Toy kToyIjbs;
const Toy kToyIjbs{"ijbs",
                   "PERSON/{img_N,videos_V_F}.jpg, image_list_toy.csv, protocols/cs6_*.csv and galleries",
                   make_ijbs};

}  // namespace qcface::synth
