// `qcface data synth`: a procedural face set. Identities differ in shape and place of their features, skin,
// hair; pictures of one identity in pose, expression, light, background. Part of the training pictures is
// degraded, and a degradation series of held-out identities gives recognizability a ground truth.
//
//   <out>/train/<identity>/<k>.jpg               training folder (data-formats.md section 1)
//   <out>/train_degradation.csv                  file,kind,level of every training picture (none, 0 = clean)
//   <out>/verify/imgs/<N>.jpg                    pictures of identities that are not in train
//   <out>/verify/pairs.list                      lines `a b m` (section 6); every fold has same and different pairs
//   <out>/degrade/<kind>/<source>_<level>.png    degraded pictures of clean held-out sources
//   <out>/degrade/levels.csv                     file,source,kind,level (0 = the clean source; larger = worse)
//   <out>/synth.json                             the parameters; written last, so it marks a complete set
//
// The same options give the same files, byte for byte, with any number of threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace qcface::synth {

struct SynthOptions {
  std::filesystem::path out;
  int identities = 48;  // training identities
  int pictures_per_identity = 24;
  int verify_identities = 24;    // held out
  int verify_pictures = 10;      // a held-out identity
  int pairs = 600;               // half of them same
  int degrade_sources = 24;      // clean held-out pictures that the degradation series starts from
  double degraded_share = 0.35;  // of the training pictures
  /// Training identities come in groups of so many who share what a small or blurred picture shows (outline, skin, hair, glasses,
  /// beard) and differ in the rest: as among real people, one needs a good picture to tell them apart.
  int doubles = 1;
  int marks = 0;  // moles of everybody, beside those that some have
  std::uint64_t seed = 0;
  int size = 112;
  int quality = 92;  // JPEG quality of the files
  int threads = 0;   // 0: all cores
};

struct SynthResult {
  std::filesystem::path train, verify, pairs, degrade, levels;  // pairs = verify/pairs.list, levels = the CSV
  std::int64_t train_pictures = 0, verify_pictures = 0, pair_count = 0, degraded_pictures = 0;
  bool reused = false;  // a complete set with the same parameters was there already
  double seconds = 0;
};

/// Throws Error for options out of range, and when `out` holds anything else than a synth set of the same
/// parameters. progress(fraction in 0..1) is called from the calling thread.
SynthResult synthesize_faces(const SynthOptions& options, const std::function<void(double)>& progress = {});

}  // namespace qcface::synth
