// `degradation`: levels.csv under --data.
#include <memory>

#include "harness/eval/protocol.h"
#include "harness/eval/protocols/degradation.h"
#include "harness/eval/protocols/degradation_protocol.h"

namespace qcface::eval {
namespace {

Presentation present_degradation(const Result& result) {
  Presentation shown;
  show_degradation(result.json, shown);
  return shown;
}

class DegradationMeasurement final : public Measurement {
 public:
  void read() override { set_ = read_degradation_set(folder / "levels.csv", names); }

  Result run(FeatureSource& features) override {
    const DegradationResult found = evaluate_degradation(features, set_);
    Result result;
    result.json = degradation_json(found);
    result.json["conditions"] = conditions_json(features, "levels", folder / "levels.csv");
    return result;
  }

 private:
  DegradationSet set_;
};

}  // namespace

extern const Protocol kDegradation;
const Protocol kDegradation{
    "degradation",
    "Measure magnitude against known degradation (Spearman correlation)",
    "Folder with levels.csv (file,source,kind,level) and its pictures",
    "degradation.json",
    "Magnitude and degradation",
    "degradation",
    "FOLDER/degrade",
    {},
    [] { return std::unique_ptr<Measurement>(std::make_unique<DegradationMeasurement>()); },
    present_degradation};

}  // namespace qcface::eval
