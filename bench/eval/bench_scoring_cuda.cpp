// Scoring on the GPU beside the CPU, the same requests in one run: pairs and ROC of IJB-C's size, identification of IJB-C's and
// TinyFace's, and a share of 100,000 probes against a million. Times are those of whole calls, copies to the device and back
// included.
//   qcface_bench_scoring_cuda [--cases pairs,roc,ijbc,tinyface,million] [--width 512] [--scale 1] [--threads 0] [--seconds 0.5]
//                             [--budget S] [--no-cpu] [--json FILE]
// Right before fast: what the GPU finds is compared with the CPU's, counts exactly and scores within 1e-12; a case that disagrees
// is left out. --scale takes that part of every size. --budget: nothing new is begun after so many seconds. Shares are of rates
// measured in the same run: products in double of one shape, and copies within the device's memory. Exit status 77 where there is
// no GPU.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "bench/cuda_timing.h"
#include "bench/eval/scoring_cases.h"
#include "bench/record.h"
#include "core/error.h"
#include "harness/console/standard_streams.h"
#include "nn/scoring/cuda/scoring_device.h"
#include "nn/scoring/scorer.h"

namespace {

using namespace qcface;
using namespace qcface::bench;

constexpr const char* kProgram = "qcface_bench_scoring_cuda";
constexpr const char* kUsage =
    "usage: qcface_bench_scoring_cuda [--cases pairs,roc,ijbc,tinyface,million] [--width 512] [--scale 1]\n"
    "         [--threads 0] [--seconds 0.5] [--budget S] [--no-cpu] [--json FILE]\n";

struct Options {
  std::vector<std::string> cases = {"pairs", "roc", "ijbc", "tinyface", "million"};
  std::int64_t width = 512;
  double scale = 1, budget = 1e9;
  int threads = 0;
  bool cpu = true;
  TimingPlan timing{0.5, 0, 3, 50};
  std::string json;
};

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--help" || flag == "-h") print_and_exit(kProgram, kUsage);
    if (flag == "--no-cpu") {
      o.cpu = false;
      continue;
    }
    require(i + 1 < argc, "{}: unknown option or missing value", flag);
    const std::string value = argv[++i];
    if (flag == "--json") {
      o.json = value;
      continue;
    }
    if (flag == "--cases") {
      const std::vector<std::string> known = o.cases;
      o.cases.clear();
      std::istringstream in(value);
      for (std::string part; std::getline(in, part, ',');) {
        require(std::find(known.begin(), known.end(), part) != known.end(),
                "--cases {}: expected some of pairs, roc, ijbc, tinyface, million", part);
        o.cases.push_back(part);
      }
      continue;
    }
    char* end = nullptr;
    const double number = std::strtod(value.c_str(), &end);
    require(*end == '\0' && end != value.c_str() && number >= 0, "{} {}: expected a number, 0 or more", flag,
            value);
    if (flag == "--width") {
      o.width = std::max<std::int64_t>(static_cast<std::int64_t>(number), 1);
    } else if (flag == "--scale") {
      o.scale = number;
    } else if (flag == "--threads") {
      o.threads = static_cast<int>(number);
    } else if (flag == "--seconds") {
      o.timing.seconds = number;
    } else if (flag == "--budget") {
      o.budget = number;
    } else {
      fail("{}: unknown option", flag);
    }
  }
  return o;
}

/// What the device reaches, measured here: GFLOP/s in double and GB/s, reads and writes counted.
struct Limits {
  double gflops = 0, gbytes = 0;
};
Limits measure_limits(const Options& o) {
  nn::cuda::ScoringDevice device({});
  const auto side =
      std::max<std::int64_t>(static_cast<std::int64_t>(8192 * std::sqrt(std::min(o.scale, 1.0))) / 2 * 2, 16);
  const std::int64_t width = (o.width + 1) / 2 * 2;
  const auto rows = device.array<double>(side * width, "a product"),
             products = device.array<double>(side * side, "a product");
  device.fill(rows.data(), 0, rows.size() * sizeof(double));
  EventClock clock(device.stream());
  Samples multiplied, copied;
  const std::size_t half = products.size() * sizeof(double) / 2;
  char* const memory = reinterpret_cast<char*>(products.data());
  for (int i = 0; i < 6; ++i) {
    clock([&] { device.multiply(side, side, width, rows.data(), rows.data(), products.data()); },
          &multiplied);
    clock(
        [&] {
          check(cudaMemcpyAsync(memory, memory + half, half, cudaMemcpyDeviceToDevice, device.stream()),
                "copy");
        },
        &copied);
  }
  return {2e-6 * static_cast<double>(side * side * width) / multiplied.quantile(0),
          2e-6 * static_cast<double>(half) / copied.quantile(0)};
}

