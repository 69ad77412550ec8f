// Stands in for the CUDA engine in builds without CUDA.
#include "core/error.h"
#include "harness/train/step_engine.h"

namespace qcface::train {

std::unique_ptr<StepEngine> make_cuda_engine(const nn::Graph&, const EngineOptions&, Head&) {
  fail("--device cuda: no usable GPU: this program was built without CUDA; use --device cpu");
}

}  // namespace qcface::train
