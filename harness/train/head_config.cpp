#include "harness/train/head_config.h"

#include "core/error.h"

namespace qcface::train {

qcf_head_config make_head_config(const HeadOptions& options) {
  qcf_head_config config = qcface::make_head_config(head_from_name(options.loss_model));
  config.phase = options.phase == "norm" ? QCF_PHASE_NORM : QCF_PHASE_ID;
  if (options.rule != "auto") {
    require(qcf_rule_from_name(options.rule.c_str(), &config.rule) != 0,
            "--rule {}: expected auto, easy, threshold or none", options.rule);
  }
  if (options.scale != 0) config.s = options.scale;
  if (options.margin != -1) config.m = options.margin;
  config.lambda = options.lambda_g;
  config.training = 1;
  return config;
}

}  // namespace qcface::train
