#include "harness/train/train_options.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/console/compute_threads.h"
#include "harness/console/usage.h"
#include "harness/model/device_choice.h"
#include "nn/backbones/table.h"

namespace qcface::train {
namespace {

constexpr int kMostEpochs = 1'000'000;
constexpr std::int64_t kMostSteps = 1'000'000'000'000;
constexpr int kMostParts = 1024;

void add_published_options(OptionTable& table, TrainOptions& o) {
  Choices<std::string> backbones;
  for (const std::string& name : nn::backbone_names()) backbones.emplace_back(name, name);
  table.add_choice(
      "--arch", o.arch, backbones,
      "Backbone: IResNet of 18, 34, 50 or 100 layers; mini is a small network of the same block");
  table.add_choice("--loss_model", o.loss_model,
                   numbered_choices<qcf_head_kind>(qcf_head_count(), qcf_head_name), "Head");
  table.add_choice("--phase", o.phase, kPhaseChoices,
                   "norm adds the head's loss on magnitudes (the guidance of the qcface heads, MagFace's "
                   "regulariser) to the "
                   "identity loss; id trains the identity loss alone");
  table.add("--weight_path", o.weight_path,
            "Initial weights: a checkpoint of this program, or of QCFace, MagFace, InsightFace or AdaFace: "
            "safetensors, "
            ".pth, .ckpt. --mean, --std, --bgr and --bn-eps that are not given become the file's");
  table
      .add_number(
          "--gpu_id", o.gpu_id, 0, 1023,
          "GPU numbers, one for each process of a machine (docs/scale.md); one alone: the first of them")
      ->expected(1, 64);
  table.add("--data_dirs", o.data_dirs,
            "Data sets, separated by commas: image folders <root>/<identity>/<picture>, RecordIO files, "
            "folders with "
            "train.rec");
  table.add_number("-j,--workers", o.workers, 0, kMostWorkers, "Data loading threads");
  table.add_number("--epochs", o.epochs, 1, kMostEpochs, "Epochs to run in all");
  table.add_number("--start-epoch", o.start_epoch, 0, kMostEpochs,
                   "First epoch, from 0 (to go on from a bare weight file)");
  table.add_number("-b,--batch-size", o.batch_size, 2, 1 << 20, "Pictures a step");
  table.add_number("--lr,--learning-rate", o.lr, 0, 1e30, "Initial learning rate");
  table.add_number("--momentum", o.momentum, 0, 0.999999, "Momentum of SGD");
  table.add_number("--weight-decay,--wd", o.weight_decay, 0, 1, "Weight decay of SGD, on every parameter");
  table
      .add_number("--lr-drop-epoch", o.lr_drop_epoch, 0, kMostEpochs,
                  "Epochs (from 0) at which the learning rate is multiplied by the ratio")
      ->expected(0, 1000);
  table.add_number("--lr-drop-ratio", o.lr_drop_ratio, 0, 1, "Factor of each drop");
  table.add_number("-p,--print-freq", o.print_freq, 1, 1'000'000'000, "Steps between log lines");
  table.add("--pth-save-fold", o.pth_save_fold,
            "Run folder: configuration, log, metrics, checkpoints, plots, report");
  table.add_number("--pth-save-epoch", o.pth_save_epoch, 1, kMostEpochs, "Epochs between checkpoints");
  table.add_number("--embed_dims", o.embed_dims, 1, 65536, "Embedding width D");
  table.add_number("--lambda_g", o.lambda_g, 0, 1e6, "Weight of the magnitude guidance");
  table.add_number("--vis_mag", o.vis_mag, 0, 1,
                   "1 records a magnitude histogram with every log line, 0 does not");
}

void add_own_options(OptionTable& table, TrainOptions& o) {
  table.add("--config", o.config, "JSON file of option names and values; the command line wins over it");
  table
      .add("--resume", o.resume,
           "Go on from a checkpoint or a run folder, bit for bit; without a value: from --pth-save-fold")
      ->expected(0, 1)
      ->default_str("");
  table.add_choice(
      "--head", o.head,
      {{"auto", ClassWeights::kAuto}, {"keep", ClassWeights::kKeep}, {"new", ClassWeights::kNew}},
      "Class weights of --weight_path: keep takes them, new starts new ones; auto takes those of this set's "
      "identities where that is known, by name");
  table.add_choice(
      "--family", o.family, model::kFamilyChoices,
      "Whose batch-norm eps and picture preparation --weight_path needs; auto: told from the file");
  table.add_number("--seed", o.seed, 0, kLargestSeed, "Seed of every random choice");
  table.add_choice("--device", o.device, model::kDeviceChoices, "Where to train");
  table.add_choice(
      "--precision", o.precision,
      numbered_choices<nn::Precision>(3, [](nn::Precision p) { return name_of(p); }),
      "Type of the backbone's values and products, and of the head's products; sums and weights stay fp32. "
      "The 16-bit types need CUDA; fp16 scales the loss");
  table.add_number("--threads", o.threads, 0, kMostThreads, "Compute threads on the CPU; 0 takes all cores");
  table.add_number(
      "--accumulate", o.accumulate, 1, kMostParts,
      "Compute each batch in this many parts, to save memory: activations of one part at a time; "
      "one update a batch");
  table.add_flag(
      "--sync-bn", o.sync_bn,
      "With several processes: batch norm takes its statistics over the whole batch, so that their "
      "number does not change what is learned; without it over the pictures of one process");
  table.add_flag(
      "--no-overlap", o.no_overlap,
      "With several processes: exchange the backbone's gradient after the backward pass, not while it "
      "runs; the same bits, to compare times");
  table.add_number("--sample-rate,--sample_rate", o.sample_rate, 1e-6, 1,
                   "Share of the classes (of each process's) that take part in a step, those of the batch "
                   "always, the others "
                   "drawn anew, as in PartialFC; 1: all");
  add_augment_option(table, o.augment);
  table.add_flag("--jpeg-swap-rb", o.jpeg_swap_rb,
                 "Reproduce the published augmentation's exchange of red and blue inside its JPEG step");
  table.add_flag("--no-shuffle", o.no_shuffle, "Take the pictures in folder order");
  table.add_flag("--drop-last", o.drop_last, "Leave out the last batch of an epoch if it is not full");
  table.add_flag("--merge-by-name", o.merge_by_name,
                 "Identities of the same name in several data sets are one class");
  table
      .add_number(
          "--data-weights", o.data_weights, 0.001, data::kLargestDataWeight,
          "How often an epoch shows the pictures of each of --data_dirs, separated by commas: 1,0.5 shows "
          "half of the second set, drawn anew each epoch; without it: 1 each")
      ->expected(0, 4096)
      ->delimiter(',');
  table.add_flag("--swap-rb", o.preparation.swap_rb, "Exchange red and blue of every picture");
  table.add_choice("--non-square", o.preparation.non_square,
                   {std::begin(data::kNonSquareNames), std::end(data::kNonSquareNames)},
                   "What becomes of pictures that are not square");
  table.add_number("--mean", o.preparation.mean, -1e6, 1e6,
                   "Mean of R, G, B (with --bgr: B, G, R) taken off pixels in [0, 1]");
  table.add_number("--std", o.preparation.std, 1e-6, 1e6,
                   "Standard deviation of R, G, B (with --bgr: B, G, R) that pixels are divided by");
  table.add_flag("--bgr", o.preparation.bgr,
                 "The network takes blue first, as MagFace's and AdaFace's do (--swap-rb mends the files)");
  table.add_number("--bn-eps", o.bn_eps, 0, 0.1,
                   "Eps of every batch norm; 0: that of --weight_path, else QCFace's 2e-05");
  table.add_number("--dropout", o.dropout, 0, 0.99,
                   "Probability that a channel before the last layer is dropped");
  table.add_choice("--rule", o.rule,
                   {{"auto", std::nullopt},
                    {"easy", QCF_RULE_EASY},
                    {"threshold", QCF_RULE_THRESHOLD},
                    {"none", QCF_RULE_NONE}},
                   "Target rule where angle + margin leaves its range; auto: the head's published rule");
  table.add_number("--scale", o.scale, 0, 1e4, "Scale s of the logits; 0: the head's published scale");
  table.add_number(
      "--margin", o.margin, -1, 1.5707,
      "Margin m, in radians (cosface, mv-am: of the cosine; magface has its own); -1: the head's "
      "published margin");
  table.add_choice("--lr-schedule", o.lr_schedule, kScheduleChoices,
                   "step drops at --lr-drop-epoch; cosine falls smoothly to --lr-min");
  table.add_number("--warmup-steps", o.warmup_steps, 0, kMostSteps,
                   "Steps over which the learning rate rises linearly from 0");
  table.add_number("--lr-min", o.lr_min, 0, 1e30, "Last learning rate of the cosine schedule");
  table.add_number("--max-steps", o.max_steps, 0, kMostSteps,
                   "Stop after this many steps in all; 0: no limit");
  table
      .add("--eval-data", o.eval_data,
           "Measured after epochs: folders with pairs.list and pictures, verification packs (lfw.bin), or "
           "another "
           "protocol with its data and options (\"ijb:IJBC --similarity_method cosine\")")
      ->expected(0, 64);
  table.add_number("--eval-epoch", o.eval_epoch, 1, kMostEpochs, "Epochs between verifications");
  table.add(
      "--best-by", o.best_by,
      "Figure of --eval-data that the best checkpoint is told by: FIGURE (mean of the sets that have it) or "
      "SET/FIGURE; with :min behind it the smallest");
  table.add("--degrade-data", o.degrade_data,
            "Folder with levels.csv of known degradations; magnitude against level is measured at the end");
  table.add_number("--save-steps", o.save_steps, 0, kMostSteps,
                   "Also save a checkpoint every so many steps; 0: at epochs only");
  table.add_number("--keep-last", o.keep_last, 1, 1'000'000, "Checkpoints kept besides the best one");
  add_timeout(table, o.timeout);
  table.add_flag("--no-report", o.no_report, "Do not write report.html at the end");
}

constexpr std::array<std::string_view, 22> kChangeable{
    "workers",    "epochs",       "print-freq", "pth-save-fold", "pth-save-epoch", "vis_mag",
    "config",     "resume",       "device",     "threads",       "max-steps",      "eval-data",
    "eval-epoch", "degrade-data", "best-by",    "save-steps",    "keep-last",      "no-report",
    "gpu_id",     "data_dirs",    "timeout",    "no-overlap"};

}  // namespace

void add_augment_option(OptionTable& table, data::Augmentation& target) {
  table.add_written<data::Augmentation>(
      "--augment", target,
      [](const std::string& text, const std::string& name) {
        return data::augmentation_from_text(text, name);
      },
      [](const data::Augmentation& augmentation) { return data::text_of(augmentation); },
      fmt::format(
          "Training augmentation: published, none, aligned (for aligned faces), or steps separated by "
          "commas, name[:probability][[low..high]], as in hflip,blur:0.2[0.5..4],jpeg[50]; without a "
          "probability {}, without a range that of this list. {}",
          data::kStepProbability, data::describe_steps()));
}

void add_train_options(OptionTable& table, TrainOptions& options) {
  add_published_options(table, options);
  add_own_options(table, options);
}

bool may_change_on_resume(const std::string& key) {
  return std::find(kChangeable.begin(), kChangeable.end(), key) != kChangeable.end();
}

void check_train_options(const OptionTable& table, const TrainOptions& o) {
  const auto contradict = [&](bool wrong, const char* text) { require_usage(!wrong, "{}", text); };
  contradict(
      o.lr_schedule == nn::ScheduleKind::kCosine && table.given("lr-drop-epoch"),
      "--lr-drop-epoch and --lr-schedule cosine contradict each other: drops belong to the step schedule");
  contradict(
      o.lr_schedule == nn::ScheduleKind::kStep && table.given("lr-min"),
      "--lr-min and --lr-schedule step contradict each other: --lr-min belongs to the cosine schedule");
  contradict(o.device == nn::DeviceKind::kCpu && table.given("gpu_id") && table.given("device"),
             "--gpu_id and --device cpu contradict each other: leave one of them out");
  contradict(table.given("family") && o.weight_path.empty(),
             "--family without --weight_path: it says which program wrote that file");
  contradict(table.given("head") && o.weight_path.empty(),
             "--head without --weight_path: it says what becomes of that file's class weights");
  require_usage(
      !o.jpeg_swap_rb || o.augment.mode == data::AugmentMode::kPublished,
      "--jpeg-swap-rb and --augment {} contradict each other: the exchange is part of the published "
      "augmentation",
      data::text_of(o.augment));
  const auto within = [](const char* flag, double value, double low, double high) {
    require_usage(value >= low && value <= high, "{} is {}, expected a value from {} to {}", flag, value, low,
                  high);
  };
  require_usage(!o.data_dirs.empty(), "--data_dirs is missing: give the data set(s) to train on");
  const std::size_t sets = data::split_places(o.data_dirs).size();
  require_usage(o.data_weights.empty() || o.data_weights.size() == sets,
                "--data-weights has {} values, --data_dirs {} data sets: give one a set",
                o.data_weights.size(), sets);
  require_usage(!o.pth_save_fold.empty(), "--pth-save-fold is empty: name the run folder");
  // Beside their range these have one value of another meaning.
  if (o.scale != 0) within("--scale", o.scale, 1e-3, 1e4);
  if (o.bn_eps != 0) within("--bn-eps", o.bn_eps, 1e-12, 0.1);
  if (o.margin != -1) within("--margin", o.margin, 0, 1.5707);
  within("--lr-min", o.lr_min, 0, o.lr);
  require_usage(o.batch_size >= 2 * o.accumulate,
                "--accumulate {}: each part of a batch needs 2 pictures, but --batch-size is {}: give fewer "
                "parts or a batch of {}",
                o.accumulate, o.batch_size, 2 * o.accumulate);
  require_usage(!o.gpu_id.empty(), "--gpu_id is empty: name a GPU by its number, from 0");
  require_usage(o.start_epoch < o.epochs, "--start-epoch {} leaves no epoch of --epochs {}", o.start_epoch,
                o.epochs);
}

}  // namespace qcface::train
