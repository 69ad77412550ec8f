#include "harness/train/training_set.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "harness/console/interrupt.h"
#include "harness/data/loader.h"
#include "harness/data/sets/image_folder.h"
#include "harness/train/checkpoint_files.h"
#include "harness/train/class_list.h"

namespace qcface::train {
namespace {

namespace fs = std::filesystem;

// "" where no name is in two roots, or they are one class already.
std::string merge_hint(const data::PictureSource& set, const TrainOptions& o) {
  if (o.merge_by_name || data::split_places(o.data_dirs).size() < 2) return "";
  std::vector<LabelRange> named;  // the classes of one set stand behind those of the one before
  std::int64_t begin = 0;
  for (const data::PicturePart& part : set.parts()) {
    if (part.named_classes) named.push_back({begin, begin + part.classes});
    begin += part.classes;
  }
  const SharedNames shared = shared_names(set.class_names(), named);
  if (shared.count == 0) return "";
  return fmt::format(
      "{} identity names are in more than one root of --data_dirs, for example {}: a class for each root; "
      "where a name is one person, a new run with --merge-by-name makes them one class",
      shared.count, printable(shared.example, 200));
}

std::string data_dirs_of(const CheckpointFacts& saved) {
  const auto found = saved.config.find("data_dirs");
  return found != saved.config.end() && found->is_string() ? from_json_text(found->get<std::string>()) : "";
}

// The same roots in another order. Where the roots hold the same names, the class list does not show it.
bool roots_exchanged(const std::string& before, const std::string& now) {
  if (before.empty() || before == now) return false;
  std::vector<fs::path> old_roots = data::split_places(before), new_roots = data::split_places(now);
  if (old_roots == new_roots) return false;
  std::sort(old_roots.begin(), old_roots.end());
  std::sort(new_roots.begin(), new_roots.end());
  return old_roots == new_roots;
}

std::string what_changed(const CheckpointFacts& saved, const data::PictureSource& set) {
  const std::string counts =
      fmt::format("{} identities before, {} now", saved.state.classes, set.num_classes());
  const fs::path run = run_of_checkpoint(saved.path);
  const auto before = read_class_list(run, saved.state.class_list);
  if (before) return describe_class_change(*before, set.class_names()) + "; " + counts;
  return fmt::format("{} ({} with the names of before is missing or of another run)", counts,
                     (run / "classes.txt").string());
}

}  // namespace

bool has_numbered_classes(const data::PictureSource& set) {
  const auto parts = set.parts();
  return std::any_of(parts.begin(), parts.end(), [](const auto& part) { return !part.named_classes; });
}

std::unique_ptr<data::PictureSource> scan_training_set(const TrainOptions& o) {
  auto opened = data::open_pictures(o.data_dirs, o.merge_by_name);
  const data::PictureSource& set = *opened;
  for (const std::string& warning : set.warnings()) log::warn("{}", warning);
  if (const std::string hint = merge_hint(set, o); !hint.empty()) log::warn("{}", hint);
  stop_if_interrupted();
  if (const auto colour = data::check_colour_order(set, o.preparation.swap_rb); !colour.warning.empty())
    log::warn("{}", colour.warning);
  set.give_back_pages();
  stop_if_interrupted();
  return opened;
}

void announce_sets(const data::PictureSource& set, const TrainOptions& o) {
  const std::vector<data::PicturePart> parts = set.parts();
  if (parts.size() == 1 && parts.front().named_classes && o.data_weights.empty()) return;
  const data::EpochPlan plan(parts, o.data_weights);
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const data::PicturePart& part = parts[p];
    const std::string weight = o.data_weights.empty() ? ""
                                                      : fmt::format(", weight {}: {} shown an epoch",
                                                                    o.data_weights[p], plan.shown(p));
    log::info("data set {}:  {}: {} pictures of {} identities{}", p + 1, part.what, part.size, part.classes,
              weight);
  }
  if (parts.size() > 1) {
    log::info("labels:      {}", o.merge_by_name ? "identities of one name in several sets are one class"
                                                 : "those of each set follow those of the one before");
  }
}

void require_same_identities(const CheckpointFacts& saved, const RunState& now,
                             const data::PictureSource& set, const TrainOptions& o) {
  const RunState& before = saved.state;
  const std::string file = saved.path.string();
  const std::string roots_before = data_dirs_of(saved);
  const bool recorded = !before.class_list.empty();
  const bool exchanged = !o.merge_by_name && roots_exchanged(roots_before, o.data_dirs);
  if (before.classes != now.classes || (recorded && before.class_list != now.class_list)) {
    std::string hint = merge_hint(set, o);
    if (!hint.empty()) hint = ". " + hint;
    fail(
        "{}: its labels stand for other identities than those of --data_dirs {}: {}. {}A resumed run needs "
        "the "
        "same identities in the same order; to train on these, start a new run with --weight_path {} (class "
        "weights then start new){}",
        file, o.data_dirs, what_changed(saved, set),
        exchanged ? fmt::format("The run began with --data_dirs {}. ", roots_before) : "", file, hint);
  }
  require(
      !exchanged,
      "{}: the roots of --data_dirs {} stood in another order when the run began ({}), and labels run over "
      "them in their order; give them in that order",
      file, o.data_dirs, roots_before);
  if (!recorded) {
    log::warn(
        "{}: was saved by a version that did not record which identities its labels stand for; those of "
        "--data_dirs are taken to be the same {}, and are recorded from now on",
        file, now.classes);
  }
  if (before.pictures != now.pictures || (recorded && before.picture_list != now.picture_list)) {
    log::warn(
        "{}: the pictures of --data_dirs are not those the run began with ({} before, {} now; names, places "
        "or sizes differ): {} and the run goes on, but not bit for bit as it would have",
        file, before.pictures, now.pictures,
        has_numbered_classes(set)
            ? fmt::format("classes that are numbers cannot be compared and are taken to be the same people "
                          "(--data_dirs was {}; if they are others, start a new run with --weight_path {} "
                          "--head new)",
                          roots_before, file)
            : "the identities are the same");
  }
}

}  // namespace qcface::train
