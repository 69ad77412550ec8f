// `qcface eval verify`, `qcface eval degradation` and `qcface embed` without flag parsing: the command line
// binds its options to these structs and provides the network.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "harness/data/left_out.h"
#include "harness/eval/degradation.h"
#include "harness/eval/extract.h"
#include "harness/eval/verify.h"

namespace qcface::eval {

enum class QmfChoice { kOff, kGiven, kPreset, kFit };

struct VerifyOptions {
  std::filesystem::path pairs;   // list file
  std::filesystem::path images;  // root of the pictures the list names
  std::filesystem::path out;     // folder for the result files; made if missing
  ExtractOptions extract;

  QmfChoice qmf = QmfChoice::kOff;
  double alpha = 0, beta = 0;        // kGiven
  std::string preset;                // kPreset
  std::filesystem::path fit_pairs;   // kFit: a training pair list ...
  std::filesystem::path fit_images;  // ... over this folder; without fit_pairs an identity folder pairs are
  std::uint64_t fit_seed = 0;        //     drawn from with this seed
  QmagFitOptions fit;

  std::map<std::string, std::string> conditions;  // weights, arch, device...: stored in verify.json
};

/// Embeds, measures, writes verify.json, roc.csv, roc.svg, magnitudes.csv to options.out. Prints nothing but
/// warnings about unreadable pictures (the loader names each); format_table() has the table.
VerifyResult run_eval_verify(Embedder& embedder, const VerifyOptions& options);

struct DegradationOptions {
  std::filesystem::path levels;  // levels.csv
  std::filesystem::path out;     // folder for degradation.json
  ExtractOptions extract;
  std::map<std::string, std::string> conditions;
};
DegradationResult run_eval_degradation(Embedder& embedder, const DegradationOptions& options);

struct EmbedOptions {
  std::filesystem::path images;  // folder, read recursively, in byte order of relative paths
  std::filesystem::path out;     // folder for embeddings.npy, filenames.npy, magnitudes.csv
  ExtractOptions extract;
};
struct EmbedResult {
  std::int64_t pictures = 0;  // rows written: unreadable pictures are left out
  std::int64_t width = 0;
  std::vector<data::CorruptPicture> corrupt;
  data::LeftOut left_out;  // entries of the folder that were not tried; said in a warning before the work
  double magnitude_min = 0, magnitude_mean = 0, magnitude_max = 0;
  double seconds = 0;
};
/// embeddings.npy f32 [n, D] (not normalised), filenames.npy <U [n] (relative to images), magnitudes.csv
/// (path,identity,magnitude); the three change together.
EmbedResult run_embed(Embedder& embedder, const EmbedOptions& options);

}  // namespace qcface::eval
