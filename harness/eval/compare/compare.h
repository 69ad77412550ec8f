// Results of several models side by side: a comparison for each protocol and data set, with a column a model; and how sure the
// difference of two is, where both kept the scores of the same pairs.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "harness/eval/measures/interval.h"
#include "harness/eval/protocol.h"

namespace qcface::eval {

struct KeptResult {
  const Protocol* protocol = nullptr;
  std::string set;               // the folder inside, "" for none
  std::filesystem::path folder;  // where its files lie
  Result result;
};

struct ModelResults {
  std::string name;
  std::filesystem::path folder;
  std::vector<KeptResult> results;
  std::vector<std::string> problems;  // files that are there but cannot be read
};

/// What `qcface eval ... --out FOLDER` wrote to `folder`, or the evaluations of a training run in folder/eval; and in folders of
/// those, a set each. Throws Error where there is no result.
ModelResults read_model(std::string name, const std::filesystem::path& folder);
/// The folder's own name, or that of the one above for "eval"; where two would be called alike, the whole path.
std::vector<std::string> names_of_folders(std::span<const std::filesystem::path> folders);

struct Comparison {
  const Protocol* protocol = nullptr;
  std::string set;
  std::vector<const KeptResult*> of_model;  // null: the model has no such result
  struct Row {
    std::string measure;
    std::vector<std::string> cells;  // by model, as its own table shows them; empty: not there
  };
  std::vector<Row> rows;
  /// Numbers of the result files by their place ("cosine.auc", "cosine.tar_at_far[3].tar_strict"); NaN: not there.
  std::vector<std::pair<std::string, std::vector<double>>> numbers;
  std::vector<std::string> fingerprints;  // of the data; "": not known
  struct Pair {
    std::size_t first = 0, second = 0;  // models
    std::string measure;
    Difference difference;
  };
  std::vector<Pair> differences;
  std::vector<Note> notes;      // what must not be overlooked: other data, no interval and why
  std::vector<Figure> figures;  // the models' figures of one name, drawn into one
};

/// In the order of the protocols, then of the sets as they are met. Pointers go into `models`, which must outlive them.
std::vector<Comparison> compare(std::span<const ModelResults> models, const BootstrapOptions& bootstrap);

/// Tables and figures of one comparison.
Presentation present_comparison(const Comparison& comparison, std::span<const ModelResults> models);
/// "verify", or "verify, lfw".
std::string title_of(const Comparison& comparison);

/// compare.json, compare.csv (protocol,set,measure, a column a model), differences.csv and the figures, SVG and PNG, with `page`
/// as compare.html; they change together. Returns their paths, compare.json last.
std::vector<std::filesystem::path> write_comparison(const std::filesystem::path& folder,
                                                    std::span<const ModelResults> models,
                                                    std::span<const Comparison> comparisons,
                                                    const BootstrapOptions& bootstrap,
                                                    const std::string& page);

}  // namespace qcface::eval
