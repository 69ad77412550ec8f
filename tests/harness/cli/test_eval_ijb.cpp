// `data toy` and `eval ijb` as a user calls them, with embeddings from elsewhere; damaged metadata.
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/npy.h"
#include "core/random.h"
#include "tests/harness/cli/qcface_program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;
namespace fs = std::filesystem;

namespace {

constexpr int kPeople = 4, kPictures = 9 * kPeople, kWidth = 8;  // as toy_ijb.cpp makes them

// Embeddings [n, 2, width] of pictures 1.jpg, 2.jpg, ..., whose people take turns; plain and mirrored alike but for noise.
void write_features(const fs::path& folder) {
  std::vector<float> values;
  std::string names;
  for (int picture = 0; picture < kPictures; ++picture) {
    names += "IJBC/loose_crop/" + std::to_string(picture + 1) + ".jpg\n";
    for (int side = 0; side < 2; ++side) {
      RandomStream noise(5, RandomPurpose::kTest, static_cast<std::uint32_t>(side),
                         static_cast<std::uint64_t>(picture));
      for (int d = 0; d < kWidth; ++d)
        values.push_back(static_cast<float>((d == picture % kPeople ? 12.0 : 0.0) + noise.normal()));
    }
  }
  AtomicFile file(folder / "features.npy");
  const std::int64_t shape[] = {kPictures, 2, kWidth};
  write_npy(file, values, shape);
  file.commit();
  write_file_atomically(folder / "names.txt", names);
}

}  // namespace

TEST_CASE("eval ijb on a toy set, with embeddings from elsewhere and without its pictures", "[cli]") {
  const test::TemporaryFolder folder;
  const std::string toy = folder / "toy", out = folder / "out";
  const test::ProcessResult made = test::run_qcface(
      {"data", "toy", "--benchmark", "ijb", "--out", toy, "--people", std::to_string(kPeople)});
  INFO(made.output);
  REQUIRE(made.ok());
  REQUIRE(fs::exists(fs::path(toy) / "IJBB/meta/ijbb_1N_gallery_S2.csv"));
  fs::remove_all(fs::path(toy) / "IJBC/loose_crop");
  write_features(folder.path());
  const auto evaluate = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"eval",        "ijb",
                                       "--data_root", toy,
                                       "--features",  folder / "features.npy",
                                       "--names",     folder / "names.txt",
                                       "--out",       out};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return test::run_qcface(arguments);
  };

  const test::ProcessResult result = evaluate({"--dataset_name", "IJBC", "--similarity_method", "cosine",
                                               "qmf", "--loss_model", "qcface", "--backbone", "ir50"});
  INFO(result.output);
  REQUIRE(result.ok());
  for (const char* part :
       {"36 pictures, 12 templates, 32 pairs (8 same, 24 different)", "flip fusion average",
        "not the published IJBC", "TAR at FAR 0.1, nearest", "preset qcface/ir50"}) {
    CAPTURE(part);
    REQUIRE(result.says(part));
  }
  const auto json = nlohmann::json::parse(read_file(fs::path(out) / "ijb.json"));
  for (const auto& method : json.at("methods")) {
    REQUIRE(method.at("verification").at("auc") == 1);  // people are far apart
    REQUIRE(method.at("identification").at("top")[0].at("rate") == 1);
    REQUIRE(method.at("identification").at("open_set").at("tpir")[1].at("tpir") == 1);
  }
  REQUIRE(fs::exists(fs::path(out) / "roc.svg"));

  const auto refused = [&](int status, const std::vector<std::string>& arguments,
                           const std::string& sentence) {
    const test::ProcessResult stopped = evaluate(arguments);
    INFO(stopped.output);
    CHECK(stopped.status == status);
    CHECK(stopped.says(sentence));
  };
  refused(1, {}, "both IJBB and IJBC are there: choose one with --dataset_name");
  refused(2, {"--dataset_name", "IJBC", "--similarity_method", "qmf"},
          "--similarity_method qmf needs constants");
  // A mate that stands in both galleries.
  std::ofstream(fs::path(toy) / "IJBC/meta/ijbc_1N_gallery_G2.csv", std::ios::app) << "1008,2,img/3,3\n";
  refused(1, {"--dataset_name", "IJBC"}, "ijbc_1N_probe_mixed.csv line ");
  std::ofstream(fs::path(toy) / "IJBC/meta/ijbc_template_pair_label.txt", std::ios::app) << "1001 77 0\n";
  refused(1, {"--dataset_name", "IJBC"}, "ijbc_template_pair_label.txt: line 33: template 77 is unknown");
  refused(1, {"--dataset_name", "IJBB"}, "ijbb_name_5pts_score.txt: line 1: 1.jpg is not in");
}
