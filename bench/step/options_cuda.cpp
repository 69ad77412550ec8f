#include "bench/step/options_cuda.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "core/error.h"
#include "harness/console/standard_streams.h"
#include "nn/backbones/iresnet.h"

namespace qcface::bench {
namespace {

constexpr const char* kUsage =
    "  --arch ir18,ir34,ir50,ir100   networks\n"
    "  --batch N1,N2,...  --types bf16,f16,f32\n"
    "  --classes K --head NAME       of the head; default 93431, qcface\n"
    "  --side S --width D            of the pictures and the embedding; default 112, 512\n"
    "  --seconds S --warmup S --samples-min N   length of one measurement\n"
    "  --budget S       start no measurement later than S seconds after the first\n"
    "  --no-parts       leave out the pass that times forward, head, backward and update\n"
    "  --peak-tflops T --peak-gbs G  what the floor is computed with; default the data sheet's\n"
    "  --count          print the counted floors and exit; needs no GPU (with --json)\n"
    "  --json FILE      write all rows, anew after each; '-' is standard output\n"
    "Batches are the outermost loop, then types, then networks.\n";

std::vector<std::string> split(const std::string& flag, const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) {
    require(!part.empty(), "{} {}: an empty entry", flag, text);
    parts.push_back(part);
  }
  require(!parts.empty(), "{}: an empty list", flag);
  return parts;
}

std::int64_t whole(const std::string& flag, const std::string& text, std::int64_t least) {
  char* end = nullptr;
  const long long value = std::strtoll(text.c_str(), &end, 10);
  require(end != text.c_str() && *end == '\0' && value >= least, "{} {}: expected a whole number, {} or more",
          flag, text, least);
  return value;
}

double real(const std::string& flag, const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  require(end != text.c_str() && *end == '\0' && value >= 0, "{} {}: expected a number, 0 or more", flag,
          text);
  return value;
}

}  // namespace

nn::Precision precision_of(const std::string& type) {
  if (type == "f32") return nn::Precision::kFp32;
  if (type == "bf16") return nn::Precision::kBf16;
  require(type == "f16", "--types {}: expected f32, bf16 or f16", type);
  return nn::Precision::kFp16;
}

nn::Graph step_graph(const StepOptions& options, const std::string& arch) {
  nn::IResNetConfig config = nn::iresnet_config(arch == "tiny" ? "mini" : arch, options.width);
  if (arch == "tiny") config.widths = {8, 8, 16, 16};
  config.image_size = options.side;
  return nn::iresnet_graph(config);
}

qcf_head_config head_config(const StepOptions& options) {
  qcf_head_config config = make_head_config(head_from_name(options.head));
  config.phase = QCF_PHASE_NORM;
  config.lambda = 1;
  return config;
}

StepOptions parse_step_options(int argc, char** argv) {
  StepOptions o;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--help" || flag == "-h") {
      print_and_exit(argv[0], std::string("usage: ") + argv[0] + " [options]\n" + kUsage);
    }
    if (flag == "--no-parts" || flag == "--count") {
      (flag == "--count" ? o.count : o.parts) = flag == "--count";
      continue;
    }
    require(i + 1 < argc, "{}: unknown option or missing value (--help lists them)", flag);
    const std::string value = argv[++i];
    if (flag == "--arch") {
      o.archs = split(flag, value);
    } else if (flag == "--batch") {
      o.batches.clear();
      for (const std::string& part : split(flag, value)) o.batches.push_back(whole(flag, part, 2));
    } else if (flag == "--types") {
      o.types = split(flag, value);
    } else if (flag == "--head") {
      o.head = value;
    } else if (flag == "--classes") {
      o.classes = whole(flag, value, 2);
    } else if (flag == "--side") {
      o.side = static_cast<int>(whole(flag, value, 16));
    } else if (flag == "--width") {
      o.width = static_cast<int>(whole(flag, value, 1));
    } else if (flag == "--seconds") {
      o.timing.seconds = real(flag, value);
    } else if (flag == "--warmup") {
      o.timing.warmup_seconds = real(flag, value);
    } else if (flag == "--samples-min") {
      o.timing.least = static_cast<std::size_t>(whole(flag, value, 1));
    } else if (flag == "--budget") {
      o.budget = real(flag, value);
    } else if (flag == "--peak-tflops") {
      o.peak_tflops = real(flag, value);
    } else if (flag == "--peak-gbs") {
      o.peak_gbs = real(flag, value);
    } else if (flag == "--json") {
      o.json = value;
    } else {
      fail("{}: unknown option (--help lists them)", flag);
    }
  }
  for (const std::string& type : o.types) precision_of(type);
  const std::vector<std::string> known = nn::backbone_names();
  for (const std::string& arch : o.archs) {
    require(arch == "tiny" || std::find(known.begin(), known.end(), arch) != known.end(),
            "--arch {}: expected names among {}", arch, fmt::join(known, ", "));
    step_graph(o, arch);  // the side must fit it
  }
  require(o.json != "-" || o.count, "--json -: only with --count, the table goes to standard output");
  return o;
}

}  // namespace qcface::bench
