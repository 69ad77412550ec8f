// The head's settings for the kernel library, from what a user may choose.
#pragma once

#include <qcface/kernels.hpp>

#include <string>

namespace qcface::train {

struct HeadOptions {
  std::string loss_model = "qcface";
  std::string phase = "id";
  std::string rule = "auto";  // auto: the published default of the head
  double scale = 0;           // 0: the head's published value
  double margin = -1;         // likewise
  double lambda_g = 20;
};

qcf_head_config make_head_config(const HeadOptions& options);

}  // namespace qcface::train
