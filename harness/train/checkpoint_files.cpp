#include "harness/train/checkpoint_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "harness/train/checkpoint.h"

namespace qcface::train {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStepPrefix = "step-";
constexpr std::string_view kSuffix = ".safetensors";

struct StepFile {
  std::int64_t step = 0;
  fs::path path;
};

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    found.push_back(it->path());
  return found;
}

// Step checkpoints of a folder by their number, oldest first. Names alone would put step 10^9 before step 999,999,999.
std::vector<StepFile> step_files(const fs::path& folder) {
  std::vector<StepFile> files;
  for (const fs::path& path : entries(folder)) {
    const std::string name = path.filename().string();
    if (!name.starts_with(kStepPrefix) || !name.ends_with(kSuffix)) continue;
    const char* begin = name.data() + kStepPrefix.size();
    const char* end = name.data() + name.size() - kSuffix.size();
    StepFile file{0, path};
    const auto [parsed, error] = std::from_chars(begin, end, file.step);
    if (begin < end && error == std::errc() && parsed == end) files.push_back(std::move(file));
  }
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.step < b.step; });
  return files;
}

// Step of a checkpoint; empty if it is missing or damaged.
std::optional<std::int64_t> step_of(const fs::path& checkpoint) {
  try {
    return read_checkpoint_facts(checkpoint).state.global_step;
  } catch (const Error&) {
    return std::nullopt;
  }
}

void move_file(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  require(!error, "{}: cannot be moved to {}: {}", from.string(), to.string(), error.message());
}

// A second name for the same bytes costs no space; where links are not to be had, a copy does it.
void link_or_copy(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_hard_link(from, to, error);
  if (!error) return;
  error.clear();
  fs::copy_file(from, to, error);
  require(!error, "{}: cannot be copied to {}: {}", from.string(), to.string(), error.message());
}

// `to` becomes the same checkpoint as `from`, in one step.
void place(const fs::path& from, const fs::path& to) {
  const fs::path temporary = to.string() + ".tmp";
  std::error_code error;
  fs::remove_all(temporary, error);
  if (fs::is_directory(from, error)) {
    make_folder(temporary);
    for (const fs::path& file : entries(from)) link_or_copy(file, temporary / file.filename());
  } else {
    link_or_copy(from, temporary);
  }
  put_in_place(temporary, to);
}

fs::path free_branch(const fs::path& run) {
  std::error_code error;
  for (int number = 1;; ++number) {
    fs::path branch = run / fmt::format("branch-{}", number);
    if (!fs::exists(fs::symlink_status(branch, error))) return branch;
  }
}

}  // namespace

bool is_checkpoint(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) || fs::exists(path / "model.safetensors.index.json", error);
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  require(!error, "{}: cannot be made: {}", folder.string(), error.message());
}

void put_in_place(const fs::path& made, const fs::path& path) {
  std::error_code error;
  // A rename replaces a file by a file; anything else is exchanged first, so that at no time there is none.
  const bool plain = !fs::is_directory(made, error) && !fs::is_directory(path, error);
  if (plain || !fs::exists(path, error)) {
    move_file(made, path);
  } else if (::renameat2(AT_FDCWD, made.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) == 0) {
    fs::remove_all(made, error);
  } else {  // a file system without exchange
    const fs::path before = path.string() + ".old.tmp";
    fs::remove_all(before, error);
    move_file(path, before);
    move_file(made, path);
    fs::remove_all(before, error);
  }
  const int parent = ::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (parent < 0) return;
  (void)::fsync(parent);  // as durable as the file system offers
  ::close(parent);
}

fs::path checkpoint_path(const fs::path& run, std::int64_t global_step) {
  return run / "checkpoints" / fmt::format("{}{:09}{}", kStepPrefix, global_step, kSuffix);
}

fs::path best_path(const fs::path& run) { return run / "checkpoints" / fmt::format("best{}", kSuffix); }

fs::path run_of_checkpoint(const fs::path& checkpoint) {
  std::error_code error;
  const fs::path folder = fs::absolute(checkpoint, error).parent_path();
  return folder.filename() == "checkpoints" ? folder.parent_path() : folder;
}

bool is_of_run(const fs::path& checkpoint, const fs::path& run) {
  std::error_code error;
  return fs::equivalent(checkpoint.has_parent_path() ? checkpoint.parent_path() : fs::path("."),
                        run / "checkpoints", error);
}

bool has_checkpoints(const fs::path& run) {
  const std::vector<fs::path> files = entries(run / "checkpoints");
  return std::any_of(files.begin(), files.end(), [](const fs::path& p) { return p.extension() == kSuffix; });
}

fs::path latest_checkpoint(const fs::path& run) {
  const std::vector<StepFile> files = step_files(run / "checkpoints");
  for (auto file = files.rbegin(); file != files.rend(); ++file) {
    try {
      read_checkpoint_facts(file->path);
      return file->path;
    } catch (const Error& error) {
      log::warn("{}; trying the one before it", error.what());
    }
  }
  fail("{}: no checkpoint to resume from; expected {}/checkpoints/step-*.safetensors", run.string(),
       run.string());
}

void prune_checkpoints(const fs::path& written, int keep) {
  const fs::path folder = written.parent_path();
  std::vector<StepFile> files = step_files(folder);
  const auto own = std::find_if(files.begin(), files.end(), [&](const auto& f) { return f.path == written; });
  const auto surplus = (own == files.end() ? 0 : own - files.begin() + 1) - keep;
  std::error_code ignored;  // a file that cannot be removed costs space, not the run
  for (std::ptrdiff_t i = 0; i < surplus; ++i)
    fs::remove_all(files[static_cast<std::size_t>(i)].path, ignored);
  for (const fs::path& path : entries(folder)) {
    if (path.extension() == ".tmp") fs::remove_all(path, ignored);
  }
}

void mark_best(const fs::path& run, const fs::path& checkpoint) { place(checkpoint, best_path(run)); }

fs::path go_back_to(const fs::path& run, const fs::path& checkpoint, std::int64_t step) {
  std::vector<fs::path> later;
  for (const StepFile& file : step_files(run / "checkpoints")) {
    if (file.step > step) later.push_back(file.path);
  }
  const fs::path best = best_path(run);
  if (step_of(best).value_or(0) > step) later.push_back(best);
  if (!later.empty()) {
    const fs::path branch = free_branch(run);
    make_folder(branch / "checkpoints");
    std::error_code ignored;  // copies for the sake of whoever goes on there; not every run has each of them
    for (const char* name : {"metrics.jsonl", "config.json", "classes.txt"})
      fs::copy_file(run / name, branch / name, ignored);
    std::string names;
    for (const fs::path& file : later) {
      move_file(file, branch / "checkpoints" / file.filename());
      names += (names.empty() ? "" : ", ") + file.filename().string();
    }
    log::warn("going on from step {}: what is later ({}) moved to {}, a run folder of its own", step, names,
              branch.string());
  }
  fs::path own = checkpoint_path(run, step);
  if (step_of(own) != step) place(checkpoint, own);
  return own;
}

}  // namespace qcface::train
