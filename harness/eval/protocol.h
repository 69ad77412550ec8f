// The protocols: a file and a row of a table each. `qcface eval NAME`, the evaluations of a training run, result files and
// reports are made from the row.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/console/option_table.h"
#include "harness/data/lists/picture_names.h"
#include "harness/eval/features/features.h"
#include "harness/eval/result.h"
#include "nn/scoring/scorer.h"

namespace qcface::eval {

/// One use of a protocol: its settings, then its lists, then results as often as asked.
class Measurement {
 public:
  virtual ~Measurement() = default;
  /// Binds what can be set beside --data and --out, which all protocols have.
  virtual void add_options(OptionTable& /*table*/) {}
  /// Throws UsageError for options that contradict each other.
  virtual void settle(const OptionTable& /*table*/) {}
  /// Reads the lists under `folder`. Throws Error naming what is missing or malformed.
  virtual void read() = 0;
  /// After read(): throws Error naming the list where it cannot give the figures that a training run goes by.
  virtual void require_accuracy() const {}
  /// Embeds and measures. "conditions" of the result hold the lists and the preparation. Throws Error naming what is wrong;
  /// Interrupted after a signal.
  virtual Result run(FeatureSource& features) = 0;

  std::filesystem::path folder;  // --data; of some protocols a file
  /// The pictures there are, where embeddings were made elsewhere (--features); null: those on the disk.
  const data::PictureNames* names = nullptr;
  /// "qcface/ir50": the constants of the quality-aware score that the published flags mean; empty: none were named.
  std::string preset;
  /// Where many scores are computed: on the CPU, or as --device says.
  std::shared_ptr<nn::Scorer> scorer = nn::make_scorer();
};

struct Protocol {
  const char* name;     // `qcface eval NAME`, NAME.json
  const char* help;     // one line
  const char* data;     // what --data is
  const char* files;    // what is written to --out
  const char* heading;  // of its section on a page
  const char* section;  // anchor of that section
  // --data in the command that a page without a result suggests; null: such a page says nothing of the protocol.
  const char* suggested_data;
  std::vector<const char*> sheets;  // CSV files that present() draws from
  std::unique_ptr<Measurement> (*make)();
  Presentation (*present)(
      const Result& result);            // lenient: a part that is missing or of another type is left out
  FlipFusion flip = FlipFusion::kNone;  // default of --flip
};

/// In the order of the commands and of a page.
std::span<const Protocol* const> protocols();
/// Throws Error listing the known names.
const Protocol& protocol(std::string_view name);

/// A use of a protocol as a training run names it: "PLACE", "NAME:PLACE", and behind it options of `qcface eval NAME` and
/// --flip ("ijb:faces/IJBC --similarity_method cosine").
struct NamedMeasurement {
  const Protocol* protocol = nullptr;
  std::unique_ptr<Measurement> measurement;  // its options settled, its lists not read
  FlipFusion flip = FlipFusion::kNone;
};
/// Without a protocol's name: `usual`. Throws UsageError for options that the protocol does not have or that contradict each
/// other.
NamedMeasurement measurement_from_text(const std::string& text, const Protocol& usual);

/// run(), with what the figures rest on: "data" (FeatureSource::data()), "model" among the conditions.
Result measure(Measurement& measurement, FeatureSource& features);

/// What a result file says of how it came about: weights, arch, device, ...
using Conditions = std::map<std::string, std::string>;

/// <folder>/NAME.json, the sheets and the figures that name a file, as SVG and as PNG; they change together. Returns their paths, NAME.json
/// last.
std::vector<std::filesystem::path> write_result(const std::filesystem::path& folder, const Protocol& protocol,
                                                Result result, const Conditions& conditions);
/// The files of this version or an earlier one. Nothing if there is no NAME.json; with a text in `problems` if it is no
/// JSON object.
std::optional<Result> read_result(const std::filesystem::path& folder, const Protocol& protocol,
                                  std::vector<std::string>& problems);

/// Mean and standard deviation of preparation and the path of a list, as results keep them.
nlohmann::json conditions_json(const FeatureSource& features, const char* list_name,
                               const std::filesystem::path& list);
/// Pictures that could not be read.
nlohmann::json corrupt_json(const std::vector<data::CorruptPicture>& corrupt);

}  // namespace qcface::eval
