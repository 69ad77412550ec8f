// Times whole training steps of a backbone on the CPU: forward, backward, SGD.
//   qcface_bench_step --arch ir18 --batch 16 --threads 2 --steps 10
// Input, initial weights and the gradient of the embeddings (a fixed probe) are given by formulas that peer_torch.py
// repeats, so that both run the same step; --check FILE stores the first step's results for compare.py.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <vector>

#include "bench/step/weights.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "harness/console/standard_streams.h"
#include "nn/backbones/table.h"
#include "nn/network.h"
#include "nn/optimiser.h"

using namespace qcface;
using bench::formula, bench::set_weights;

namespace {

struct Options {
  std::string arch = "ir18";
  int batch = 16, threads = 2, steps = 10, warmup = 2;
  double dropout = 0.4;
  bool profile = false;
  std::string check, json;
};

constexpr const char* kUsage =
    "usage: qcface_bench_step [options]\n"
    "  --arch A         ir18, ir34, ir50, ir100 or mini; default ir18\n"
    "  --batch N --threads T --steps S --warmup S\n"
    "  --dropout P      default 0.4\n"
    "  --profile        time of each layer, to standard error\n"
    "  --json FILE      write the result\n"
    "  --check FILE     write the first step's results, for compare.py\n";

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--help" || flag == "-h") print_and_exit("qcface_bench_step", kUsage);
    if (flag == "--profile") {
      options.profile = true;
      continue;
    }
    require(i + 1 < argc, "{}: a value is missing", flag);
    const std::string value = argv[++i];
    const auto number = [&] {
      int parsed = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
      require(error == std::errc() && end == value.data() + value.size() && parsed <= 65536,
              "{} {}: expected a whole number up to 65536", flag, value);
      return parsed;
    };
    if (flag == "--arch")
      options.arch = value;
    else if (flag == "--batch")
      options.batch = number();
    else if (flag == "--threads")
      options.threads = number();
    else if (flag == "--steps")
      options.steps = number();
    else if (flag == "--warmup")
      options.warmup = number();
    else if (flag == "--dropout")
      options.dropout = std::strtod(value.c_str(), nullptr);
    else if (flag == "--check")
      options.check = value;
    else if (flag == "--json")
      options.json = value;
    else
      fail("{}: unknown option (--help lists them)", flag);
  }
  require(options.batch >= 2 && options.threads >= 1 && options.steps >= 1 && options.warmup >= 0,
          "--batch must be at least 2, --threads and --steps at least 1");
  return options;
}

struct Times {
  std::vector<double> forward, backward, update, total;
};

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1) + 0.5)];
}

int run(const Options& options) {
  nn::BackboneSettings settings;
  settings.dropout =
      options.check.empty() ? options.dropout : 0;  // masks are not comparable across libraries
  const auto backend = nn::make_cpu_backend(options.threads);
  nn::Network network(nn::backbone(options.arch).build(settings), *backend);
  nn::ParameterStore& store = network.parameters();
  set_weights(store);
  const auto n = static_cast<std::size_t>(options.batch);
  const std::vector<float> images = formula(1, n * 3 * 112 * 112, 0, 1);
  const std::vector<float> probe = formula(2, n * 512, 0, 1.0 / 512);

  Times times;
  nlohmann::json check;
  for (int step = -options.warmup; step < options.steps; ++step) {
    if (options.profile && step == 0) network.set_profiling(true);
    const auto t0 = std::chrono::steady_clock::now();
    const auto embeddings = network.forward_train(images, options.batch,
                                                  {1, 0, static_cast<std::uint64_t>(step + options.warmup)});
    const auto t1 = std::chrono::steady_clock::now();
    if (!options.check.empty()) {
      double loss = 0;
      for (std::size_t i = 0; i < embeddings.size(); ++i)
        loss += static_cast<double>(embeddings[i]) * static_cast<double>(probe[i]);
      check["loss"].push_back(loss);
      if (!check.contains("embeddings"))
        check["embeddings"] = std::vector<float>(embeddings.begin(), embeddings.end());
    }
    const auto t2 = std::chrono::steady_clock::now();
    network.backward(probe);
    const auto t3 = std::chrono::steady_clock::now();
    nn::update_weights(store.weights(), store.gradients(), store.slot(), 0.01f, {0.9f, 5e-4f},
                       options.threads);
    const auto t4 = std::chrono::steady_clock::now();
    if (step < 0) continue;
    const auto seconds = [](auto a, auto b) { return std::chrono::duration<double>(b - a).count(); };
    times.forward.push_back(seconds(t0, t1));
    times.backward.push_back(seconds(t2, t3));
    times.update.push_back(seconds(t3, t4));
    times.total.push_back(seconds(t0, t1) + seconds(t2, t4));
  }
  const auto rate = [&](double q) { return static_cast<double>(options.batch) / quantile(times.total, q); };
  const double peak =
      static_cast<double>(network.arena_layout(options.batch, nn::Mode::kTrain).peak_bytes) / (1 << 20);
  const nlohmann::json result{{"program", "qcface"},
                              {"backend", backend->name()},
                              {"arch", options.arch},
                              {"batch", options.batch},
                              {"threads", options.threads},
                              {"steps", options.steps},
                              {"images_per_s", rate(0.5)},
                              {"images_per_s_p20", rate(0.8)},
                              {"images_per_s_p80", rate(0.2)},
                              {"forward_ms", 1e3 * quantile(times.forward, 0.5)},
                              {"backward_ms", 1e3 * quantile(times.backward, 0.5)},
                              {"update_ms", 1e3 * quantile(times.update, 0.5)},
                              {"plan_peak_mib", peak},
                              {"step_seconds", times.total}};
  std::printf("%s\n", result.dump().c_str());
  if (options.profile) std::fprintf(stderr, "%s", network.take_profile().c_str());
  if (!options.json.empty()) write_file_atomically(options.json, result.dump(2) + "\n");
  if (!options.check.empty()) write_file_atomically(options.check, check.dump() + "\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return qcface::run_program("qcface_bench_step", [&] { return run(parse(argc, argv)); });
}