bool near(double a, double b) { return a == b || std::fabs(a - b) <= 1e-12 * (1 + std::fabs(b)); }
bool all_near(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), near);
}

class Bench {
 public:
  Bench(const Options& o, Run& run, Limits limits)
      : o_(o),
        run_(run),
        limits_(limits),
        gpu_(nn::make_cuda_scorer()),
        cpu_(nn::make_cpu_scorer(o.threads)) {}

  int wrong() const { return wrong_; }

  void pairs() {
    const PairCase& c = pair_data();
    std::vector<double> scores(c.pairs.size()), reference(c.pairs.size());
    Row row = row_of("pair scores", static_cast<std::int64_t>(c.pairs.size()), c.templates);
    row.bytes = static_cast<double>(c.pairs.size()) * static_cast<double>(2 * 4 * o_.width + 16);
    time_gpu(row, [&] { gpu_->pair_scores(c.view(), c.pairs, {}, scores); });
    time_cpu(row, 1, [&] { cpu_->pair_scores(c.view(), c.pairs, {}, reference); });
    finish(row, !o_.cpu || all_near(scores, reference));
  }

  void roc() {
    const PairCase& c = pair_data();
    std::vector<double> scores(c.pairs.size());
    gpu_->pair_scores(c.view(), c.pairs, {}, scores);
    const auto different = static_cast<std::int64_t>(std::count(c.same.begin(), c.same.end(), 0));
    std::vector<std::int64_t> ranks;
    for (double far = 1e-6; far < 0.5; far *= 10)
      ranks.push_back(static_cast<std::int64_t>(far * static_cast<double>(different)));
    const nn::RocRequest request{scores, c.same, true, ranks};
    nn::RocCounts found, reference;
    Row row = row_of("ROC", static_cast<std::int64_t>(scores.size()), 0);
    // Eight passes of a sort by bytes, each reading and writing 9 bytes a score.
    row.bytes = static_cast<double>(scores.size()) * 8 * 2 * 9;
    time_gpu(row, [&] { found = gpu_->roc(request); });
    time_cpu(row, 1, [&] { reference = cpu_->roc(request); });
    const auto same_point = [](const nn::RocPoint& a, const nn::RocPoint& b) {
      return a.threshold == b.threshold && a.false_accepts == b.false_accepts &&
             a.true_accepts == b.true_accepts;
    };
    finish(row,
           !o_.cpu ||
               (found.negative_score == reference.negative_score &&
                found.same_above == reference.same_above && found.points.size() == reference.points.size() &&
                std::equal(found.points.begin(), found.points.end(), reference.points.begin(), same_point)));
  }

  void identify(const IdentifyCase& c) {
    const IdentifyData data = identify_data(c, o_.width);
    const auto request = identify_request(c, data, o_.width, c.probes);
    nn::IdentifyFound found;
    Row row = row_of(c.name, c.probes, c.gallery);
    row.flops =
        2.0 * static_cast<double>(c.probes) * static_cast<double>(c.gallery) * static_cast<double>(o_.width);
    time_gpu(row, [&] { found = gpu_->identify(request); });
    // The CPU's share of the probes, by the GPU too, so that all results can be compared.
    const auto some =
        std::max<std::int64_t>(static_cast<std::int64_t>(static_cast<double>(c.probes) * c.cpu_share), 1);
    const auto part = identify_request(c, data, o_.width, some);
    nn::IdentifyFound reference;
    time_cpu(row, static_cast<double>(some) / static_cast<double>(c.probes),
             [&] { reference = cpu_->identify(part); });
    bool right = true;
    if (o_.cpu) {
      if (some < c.probes) found = gpu_->identify(part);
      right = found.best_row == reference.best_row && found.mate_rank == reference.mate_rank &&
              found.part_row == reference.part_row && all_near(found.best_score, reference.best_score) &&
              all_near(found.impostor_scores, reference.impostor_scores) &&
              all_near(found.part_score, reference.part_score) && near(found.lowest, reference.lowest);
    }
    finish(row, right);
  }

