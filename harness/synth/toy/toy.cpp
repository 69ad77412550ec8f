#include "harness/synth/toy/toy.h"

#include <fmt/ranges.h>

#include <array>
#include <string>
#include <system_error>
#include <vector>

#include "core/error.h"
#include "harness/synth/face.h"

namespace qcface::synth {

extern const Toy kToyHq;   // toy_hq.cpp
extern const Toy kToyIjb;  // toy_ijb.cpp
extern const Toy kToyTinyFace, kToyIjbs;

namespace {

namespace fs = std::filesystem;

constexpr std::array kToys{&kToyHq, &kToyIjb, &kToyTinyFace, &kToyIjbs};
constexpr std::uint64_t kFirstPerson = 1u << 21;  // people of no other painted set
constexpr int kQuality = 92;

}  // namespace

std::span<const Toy* const> toys() { return kToys; }

void make_toy(std::string_view name, const ToyOptions& options) {
  require(options.people >= 4, "data toy: {} people, expected at least 4", options.people);
  std::error_code error;
  require(!fs::exists(options.out, error) || fs::is_empty(options.out, error),
          "{}: is there and not empty: name another folder", options.out.string());
  std::vector<std::string_view> known;
  for (const Toy* toy : kToys) {
    if (toy->name == name) return toy->make(options);
    known.emplace_back(toy->name);
  }
  fail("data toy: benchmark '{}' is not known; known: {}", name, fmt::join(known, ", "));
}

data::Image toy_face(const ToyOptions& options, int person, int picture, int size) {
  const std::uint64_t identity = kFirstPerson + static_cast<std::uint64_t>(person);
  data::Image image;
  render_face(draw_identity(options.seed, identity),
              draw_picture(options.seed, identity, static_cast<std::uint64_t>(picture)), size, image);
  return image;
}

void write_toy_face(const ToyOptions& options, int person, int picture, int size, const fs::path& file) {
  fs::create_directories(file.parent_path());
  data::write_image(file.string(), toy_face(options, person, picture, size), kQuality);
}

}  // namespace qcface::synth
