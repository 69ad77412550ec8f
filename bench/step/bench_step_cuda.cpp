// Whole training steps on the GPU, through the engine that `qcface train` uses: random 8-bit pictures in host memory, copied
// to page-locked memory and to the device by the engine, the step as one CUDA graph, a head of --classes classes, SGD.
//   qcface_bench_step_cuda [--arch ir18,ir50,ir100] [--batch 512,256,128] [--types bf16,f16,f32] [--json FILE]; --help lists all
// A sample is the time from one call of the engine to the next in a run of many, host work included: what a training run
// takes while its data is ready. The parts are measured after that, in steps of their own: the engine enqueues events
// where parts begin, they become nodes of the captured graph, and each step is waited for. So the total is not
// disturbed by them, and they leave out the transfer of the batch and the gap between steps.
// Exit status 77 where there is no GPU.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "bench/cuda_timing.h"
#include "bench/record.h"
#include "bench/step/floor.h"
#include "bench/step/options_cuda.h"
#include "bench/step/weights.h"
#include "core/error.h"
#include "harness/console/standard_streams.h"
#include "harness/train/engine.h"

namespace {

using namespace qcface;
using namespace qcface::bench;
using train::StepPart;

constexpr std::size_t kParts = static_cast<std::size_t>(StepPart::kEnd);

/// Times between the places where parts of a step begin. Recorded in a capture, the events become nodes of the graph.
class PartMarks {
 public:
  PartMarks() {
    for (cudaEvent_t& event : events_) check(cudaEventCreate(&event), "event");
  }
  ~PartMarks() {
    for (cudaEvent_t event : events_) cudaEventDestroy(event);
  }
  PartMarks(const PartMarks&) = delete;
  PartMarks& operator=(const PartMarks&) = delete;

  void begin(StepPart part, void* stream) {
    const auto on = static_cast<cudaStream_t>(stream);
    const cudaEvent_t event = events_[static_cast<std::size_t>(part)];
#ifndef QCF_EMULATE
    cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
    check(cudaStreamIsCapturing(on, &capturing), "capture");
    if (capturing == cudaStreamCaptureStatusActive) {
      check(cudaEventRecordWithFlags(event, on, cudaEventRecordExternal), "event");
      return;
    }
#endif
    check(cudaEventRecord(event, on), "event");
  }
  /// Of the step that has just finished.
  void read(std::array<Samples, kParts>* parts) const {
    check(cudaEventSynchronize(events_[kParts]), "event");
    for (std::size_t i = 0; i < kParts; ++i) {
      float ms = 0;
      check(cudaEventElapsedTime(&ms, events_[i], events_[i + 1]), "event");
      (*parts)[i].ms.push_back(static_cast<double>(ms));
    }
  }

 private:
  std::array<cudaEvent_t, kParts + 1> events_{};
};

/// Two batches of noise that take turns.
struct Pictures {
  Pictures(std::int64_t batch, const nn::Shape& shape, std::int64_t classes) {
    for (std::size_t which = 0; which < 2; ++which) {
      pixels[which].resize(static_cast<std::size_t>(batch) * shape.elements());
      std::uint32_t state = 2463534242u + static_cast<std::uint32_t>(which);
      for (std::uint8_t& p : pixels[which]) {
        state ^= state << 13, state ^= state >> 17, state ^= state << 5;
        p = static_cast<std::uint8_t>(state >> 24);
      }
      for (std::int64_t i = 0; i < batch; ++i)
        labels[which].push_back((i * 7919 + static_cast<std::int64_t>(which)) % classes);
      batches[which].size = batch;
      batches[which].pixels = pixels[which].data();
      batches[which].labels = labels[which];
    }
  }
  std::array<std::vector<std::uint8_t>, 2> pixels;
  std::array<std::vector<std::int64_t>, 2> labels;
  std::array<data::Batch, 2> batches;
};

/// Runs steps one after the other.
class Driver {
 public:
  Driver(train::Engine& engine, const Pictures& pictures) : engine_(engine), pictures_(pictures) {}
  void step() {
    const data::Batch& batch = pictures_.batches[static_cast<std::size_t>(index_ % 2)];
    note(engine_.step(batch, {0, index_, batch.size, 1e-3, 0}));
    ++index_;
  }
  void drain() {
    while (engine_.pending() > 0) note(engine_.finish());
  }
  double loss() const { return loss_; }

