// Identification of made-up embeddings: every probe against a gallery, with ranks and mean average precision.
//   qcface_bench_identify [--probes 3728] [--gallery 157871] [--width 512] [--subjects 2569] [--mates 4443] [--score cosine]
//                         [--threads 0] [--rounds 1] [--share 1] [--save FOLDER]
// The first --mates rows of the gallery belong to the subjects, the others to nobody. --share 0.1 takes the first tenth of the
// probes, and the time of all is extrapolated and called so. --save writes probes.npy, gallery.npy and their labels for
// peer_identify.py. One row of JSON: seconds of the last rounds, figures, peak memory.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/eval/made_rows.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/npy.h"
#include "harness/console/memory.h"
#include "harness/console/progress.h"
#include "harness/eval/measures/identification.h"
#include "nn/scoring/scorer.h"

using namespace qcface;

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::int64_t probes = 3728, gallery = 157871, width = 512, subjects = 2569, mates = 4443;
  int threads = 0, rounds = 1;
  double share = 1;
  std::string score = "cosine", save;
};

struct Rows {
  std::vector<float> values;
  std::vector<std::int64_t> subject;
};
// `first`: number of the first row, different for every row there is.
Rows make_rows(std::int64_t count, std::int64_t with_subject, const Options& options, std::uint64_t first) {
  Rows rows;
  rows.values.resize(static_cast<std::size_t>(count * options.width));
  rows.subject.resize(static_cast<std::size_t>(count));
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t subject = i < with_subject ? i % options.subjects : -100;
    rows.subject[static_cast<std::size_t>(i)] = subject;
    bench::make_row(first + static_cast<std::uint64_t>(i), subject, options.width,
                    rows.values.data() + i * options.width);
  }
  return rows;
}

Options options_of(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string name = arguments[i];
    if (name == "--help" || name == "-h") {
      std::puts(
          "qcface_bench_identify [--probes 3728] [--gallery 157871] [--width 512] [--subjects 2569] [--mates "
          "4443]\n"
          "                      [--score cosine|qmf|euclid] [--threads 0] [--rounds 1] [--share 1] [--save "
          "FOLDER]");
      std::exit(0);
    }
    require(i + 1 < count, "{}: a value is missing", name);
    const std::string value = arguments[++i];
    const auto whole = [&] { return static_cast<std::int64_t>(std::strtoll(value.c_str(), nullptr, 10)); };
    if (name == "--probes")
      options.probes = whole();
    else if (name == "--gallery")
      options.gallery = whole();
    else if (name == "--width")
      options.width = whole();
    else if (name == "--subjects")
      options.subjects = whole();
    else if (name == "--mates")
      options.mates = whole();
    else if (name == "--threads")
      options.threads = static_cast<int>(whole());
    else if (name == "--rounds")
      options.rounds = static_cast<int>(whole());
    else if (name == "--share")
      options.share = std::strtod(value.c_str(), nullptr);
    else if (name == "--score")
      options.score = value;
    else if (name == "--save")
      options.save = value;
    else
      fail("unknown option {}, see --help", name);
  }
  require(options.probes > 0 && options.gallery >= options.mates && options.width > 0 &&
              options.subjects > 0 && options.mates >= 0 && options.rounds > 0 && options.share > 0 &&
              options.share <= 1,
          "sizes are above 0, --mates at most --gallery, --share at most 1");
  return options;
}

void save(const Options& options, const char* name, const Rows& rows) {
  const std::filesystem::path folder = options.save;
  std::filesystem::create_directories(folder);
  AtomicFile file(folder / fmt::format("{}.npy", name));
  const std::int64_t shape[] = {static_cast<std::int64_t>(rows.subject.size()), options.width};
  write_npy(file, rows.values, shape);
  file.commit();
  std::string labels;
  for (const std::int64_t subject : rows.subject) labels += fmt::format("{}\n", subject);
  write_file_atomically(folder / fmt::format("{}_subjects.txt", name), labels);
}

int run(const Options& options) {
  const std::int64_t probes = std::max<std::int64_t>(
      1, static_cast<std::int64_t>(std::llround(options.share * static_cast<double>(options.probes))));
  const Rows probe = make_rows(probes, probes, options, std::uint64_t{1} << 40);
  const Rows gallery = make_rows(options.gallery, options.mates, options, std::uint64_t{1} << 41);
  if (!options.save.empty()) {
    save(options, "probes", probe);
    save(options, "gallery", gallery);
  }
  const eval::RowName name = [](std::int64_t row) { return fmt::format("row {}", row); };
  nn::IdentifyRequest request;
  request.probes = {probes, options.width, probe.values.data(), nullptr};
  request.gallery = {options.gallery, options.width, gallery.values.data(), nullptr};
  if (options.score == "qmf") request.rule = {nn::ScoreRule::kQmf, 0.05298834571695404, 0.08483867351227943};
  if (options.score == "euclid") request.rule.kind = nn::ScoreRule::kEuclid;
  request.mate_ranks = true;
  const auto scorer = nn::make_scorer({}, options.threads);
  double best = 0;
  const double before_mib = resident_mib();
  eval::Mates mates;
  nn::IdentifyFound found;
  std::vector<double> hits;
  double precision = 0;
  const std::int64_t ranks[] = {1, 5, 10, 20};
  for (int round = 0; round < options.rounds; ++round) {
    const auto begin = Clock::now();
    mates = eval::find_mates(probe.subject, gallery.subject, eval::MateRule::kAny, name, name);
    request.mate_begin = mates.begin;
    request.mates = mates.rows;
    Progress progress("identify", static_cast<std::size_t>(probes), "probes");
    request.progress = [&](std::int64_t done, std::int64_t) {
      progress.update(static_cast<std::size_t>(done));
    };
    found = scorer->identify(request);
    hits = eval::hit_rates(found, mates, ranks);
    precision = eval::mean_average_precision(found, mates);
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    best = round == 0 ? seconds : std::min(best, seconds);
  }
  const double pairs = static_cast<double>(probes) * static_cast<double>(options.gallery);
  std::string line = fmt::format(
      "{{\"program\": \"qcface {}\", \"score\": \"{}\", \"probes\": {}, \"gallery\": {}, \"width\": {}, "
      "\"seconds\": {:.3f}, "
      "\"pairs_per_second\": {:.4g}, \"gflops\": {:.1f}, ",
      scorer->name(), options.score, probes, options.gallery, options.width, best, pairs / best,
      2e-9 * pairs * static_cast<double>(options.width) / best);
  if (options.share < 1)
    line += fmt::format("\"share\": {}, \"extrapolated_seconds_of_all\": {:.0f}, ", options.share,
                        best / options.share);
  line += fmt::format("\"hit_rates\": [{}, {}, {}, {}], \"mean_average_precision\": {:.15g}, ", hits[0],
                      hits[1], hits[2], hits[3], precision);
  line += fmt::format("\"input_mib\": {:.0f}, \"peak_mib\": {:.0f}}}", before_mib, peak_resident_mib());
  std::puts(line.c_str());
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run(options_of(count, arguments));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_identify: %s\n", error.what());
    return 1;
  }
}
