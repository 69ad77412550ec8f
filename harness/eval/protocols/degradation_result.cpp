// degradation.json.
#include "core/text.h"
#include "harness/eval/protocol.h"
#include "harness/eval/protocols/degradation.h"
#include "harness/eval/protocols/degradation_protocol.h"

namespace qcface::eval {

// Members that stand in degradation.json under their own names.
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(LevelStats, level, count, mean, min, q1, median, q3, max)

namespace {

using nlohmann::json;

json optional_number(const std::optional<double>& value) { return value ? json(*value) : json(nullptr); }

}  // namespace

json degradation_json(const DegradationResult& r) {
  json kinds = json::array();
  for (const KindResult& kind : r.kinds) {
    json samples = json::array();
    for (const DegradationSample& sample : kind.samples) {
      samples.push_back({{"file", to_json_text(sample.file)},
                         {"source", to_json_text(sample.source)},
                         {"level", sample.level},
                         {"magnitude", sample.magnitude}});
    }
    kinds.push_back({{"kind", to_json_text(kind.kind)},
                     {"spearman_pooled", optional_number(kind.rho_pooled)},
                     {"kendall_pooled", optional_number(kind.tau_pooled)},
                     {"spearman_source_mean", optional_number(kind.rho_source_mean)},
                     {"spearman_source_median", optional_number(kind.rho_source_median)},
                     {"sources", kind.sources},
                     {"sources_undefined", kind.sources_undefined},
                     {"levels", kind.levels},
                     {"samples", samples}});
  }
  return {{"format", "qcface-degradation/1"},
          {"pictures", r.pictures},
          {"corrupt", corrupt_json(r.corrupt)},
          {"spearman_pooled_mean", optional_number(r.rho_pooled_mean)},
          {"spearman_source_mean", optional_number(r.rho_source_mean)},
          {"kinds", kinds}};
}

}  // namespace qcface::eval
