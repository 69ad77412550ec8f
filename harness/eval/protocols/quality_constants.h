// Which constants of the quality-aware score (protocols.md section 3) a command takes: the choice that its options make.
#pragma once

#include <optional>
#include <string>

#include "harness/console/option_table.h"
#include "harness/eval/measures/scores.h"
#include "harness/eval/result.h"

namespace qcface::eval {

class QualityConstants {
 public:
  enum class From { kOff, kGiven, kPreset, kFile, kFit };

  /// --qmf, --alpha, --beta, --preset, --qmf-from; with `fit` also --qmf fit, whose own options the caller binds.
  void add_options(OptionTable& table, bool fit);
  /// `named`: the preset that the published flags name ("qcface/ir50"), or empty; if it is known, it is taken where none of the
  /// options above is chosen.
  /// Throws UsageError for options that contradict each other, or lack one.
  void settle(const OptionTable& table, const std::string& named = "");
  From from() const { return from_; }
  /// Those that are known beforehand: given, of a preset, or kept in the result of another run. Nothing with kOff and kFit.
  /// Throws Error: an unknown preset, a number that is not finite, a file without constants.
  std::optional<QmfConstants> fixed() const;

 private:
  From from_ = From::kOff;
  double alpha_ = 0, beta_ = 0;
  std::string preset_, file_;
};

/// "qmf_constants" of a result file, and the note of it.
nlohmann::json constants_json(const QmfConstants& constants);
void note_constants(const nlohmann::json& result, Presentation& shown);

}  // namespace qcface::eval
