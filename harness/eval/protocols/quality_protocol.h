// The two halves of `quality`: what is measured, and how it is kept and shown.
#pragma once

#include "harness/eval/protocols/quality.h"
#include "harness/eval/protocols/quality_sets.h"
#include "harness/eval/result.h"

namespace qcface::eval {

struct QualityFound {
  QualityResult result;
  std::vector<MagnitudeSet> sets;
  MagnitudeHistogram histogram;
  std::optional<DegradationResult> degradation;
};

/// quality.json, and its sheets:
///   erc.csv                  quality,variant,fmr,reject,fnmr,threshold,random,lower_bound; an empty fnmr: no point
///   magnitude_histogram.csv  set,low,high,count,share
///   quality_scores.csv       quality,value,score of genuine pairs, of many every so many-th
///   degradation.csv          kind,level,count,mean,min,q1,median,q3,max, where degradations are measured
Result quality_files(const QualityFound& found);
/// Of quality.json and those sheets.
Presentation present_quality(const Result& result);

/// "1e-3" of a power of ten, else the shortest form.
std::string fmr_text(double fmr);

}  // namespace qcface::eval
