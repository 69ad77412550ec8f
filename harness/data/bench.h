// `qcface data bench`: how fast pictures can be loaded, stage by stage and through the loader.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "harness/data/loader.h"

namespace qcface::data {

struct DataBenchOptions {
  LoaderOptions loader;           // batch size, workers, augmentation, ... as in training
  double stage_seconds = 2.0;     // time for the stage breakdown (one thread)
  double loader_seconds = 5.0;    // time for the loader
  std::int64_t max_pictures = 0;  // 0: no limit
};

/// A step of the augmentation, over all pictures.
struct AugmentStepCost {
  std::string name;
  std::int64_t runs = 0;  // pictures whose draw has it
  double us = 0;          // in all
};

struct DataBenchResult {
  // One thread, microseconds a picture.
  double read_us = 0, decode_us = 0, augment_us = 0, resize_us = 0, normalise_us = 0;
  std::vector<AugmentStepCost> augment_steps;  // in their order; their sum is augment_us
  std::int64_t stage_pictures = 0;
  double pictures_per_second_per_core = 0;  // 1e6 / sum of the stages
  // The loader with its workers.
  std::int64_t loader_pictures = 0;
  double loader_seconds = 0;
  double pictures_per_second = 0;
  double file_bytes_per_second = 0;
  std::int64_t corrupt = 0;
};

/// progress(fraction in 0..1, phase) is called a few times a second from the calling thread.
DataBenchResult run_data_bench(const PictureSource& set, const DataBenchOptions& options,
                               const std::function<void(double, const std::string&)>& progress = {});

/// The result as a few lines of text.
std::string format_data_bench(const DataBenchResult& result, const DataBenchOptions& options);

}  // namespace qcface::data
