// IJB-C at its real size on made-up embeddings (compare_ijb.py sets it beside Python):
//   qcface_bench_ijb make FOLDER [--scale 1] [--width 512]
//   qcface_bench_ijb run FOLDER [--similarity cosine] [--published] [--no-1n] [--threads 0]
// make writes FOLDER/IJBC/meta in the published layout, and FOLDER/features.npy: 469,375 pictures, 23,124 templates, 15,658,489
// pairs in no order, 3,531 gallery templates, 19,593 probes; --scale 0.01 a hundredth of all of them. run reads both, pools,
// scores, and gives all figures of verification and identification. One row of JSON: seconds of each part, figures, peak memory.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/eval/made_rows.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/npy.h"
#include "core/random.h"
#include "harness/console/memory.h"
#include "harness/console/standard_streams.h"
#include "harness/eval/protocols/ijb.h"
#include "nn/scoring/scorer.h"

using namespace qcface;
using qcface::bench::mixed;
using qcface::bench::noise;
namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// The sizes of IJB-C, or a part of them.
struct Sizes {
  explicit Sizes(double scale) {
    const auto part = [&](std::int64_t whole, std::int64_t least) {
      return std::max<std::int64_t>(least, std::llround(scale * static_cast<double>(whole)));
    };
    gallery = {part(1772, 3), part(1759, 3)};
    probes = part(19593, 12);
    pictures = part(469375, 3 * (gallery[0] + gallery[1] + probes));
    same = std::min(part(19557, 8), probes);
    pairs = part(15658489, 300);
  }
  std::array<std::int64_t, 2> gallery;
  std::int64_t probes, pictures, same, pairs;
  std::int64_t subjects() const { return gallery[0] + gallery[1]; }
  std::int64_t templates() const { return subjects() + probes; }
};

// Of an embedding: its person, what its template has of its own (pose, camera), and noise of the picture. The worse, the shorter.
void write_features(const fs::path& file, const std::vector<std::size_t>& template_of,
                    const std::vector<std::int64_t>& subject, std::int64_t width) {
  constexpr std::uint64_t kTemplates = std::uint64_t{1} << 36,
                          kPictures = std::uint64_t{1} << 40;  // rows of noise
  std::vector<float> values(template_of.size() * static_cast<std::size_t>(width));
  const auto count = static_cast<std::int64_t>(template_of.size());
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < count; ++i) {
    const auto picture = kPictures + static_cast<std::uint64_t>(i);
    const std::size_t t = template_of[static_cast<std::size_t>(i)];
    const auto person = static_cast<std::uint64_t>(subject[t]), own = kTemplates + t;
    const auto drawn = [](std::uint64_t of) { return static_cast<double>(mixed(of + 77) >> 11) * 0x1p-53; };
    const double bad = drawn(own) * drawn(own + 1), worse = drawn(picture);
    const auto of_template = static_cast<float>(1 + 6 * bad), of_picture = static_cast<float>(2 + 2 * worse);
    const auto length = static_cast<float>(1 - 0.4 * bad - 0.4 * worse) / (of_template + of_picture);
    for (std::int64_t d = 0; d < width; ++d) {
      const auto column = static_cast<std::uint64_t>(d);
      values[static_cast<std::size_t>(i * width + d)] =
          length *
          (noise(person, column) + of_template * noise(own, column) + of_picture * noise(picture, column));
    }
  }
  AtomicFile out(file);
  const std::int64_t shape[] = {count, width};
  write_npy(out, values, shape);
  out.commit();
}

