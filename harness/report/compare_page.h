// `qcface compare`: one self-contained HTML page about the results of several models.
#pragma once

#include <span>
#include <string>

#include "harness/eval/compare/compare.h"

namespace qcface::report {

/// A section a comparison: how each model's result came about (weights, model hash, data's fingerprint), figures side by side,
/// differences with intervals, curves in one figure.
std::string compare_page(std::span<const eval::ModelResults> models,
                         std::span<const eval::Comparison> comparisons);

}  // namespace qcface::report
