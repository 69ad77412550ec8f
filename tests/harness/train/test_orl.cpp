// Real faces: trains on 20 people of the ORL set and verifies on the other 10, whom training never saw. The set
// is not part of the project (QCFACE_REAL_DATA): where it is absent, the test is skipped.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/atomic_file.h"
#include "core/random.h"
#include "harness/data/augment/degrade.h"
#include "harness/data/image.h"
#include "tests/harness/train/train_support.h"
#include "tests/support/catch.h"
#include "tests/support/test_data.h"

using namespace qcface;
namespace fs = std::filesystem;

namespace {

constexpr int kTrainPeople = 20;

std::vector<fs::path> sorted_entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(folder)) entries.push_back(entry.path());
  std::sort(entries.begin(), entries.end());
  return entries;
}

// Links the first people into train/, the others into verify/, with every same pair of those and as many different
// ones, in turn.
void split(const fs::path& orl, const fs::path& out) {
  const std::vector<fs::path> people = sorted_entries(orl);
  REQUIRE(people.size() == 30);
  fs::create_directories(out / "train");
  fs::create_directories(out / "verify");
  std::vector<std::vector<std::string>> held_out;
  for (std::size_t i = 0; i < people.size(); ++i) {
    const bool train = i < kTrainPeople;
    fs::create_directory_symlink(fs::canonical(people[i]),
                                 out / (train ? "train" : "verify") / people[i].filename());
    if (train) continue;
    held_out.emplace_back();
    for (const auto& picture : sorted_entries(people[i])) {
      held_out.back().push_back((people[i].filename() / picture.filename()).string());
    }
  }
  RandomStream random(1, RandomPurpose::kPairs);
  std::string list;
  const auto any = [&](std::size_t person) {
    return held_out[person][random.below(held_out[person].size())];
  };
  for (std::size_t k = 0; k < 10; ++k) {  // k in the outer loop: every fold sees every person
    for (std::size_t l = k + 1; l < 10; ++l) {
      for (std::size_t person = 0; person < held_out.size(); ++person) {
        list += held_out[person][k] + " " + held_out[person][l] + " 1\n";
        const std::size_t other = (person + 1 + random.below(held_out.size() - 1)) % held_out.size();
        list += any(person) + " " + any(other) + " 0\n";
      }
    }
  }
  write_file_atomically(out / "verify/pairs.list", list);

  std::string levels = "file,source,kind,level\n";
  data::ImageDecoder decoder;
  for (std::size_t person = 0; person < held_out.size(); ++person) {
    data::Image clean, degraded;
    REQUIRE(decoder.decode_file((out / "verify" / held_out[person][0]).string(), clean).ok());
    for (const auto kind : {data::Degradation::kBlur, data::Degradation::kDownUp, data::Degradation::kNoise,
                            data::Degradation::kJpeg, data::Degradation::kOcclusion}) {
      int step = 0;
      for (const double level : data::study_levels(kind)) {
        data::degrade(clean, kind, level, 1, person, degraded);
        const std::string file = fmt::format("{}_{}_{}.png", data::name_of(kind), person, step++);
        fs::create_directories(out / "degrade");
        data::write_image((out / "degrade" / file).string(), degraded);
        levels += fmt::format("{},{},{},{}\n", file, person, data::name_of(kind), level);
      }
    }
  }
  write_file_atomically(out / "degrade/levels.csv", levels);
}

nlohmann::json result(const fs::path& run, const char* file) {
  return nlohmann::json::parse(read_file(run / "eval" / file));
}

}  // namespace

TEST_CASE("training on 20 people of the ORL set helps to verify 10 others") {
  const fs::path orl = test::real_data("orl_faces");
  if (orl.empty()) QCFACE_SKIP(test::kNoOrlFaces);
  test::TemporaryFolder folder;
  split(orl, folder.path());
  const auto run_training = [&](const char* name, const std::vector<std::string>& extra) {
    std::vector<std::string> arguments{"--data_dirs",
                                       (folder / "train").string(),
                                       "--eval-data",
                                       (folder / "verify").string(),
                                       "--degrade-data",
                                       (folder / "degrade").string(),
                                       "--eval-epoch",
                                       "1000",
                                       "--embed_dims",
                                       "128",
                                       "--batch-size",
                                       "20",
                                       "--no-report",
                                       "--print-freq",
                                       "10"};
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    const auto outcome = test::train(folder / name, arguments);
    INFO(outcome.output);
    REQUIRE(outcome.ok());
    return result(folder / name, "verify.json");
  };
  // Untrained: one step at rate 0, so that the running statistics of batch norm fit the pictures.
  const auto before = run_training("untrained", {"--lr", "0", "--max-steps", "1"});
  const auto after = run_training("trained", {"--epochs", "15", "--lr", "0.1", "--lr-schedule", "cosine",
                                              "--warmup-steps", "10", "--dropout", "0", "--augment", "none"});
  const double accuracy_before = before.at("cosine").at("accuracy_mean");
  const double accuracy_after = after.at("cosine").at("accuracy_mean");
  const auto degradation = result(folder / "trained", "degradation.json");
  std::printf("ORL: accuracy %.4f untrained, %.4f trained; magnitude against degradation: %s\n",
              accuracy_before, accuracy_after,
              degradation.value("spearman_source_mean", nlohmann::json()).dump().c_str());
  REQUIRE(accuracy_after >= accuracy_before + 0.02);
  REQUIRE(accuracy_after >= 0.8);
}