void make(const fs::path& folder, double scale, std::int64_t width) {
  const Sizes sizes(scale);
  const fs::path meta = folder / "IJBC" / "meta";
  fs::create_directories(meta);
  RandomStream random(1, RandomPurpose::kTest);
  // Template t: of the galleries first, then probes. Its id says nothing about which it is.
  const auto templates = static_cast<std::size_t>(sizes.templates());
  std::vector<std::int64_t> id(templates), subject(templates);
  for (std::size_t t = 0; t < templates; ++t) {
    id[t] = static_cast<std::int64_t>(t) + 1;
    subject[t] = static_cast<std::int64_t>(t) < sizes.subjects()
                     ? static_cast<std::int64_t>(t)
                     : static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(sizes.subjects())));
  }
  for (std::size_t t = templates; t > 1; --t) std::swap(id[t - 1], id[random.below(t)]);

  // Every template has three pictures, the others fall where they fall; a media has up to eight.
  std::vector<std::size_t> template_of;
  for (std::size_t i = 0; i < static_cast<std::size_t>(sizes.pictures); ++i)
    template_of.push_back(i < 3 * templates ? i % templates : random.below(templates));
  std::string points, media, rows[3];
  for (std::string& text : rows) text = "TEMPLATE_ID,SUBJECT_ID,FILENAME\n";
  for (std::size_t i = 0; i < template_of.size(); ++i) {
    const std::size_t t = template_of[i];
    fmt::format_to(std::back_inserter(points),
                   "{}.jpg 38.3 51.7 73.5 51.5 56.0 71.7 41.5 92.4 70.7 92.2 0.9{}\n", i + 1, i % 10);
    fmt::format_to(std::back_inserter(media), "{}.jpg {} {}\n", i + 1, id[t], random.below(6));
    const bool first = static_cast<std::int64_t>(t) < sizes.gallery[0],
               gallery = static_cast<std::int64_t>(t) < sizes.subjects();
    fmt::format_to(std::back_inserter(rows[first     ? 0
                                           : gallery ? 1
                                                     : 2]),
                   "{},{},img/{}.png\n", id[t], subject[t], i + 1);
  }
  std::vector<std::array<std::int64_t, 3>> pairs;
  for (std::int64_t i = 0; i < sizes.same; ++i) {
    const auto probe = static_cast<std::size_t>(sizes.subjects() + i);
    pairs.push_back({id[static_cast<std::size_t>(subject[probe])], id[probe], 1});
  }
  while (static_cast<std::int64_t>(pairs.size()) < sizes.pairs) {
    const std::size_t gallery = random.below(static_cast<std::uint64_t>(sizes.subjects()));
    const std::size_t probe =
        static_cast<std::size_t>(sizes.subjects()) + random.below(static_cast<std::uint64_t>(sizes.probes));
    if (subject[probe] != static_cast<std::int64_t>(gallery)) pairs.push_back({id[gallery], id[probe], 0});
  }
  for (std::size_t i = pairs.size(); i > 1; --i) std::swap(pairs[i - 1], pairs[random.below(i)]);
  std::string list;
  for (const auto& [a, b, same] : pairs) fmt::format_to(std::back_inserter(list), "{} {} {}\n", a, b, same);

  const auto write = [&](const char* name, const std::string& text) {
    write_file_atomically(meta / (std::string("ijbc_") + name), text);
  };
  write("name_5pts_score.txt", points);
  write("face_tid_mid.txt", media);
  write("template_pair_label.txt", list);
  write("1N_gallery_G1.csv", rows[0]);
  write("1N_gallery_G2.csv", rows[1]);
  write("1N_probe_mixed.csv", rows[2]);
  write_features(folder / "features.npy", template_of, subject, width);
}

struct RunOptions {
  eval::IjbSimilarity similarity = eval::IjbSimilarity::kCosine;
  eval::IjbChoice choice;
  data::IjbParts parts;
  int threads = 0;
};