 private:
  void note(const std::optional<train::FinishedStep>& done) {
    if (done) loss_ = done->head.loss;
  }
  train::Engine& engine_;
  const Pictures& pictures_;
  std::int64_t index_ = 0;
  double loss_ = 0;
};

constexpr int kWarmSteps = 6;  // every slot of the engine has its captured graph after four

/// Also until the loss scale of fp16 has come down to where no step is left out, which would be a cheaper one.
void warm_up(train::Engine& engine, Driver& driver) {
  float scale = -1;
  for (int round = 0; round < 10 && scale != engine.loss_scale().scale; ++round) {
    scale = engine.loss_scale().scale;
    for (int i = 0; i < kWarmSteps; ++i) driver.step();
  }
}

void measure_parts(train::Engine& engine, Driver& driver, const TimingPlan& timing, Row* row) {
  PartMarks marks;
  engine.observe_parts([&](StepPart part, void* stream) { marks.begin(part, stream); });
  std::array<Samples, kParts> parts;
  for (int i = 0; i < kWarmSteps; ++i) driver.step(), driver.drain();
  measure(
      {timing.seconds / 2, 0, timing.least, 50}, [&] { driver.step(), driver.drain(), marks.read(&parts); },
      [&] { parts = {}; });
  engine.observe_parts({});
  constexpr const char* kNames[kParts] = {"forward_ms", "head_ms", "backward_ms", "update_ms",
                                          "head_update_ms"};
  for (std::size_t i = 0; i < kParts; ++i) row->more.emplace_back(kNames[i], parts[i].median());
}

Row measure_step(const StepOptions& o, const std::string& arch, const std::string& type, std::int64_t batch,
                 std::string* engine_name, std::string* parts_missing) {
  const nn::Graph graph = step_graph(o, arch);
  train::EngineOptions options;
  options.head = head_config(o);
  options.classes = o.classes;
  options.largest_batch = batch;
  const std::size_t before = device_bytes_in_use();
  const auto communicator = make_single_communicator();
  train::Engine engine(nn::make_cuda_backend({0, precision_of(type), false}), graph, options, *communicator);
  set_weights(engine.network().parameters());
  engine.head().initialise(1);
  engine.set_loss_scale({256, 0});
  *engine_name = "cuda, " + engine.backend().name();
  const Pictures pictures(batch, graph.nodes().front().shape, o.classes);
  Driver driver(engine, pictures);
  warm_up(engine, driver);
  const float scale = engine.loss_scale().scale;

  Row row;
  row.arch = arch;
  row.head = o.head;
  row.type = type;
  row.update = "sgd";
  row.n = batch;
  row.d = o.width;
  row.k = o.classes;
  const HostClock clock;
  measure(
      o.timing, [&] { clock([&] { driver.step(); }, &row.samples); }, [&] { row.samples = {}; });
  driver.drain();
  row.extra_bytes = device_bytes_in_use() - before;
  row.loss_id = driver.loss();
  require(std::isfinite(row.loss_id), "the loss is {}", row.loss_id);
  require(engine.loss_scale().scale >= scale,
          "gradients overflowed while it was timed, and such steps do less");
  row.more.emplace_back("images_per_s", 1e3 * static_cast<double>(batch) / row.samples.median());
  try {
    if (o.parts) measure_parts(engine, driver, o.timing, &row);
  } catch (const std::exception& reason) {
    *parts_missing = reason.what();  // the total stands
    cudaGetLastError();
  }
  return row;
}

void add_floor(const StepOptions& o, const StepFloor::Rates& rates, Row* row) {
  const StepFloor floor = count_step(step_graph(o, row->arch), row->n, row->k, row->type == "f32" ? 4 : 2);
  row->more.emplace_back("product_flops", floor.product_flops);
  row->more.emplace_back("elementwise_bytes", floor.elementwise_bytes);
  row->more.emplace_back("head_flops", floor.head_flops);
  row->more.emplace_back("head_bytes", floor.head_bytes);
  if (rates.gflops <= 0 || rates.gbytes <= 0) return;
  row->more.emplace_back("floor_products_ms", floor.products_ms(rates));
  row->more.emplace_back("floor_elementwise_ms", floor.elementwise_ms(rates));
  row->more.emplace_back("floor_head_ms", floor.head_ms(rates));
  row->more.emplace_back("floor_ms", floor.ms(rates));
  if (!row->samples.ms.empty())
    row->more.emplace_back("floor_share", floor.ms(rates) / row->samples.median());
}

double figure(const Row& row, const char* name) {
  const auto found =
      std::find_if(row.more.begin(), row.more.end(), [&](const auto& entry) { return entry.first == name; });
  return found == row.more.end() ? 0 : found->second;
}

void print_step_header() {
  std::printf("%-6s %-5s %6s %9s %19s %9s | %8s %8s %8s %8s | %9s %9s %7s\n", "arch", "type", "batch", "ms",
              "(p20-p80)", "images/s", "forward", "head", "backward", "update", "MiB", "floor, ms", "share");
}

void print_step(const Row& row) {
  char range[48];
  std::snprintf(range, sizeof range, "(%.2f-%.2f)", row.samples.quantile(0.2), row.samples.quantile(0.8));
  std::printf("%-6s %-5s %6lld %9.2f %19s %9.0f | %8.2f %8.2f %8.2f %8.2f | %9.0f %9.2f %7.2f\n",
              row.arch.c_str(), row.type.c_str(), static_cast<long long>(row.n), row.samples.median(), range,
              figure(row, "images_per_s"), figure(row, "forward_ms"),
              figure(row, "head_ms") + figure(row, "head_update_ms"), figure(row, "backward_ms"),
              figure(row, "update_ms"), static_cast<double>(row.extra_bytes) / 1048576,
              figure(row, "floor_ms"), figure(row, "floor_share"));
  std::fflush(stdout);
}

/// Rates that shares are shares of: as stated, else the data sheet's.
StepFloor::Rates rates_for(const StepOptions& o, const std::string& device, const std::string& type) {
  const SheetRates sheet = sheet_rates(device);
  return {o.peak_tflops > 0 ? 1e3 * o.peak_tflops
          : type == "f32"   ? sheet.f32_gflops
                            : sheet.half_gflops,
          o.peak_gbs > 0 ? o.peak_gbs : sheet.gbytes};
}

Run describe(const StepOptions& o, const std::string& command, const std::string& device,
             const std::string& isa) {
  Run out;
  out.program = "qcface_bench_step_cuda";
  out.command = command;
  out.device = "cuda";
  out.device_name = device;
  out.isa = isa;
  device_versions(&out.driver, &out.cuda);
  out.peak_source = o.peak_tflops > 0 || o.peak_gbs > 0 ? "stated by --peak-tflops and --peak-gbs"
                    : sheet_rates(device).gbytes > 0    ? "data sheet, dense"
                                                        : "";
  return out;
}

int run(const StepOptions& o, const std::string& command) {
  if (!o.count && qcface::cuda::device_count() == 0) {
    std::fprintf(stderr, "qcface_bench_step_cuda: no usable GPU\n");
    return 77;
  }
  qcface::cuda::DeviceFacts facts;
  facts.name = "none: --count";
  if (!o.count) check(qcface::cuda::device_facts(0, &facts), "device");
  Run out = describe(o, command, facts.name, o.count ? "" : "sm_" + std::to_string(facts.architecture()));
  if (!o.count) {
    std::printf("%s; floor: %s\n", out.device_name.c_str(),
                out.peak_source.empty() ? "rates not known, see --peak-tflops and --peak-gbs"
                                        : out.peak_source.c_str());
    print_step_header();
  }
  const auto leave_out = [&](const std::string& what, const std::string& why) {
    std::printf("%s: %s\n", what.c_str(), why.c_str());
    std::fflush(stdout);
    out.left_out.push_back(what + ": " + why);
    if (!o.json.empty() && o.json != "-") write_json(out, o.json);
  };
  const Budget budget(o.budget);
  int wrong = 0;
  // Batches outermost, networks innermost: with a budget, the lists are in the order of what is wanted.
  for (const std::int64_t batch : o.batches) {
    for (const std::string& type : o.types) {
      for (const std::string& arch : o.archs) {
        const std::string name = arch + " " + type + " batch " + std::to_string(batch);
        Row row;
        row.arch = arch;
        row.type = type;
        row.n = batch;
        row.d = o.width;
        row.k = o.classes;
        if (!o.count) {
          if (budget.used_up()) {
            leave_out(name, "not started, --budget was used up");
            continue;
          }
          std::string parts_missing;
          try {
            row = measure_step(o, arch, type, batch, &out.libraries, &parts_missing);
          } catch (const std::exception& reason) {
            leave_out(name, reason.what());
            cudaGetLastError();
            ++wrong;
            continue;
          }
          if (!parts_missing.empty()) leave_out("parts of " + name, parts_missing);
        }
        add_floor(o, rates_for(o, facts.name, type), &row);
        if (!o.count) {
          print_step(row);
        } else if (o.json != "-") {
          std::printf("%-28s products %7.3f TFLOP, element-wise %7.2f GB, head %.3f TFLOP and %.2f GB\n",
                      name.c_str(), 1e-12 * figure(row, "product_flops"),
                      1e-9 * figure(row, "elementwise_bytes"), 1e-12 * figure(row, "head_flops"),
                      1e-9 * figure(row, "head_bytes"));
        }
        keep(&out, row, o.json);
      }
    }
  }
  if (!o.json.empty()) write_json(out, o.json);
  return wrong == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  return qcface::run_program("qcface_bench_step_cuda",
                             [&] { return run(parse_step_options(argc, argv), command_line(argc, argv)); });
}
