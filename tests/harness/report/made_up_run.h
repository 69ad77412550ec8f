// A run folder with invented numbers, for layout and robustness. Nothing in it was measured.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "core/random.h"
#include "tests/harness/eval/fake_embedder.h"

namespace qcface::test {

inline void write_made_up_metrics(const std::filesystem::path& run, int steps) {
  RandomStream random(4, RandomPurpose::kTest);
  std::ofstream metrics(run / "metrics.jsonl");
  for (int step = 1; step <= steps; ++step) {
    const double t = static_cast<double>(step) / steps;
    const double z = 12 + 9 * t + 0.3 * random.normal();
    metrics << nlohmann::json{{"kind", "step"},
                              {"epoch", step * 6 / (steps + 1)},
                              {"step", step},
                              {"global_step", step * 5},
                              {"loss", 22 * std::exp(-2 * t) + random.normal()},
                              {"loss_id", 20 * std::exp(-2.2 * t) + random.normal()},
                              {"loss_g", 0.8 - 0.5 * t + 0.03 * random.normal()},
                              {"accuracy", std::clamp(t * t + 0.05 * random.normal(), 0.0, 1.0)},
                              {"top5", std::clamp(std::sqrt(t) + 0.05 * random.normal(), 0.0, 1.0)},
                              {"lr", t < 0.5 ? 0.1 : 0.01},
                              {"z_min", z - 4},
                              {"z_mean", z},
                              {"z_max", z + 5},
                              {"p_mean", t},
                              {"images_per_s", 310 + 12 * random.normal()},
                              {"memory_mib", 812.0},
                              {"time_s", 3.1 * step}}
            << "\n";
    if (step % (steps / 6) == 0) {
      const int epoch = step / (steps / 6);
      metrics << nlohmann::json{{"kind", "epoch"},
                                {"epoch", epoch - 1},
                                {"global_step", step * 5},
                                {"loss", 21 * std::exp(-2 * t)},
                                {"accuracy", t * t}}
              << "\n"
              << nlohmann::json{{"kind", "eval"},
                                {"set", "verify"},
                                {"epoch", epoch - 1},
                                {"global_step", step * 5},
                                {"accuracy", 0.55 + 0.35 * t},
                                {"auc", 0.6 + 0.35 * t}}
              << "\n";
    }
  }
  nlohmann::json edges = nlohmann::json::array(), counts = nlohmann::json::array();
  for (int i = 0; i <= 20; ++i) edges.push_back(2 * i);
  for (int i = 0; i < 20; ++i) counts.push_back(std::floor(900 * std::exp(-0.08 * (i - 10) * (i - 10))));
  metrics << nlohmann::json{{"kind", "histogram"},
                            {"global_step", steps * 5},
                            {"edges", edges},
                            {"counts", counts}}
          << "\n";
}

inline void write_made_up_config(const std::filesystem::path& run) {
  std::ofstream(run / "config.json") << nlohmann::json{{"arch", "mini"},
                                                       {"loss_model", "qcface"},
                                                       {"phase", "norm"},
                                                       {"lambda_g", 20.0},
                                                       {"embed_dims", 128},
                                                       {"epochs", 6},
                                                       {"batch-size", 48},
                                                       {"lr", 0.1},
                                                       {"momentum", 0.9},
                                                       {"weight-decay", 5e-4},
                                                       {"data_dirs", "set/train"},
                                                       {"augment", "published"},
                                                       {"seed", 0},
                                                       {"device", "cpu"},
                                                       {"lr-drop-epoch", {4, 5}},
                                                       {"<script>", "a & b"}};
  std::ofstream(run / "log.txt") << "qcface made-up run\ndevice cpu, 2 threads\n";
}

}  // namespace qcface::test
