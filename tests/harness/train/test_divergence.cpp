// What the trainer says where training diverges: the advice, case by case, and through the command line.
#include "harness/train/divergence.h"

#include <string>

#include "harness/train/checkpoint.h"
#include "tests/harness/train/train_support.h"
#include "tests/support/catch.h"

using namespace qcface;
using namespace qcface::train;
namespace fs = std::filesystem;

namespace {

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TrainOptions published() {
  TrainOptions options;
  options.phase = QCF_PHASE_NORM;
  return options;
}

Trend after_ten_steps(double smallest, double mean) {
  Trend trend;
  trend.steps = 10;
  trend.first_mean_length = 11;
  trend.mean_length = mean;
  trend.smallest_length = smallest;
  return trend;
}

}  // namespace

TEST_CASE("trend: keeps the first batch and the last") {
  Trend trend;
  for (const std::vector<float>& lengths : {std::vector<float>{2, 4}, {8, 1, 3}}) {
    FinishedStep step;
    step.order.lr = lengths[0];
    step.head.lengths = lengths;
    trend.add(step);
  }
  REQUIRE(trend.steps == 2);
  REQUIRE(trend.first_mean_length == 3);
  REQUIRE(trend.mean_length == 4);
  REQUIRE(trend.smallest_length == 1);
  REQUIRE(trend.lr == 8);
}

TEST_CASE("advice: a rate far above the published one is the cause, and nothing else is blamed") {
  TrainOptions options = published();
  options.lr = 1e6;
  options.precision = nn::Precision::kBf16;
  const std::string text = divergence_advice(options, after_ten_steps(5, 11), {11, 400, 1e6});
  INFO(text);
  REQUIRE(says(text, "Likely cause: the learning rate, 1e+06 at this step"));
  REQUIRE(says(text, "--lr 0.1 (now 1e+06), --warmup-steps 400 (now 0)"));
  for (const char* flag : {"--lambda_g", "--precision", "--phase id"}) REQUIRE_FALSE(says(text, flag));
}

TEST_CASE("advice: short embeddings under the guidance, with the slope they meet") {
  const TrainOptions options = published();
  const std::string text = divergence_advice(options, after_ten_steps(0.41, 5), {11, 50, 0.1});
  INFO(text);
  REQUIRE(says(text, "the smallest magnitude of the step before was 0.41"));
  REQUIRE(says(text, "a slope of up to 2.0e+04 times lambda 20"));  // 3422 / 0.411^2
  REQUIRE(says(
      text,
      "--lr 0.01 (now 0.1), --warmup-steps 100 (now 0), --lambda_g 1 (now 20); or begin with --phase id"));
}

TEST_CASE("advice names only what the run can change") {
  TrainOptions options = published();
  options.lambda_g = 1;
  options.warmup_steps = 500;
  const auto at = [&](std::int64_t step) {
    return divergence_advice(options, after_ten_steps(9, 11), {step, 400, 0.1});
  };
  REQUIRE(says(at(600), "--warmup-steps 1000 (now 500)"));
  REQUIRE_FALSE(says(at(5000), "--warmup-steps"));  // long past it
  REQUIRE_FALSE(says(at(600), "--lambda_g"));       // the published one, and no short embeddings
  options.phase = QCF_PHASE_ID;
  REQUIRE_FALSE(says(at(600), "--phase id"));
  options.phase = QCF_PHASE_NORM;
  options.loss_model = QCF_HEAD_MAGFACE;  // its loss needs its lambda
  options.lambda_g = 35;
  REQUIRE_FALSE(says(at(600), "--lambda_g"));
  options.loss_model = QCF_HEAD_ARCFACE;  // has no loss on magnitudes
  REQUIRE_FALSE(says(at(600), "--lambda_g"));
  for (const char* flag : {"--precision", "--batch-size", "--accumulate", "--weight-decay"})
    REQUIRE_FALSE(says(at(600), flag));
  options.precision = nn::Precision::kFp16;
  options.batch_size = 32;
  options.accumulate = 4;
  options.weight_decay = 0.1;
  REQUIRE(says(at(600), "the precision, fp16"));
  REQUIRE(
      says(at(600), "--weight-decay 0.0005 (now 0.1), --precision fp32 (now fp16), --accumulate 1 (now 4)"));
  options.accumulate = 1;
  options.batch_size = 8;
  REQUIRE(says(at(600), "--batch-size 64 (now 8)"));
  options.max_steps = 40;
  options.warmup_steps = 0;
  REQUIRE(says(at(5), "--warmup-steps 20 (now 0)"));  // never longer than half the run
}

TEST_CASE("lengths explode where the guidance should hold them, and nowhere else") {
  TrainOptions options = published();
  REQUIRE(lengths_explode(options, after_ten_steps(900, 1100)));
  REQUIRE_FALSE(lengths_explode(options, after_ten_steps(90, 130)));
  Trend from_weights = after_ten_steps(900, 1100);
  from_weights.first_mean_length = 1000;
  REQUIRE_FALSE(lengths_explode(options, from_weights));
  options.phase = QCF_PHASE_ID;  // lengths are free
  REQUIRE_FALSE(lengths_explode(options, after_ten_steps(900, 1100)));
}

TEST_CASE("a run that diverges says what to change and keeps its last good checkpoint") {
  for (const char* rate : {"1e5", "1e20"}) {  // lengths go first; embeddings at once
    test::TemporaryFolder folder;
    const fs::path run = folder / "run";
    const auto stopped =
        test::train(run, {"--lr", rate, "--save-steps", "1", "--epochs", "20", "--no-report"});
    INFO(stopped.output);
    REQUIRE(stopped.status == 1);
    REQUIRE(stopped.says("NaN or infinity"));
    REQUIRE(stopped.says("Last checkpoint with finite weights: " + (run / "checkpoints/step-00").string()));
    REQUIRE(stopped.says("--lr 0.1 (now 1"));
    REQUIRE(stopped.says("--warmup-steps 40 (now 0)"));
    REQUIRE(stopped.says("training diverges: the mean magnitude is") == (std::string(rate) == "1e5"));
    const fs::path good = test::newest_checkpoint(run);
    REQUIRE(stopped.says(good.string()));
    REQUIRE(read_checkpoint_facts(good).state.global_step >= 1);
  }
}