nlohmann::ordered_json run(const fs::path& folder, const RunOptions& options) {
  nlohmann::ordered_json result, seconds = nlohmann::ordered_json::object();
  Clock::time_point begin = Clock::now();
  const auto lap = [&](const std::string& part) {
    seconds[part] = seconds.value(part, 0.0) + seconds_since(begin);
    begin = Clock::now();
  };
  const eval::IjbSet set(data::read_ijb_lists(data::find_ijb(folder, "IJBC"), options.parts, options.threads),
                         options.parts);
  lap("read lists");
  const NpyArray features = read_npy(folder / "features.npy");
  require(features.dtype == "<f4" && features.shape.size() == 2 &&
              features.shape[0] == static_cast<std::int64_t>(set.lists().files.size()),
          "{}: not the features of these lists", (folder / "features.npy").string());
  std::vector<float> values(static_cast<std::size_t>(features.elements()));
  std::copy(features.data.begin(), features.data.end(), reinterpret_cast<std::byte*>(values.data()));
  lap("load features");
  const auto scorer = nn::make_scorer({}, options.threads);
  std::string part;
  const eval::IjbFound found = set.measure({features.shape[0], features.shape[1], values.data(), nullptr}, {},
                                           eval::ijb_method(options.similarity, options.choice), *scorer,
                                           [&](std::string_view what, std::int64_t, std::int64_t) {
                                             if (part == what) return;
                                             if (!part.empty()) lap(part);
                                             begin = part.empty() ? Clock::now() : begin;
                                             part = what;
                                           });
  lap(part);
  result["program"] = "qcface";
  result["similarity"] = eval::name_of(options.similarity);
  result["pictures"] = set.lists().files.size();
  result["templates"] = set.lists().templates.size();
  result["pairs"] = set.lists().pairs.size();
  result["seconds"] = seconds;
  double measured = 0;
  for (const auto& [name, value] : seconds.items()) {
    if (name != "read lists" && name != "load features") measured += value.get<double>();
  }
  result["measured"] = measured;
  result["peak_mib"] = peak_resident_mib();
  if (found.verification) {
    for (const eval::TarRow& row : found.verification->table.tar) {
      result["tar_nearest"].push_back(row.tar_nearest);
      result["tar_strict"].push_back(row.tar_strict);
    }
    result["auc"] = found.verification->auc;
  }
  if (found.identification) {
    result["top"] = found.identification->top;
    for (const eval::PairwiseRecall& row : found.identification->recall)
      result["recall"].push_back(row.recall);
    result["tpir"] = found.identification->tpir;
  }
  return result;
}

constexpr const char* kUsage =
    "usage: qcface_bench_ijb make FOLDER [--scale 1] [--width 512]\n"
    "       qcface_bench_ijb run FOLDER [--similarity cosine] [--published] [--no-1n] [--threads 0]\n"
    "qmf takes the constants of qcface/ir50. A row of JSON: seconds of each part, figures, peak memory.\n";

int run_command(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "--help" || command == "-h") print_and_exit("qcface_bench_ijb", kUsage);
  require((command == "make" || command == "run") && argc > 2,
          "expected make or run and a folder; --help shows the call");
  double scale = 1;
  std::int64_t width = 512;
  RunOptions options;
  options.choice.constants = eval::qmf_preset("qcface/ir50");
  for (int i = 3; i < argc; ++i) {
    const std::string flag = argv[i];
    const auto value = [&] {
      require(i + 1 < argc, "{} needs a value", flag);
      return std::string(argv[++i]);
    };
    if (flag == "--published") {
      options.choice.published = true;
    } else if (flag == "--no-1n") {
      options.parts.identification = false;
    } else if (flag == "--scale") {
      scale = std::stod(value());
    } else if (flag == "--width") {
      width = std::stoll(value());
    } else if (flag == "--threads") {
      options.threads = std::stoi(value());
    } else if (flag == "--similarity") {
      const std::string name = value();
      int similarity = 0;
      while (similarity < eval::kIjbSimilarities &&
             eval::name_of(static_cast<eval::IjbSimilarity>(similarity)) != name)
        ++similarity;
      require(similarity < eval::kIjbSimilarities, "--similarity {} is not known", name);
      options.similarity = static_cast<eval::IjbSimilarity>(similarity);
    } else {
      fail("{} is not known; --help shows the call", flag);
    }
  }
  if (command == "make") {
    make(argv[2], scale, width);
  } else {
    fmt::print("{}\n", run(argv[2], options).dump());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program("qcface_bench_ijb", [&] { return run_command(argc, argv); });
}