 private:
  const PairCase& pair_data() {
    if (pair_data_ == nullptr) pair_data_ = std::make_unique<PairCase>(pair_case(o_.scale, o_.width));
    return *pair_data_;
  }
  Row row_of(const std::string& what, std::int64_t n, std::int64_t k) const {
    Row row;
    row.phase = what;
    row.type = "f32";
    row.n = n;
    row.d = o_.width;
    row.k = k;
    return row;
  }
  template <class Work>
  void time_gpu(Row& row, Work&& work) {
    work();  // the first call loads kernels
    const HostClock clock;
    measure(
        o_.timing, [&] { clock(work, &row.samples); }, [&] { row.samples = {}; });
  }
  /// share: of the work that the GPU did.
  template <class Work>
  void time_cpu(Row& row, double share, Work&& work) {
    if (!o_.cpu) return;
    Samples samples;
    HostClock()(work, &samples);
    row.more.emplace_back("cpu_scorer_ms", samples.median() / share);
    row.more.emplace_back("cpu_scorer_share", share);
    row.more.emplace_back("times_faster", samples.median() / share / row.samples.median());
  }
  void finish(Row& row, bool right) {
    if (!right) {
      std::printf("%s: GPU and CPU disagree\n", row.phase.c_str());
      run_.left_out.push_back(row.phase + ": GPU and CPU disagree");
      ++wrong_;
      if (!o_.json.empty() && o_.json != "-") write_json(run_, o_.json);
      return;
    }
    const double reached = row.flops > 0 ? row.gflops() / limits_.gflops : row.gbytes() / limits_.gbytes;
    row.more.emplace_back("limit_share", reached);
    double cpu_ms = 0, faster = 0;
    for (const auto& [name, value] : row.more) {
      if (name == "cpu_scorer_ms") cpu_ms = value;
      if (name == "times_faster") faster = value;
    }
    std::printf("%-16s %10lld %9lld %10.1f ms %10.1f ms %7.1fx %9.1f %-8s %5.0f %%\n", row.phase.c_str(),
                static_cast<long long>(row.n), static_cast<long long>(row.k), row.samples.median(), cpu_ms,
                faster, row.flops > 0 ? row.gflops() : row.gbytes(), row.flops > 0 ? "GFLOP/s" : "GB/s",
                100 * reached);
    std::fflush(stdout);
    keep(&run_, row, o_.json);
  }

  const Options& o_;
  Run& run_;
  const Limits limits_;
  std::unique_ptr<nn::Scorer> gpu_, cpu_;
  std::unique_ptr<PairCase> pair_data_;
  int wrong_ = 0;
};

IdentifyCase case_of(const std::string& name, double scale) {
  IdentifyCase c;
  c.name = name;
  if (name == "ijbc") {
    c = {name, 19593, 3531, 3531, 3531, 10, 1960, true, 1};
  } else if (name == "tinyface") {
    c = {name, 3728, 157871, 2569, 4443, 20, 0, false, 1};
  } else {
    c = {name, 10000, 1000000, 100000, 100000, 20, 1000, false, 0.02};  // a tenth of 100,000 probes
  }
  for (std::int64_t* count : {&c.probes, &c.gallery, &c.subjects, &c.mated})
    *count = std::max<std::int64_t>(static_cast<std::int64_t>(static_cast<double>(*count) * scale), 16);
  return c;
}

int run(const Options& o, const std::string& command) {
  if (qcface::cuda::device_count() == 0) {
    std::fprintf(stderr, "%s: no usable GPU\n", kProgram);
    return 77;
  }
  const Budget budget(o.budget);
  qcface::cuda::DeviceFacts facts;
  check(qcface::cuda::device_facts(0, &facts), "device");
  Run out;
  out.program = kProgram;
  out.command = command;
  out.device = "cuda";
  out.device_name = facts.name;
  out.isa = "sm_" + std::to_string(facts.architecture());
  device_versions(&out.driver, &out.cuda);
  out.threads = o.threads;
  const Limits limits = measure_limits(o);
  out.libraries = "beside " + processor_name();
  char source[120];
  std::snprintf(source, sizeof source, "measured in this run: %.0f GFLOP/s in double, %.0f GB/s",
                limits.gflops, limits.gbytes);
  out.peak_source = source;
  std::printf("%s, %s; limits %s\n%-16s %10s %9s %13s %13s %8s\n", out.device_name.c_str(),
              out.libraries.c_str(), source, "case", "N", "K", "GPU", "CPU", "");
  Bench bench(o, out, limits);
  for (const std::string& name : o.cases) {
    if (budget.used_up()) {
      out.left_out.push_back(name + ": not started, --budget was used up");
      continue;
    }
    if (name == "pairs") {
      bench.pairs();
    } else if (name == "roc") {
      bench.roc();
    } else {
      bench.identify(case_of(name, o.scale));
    }
  }
  if (!o.json.empty()) write_json(out, o.json);
  return bench.wrong() == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(kProgram, [&] { return run(parse(argc, argv), command_line(argc, argv)); });
}
