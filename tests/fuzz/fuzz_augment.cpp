#include <string>

#include "harness/data/augment/augmentation.h"
#include "tests/fuzz/target.h"

using namespace qcface;

QCFACE_FUZZ_TARGET(augment) {
  const data::Augmentation augmentation = data::augmentation_from_text(fuzz::text_of(bytes), "--augment");
  const std::string text = data::text_of(augmentation);
  fuzz::expect(data::augmentation_from_text(text, "--augment") == augmentation,
               "an augmentation that does not come back");
  for (const data::AugmentStep& step : augmentation.steps) {
    const data::StepInfo& info = data::info_of(step.kind);
    fuzz::expect(step.probability >= 0 && step.probability <= 1, "a probability that is none");
    fuzz::expect(info.least <= step.low && step.low <= step.high && step.high <= info.most,
                 "a range out of its limits");
  }
}
