// The checkpoints folder of a run. Each checkpoint is a file, or a folder of that name that several ranks wrote.
//   <run>/checkpoints/step-<global step, 9 digits>.safetensors   the last --keep-last of them
//   <run>/checkpoints/best.safetensors                           best so far by the run's criterion
//   <run>/branch-N/                                              what a run left behind when it went back to an
//                                                                earlier checkpoint: a run folder of its own
#pragma once

#include <cstdint>
#include <filesystem>

namespace qcface::train {

std::filesystem::path checkpoint_path(const std::filesystem::path& run, std::int64_t global_step);
std::filesystem::path best_path(const std::filesystem::path& run);
/// Whether the path is a checkpoint by its kind: a file, or a folder with an index of tensor files.
bool is_checkpoint(const std::filesystem::path& path);
/// Makes the folder of a checkpoint, and those above it. Throws Error naming it.
void make_folder(const std::filesystem::path& folder);
/// `made` (a file or a folder) takes the name `path`, in one step, and what had it is removed.
void put_in_place(const std::filesystem::path& made, const std::filesystem::path& path);
/// The run folder a checkpoint belongs to: <run>/checkpoints/<file>, or the file's own folder.
std::filesystem::path run_of_checkpoint(const std::filesystem::path& checkpoint);
/// True if `checkpoint` lies in <run>/checkpoints.
bool is_of_run(const std::filesystem::path& checkpoint, const std::filesystem::path& run);
/// True if <run>/checkpoints holds any checkpoint, readable or not.
bool has_checkpoints(const std::filesystem::path& run);

/// Newest readable checkpoint of a run folder; damaged ones are named in the log and passed over. Throws Error if
/// there is none.
std::filesystem::path latest_checkpoint(const std::filesystem::path& run);

/// Of the step checkpoints up to `written`, which was just saved, keeps the newest `keep`; removes older ones and
/// temporary files left by a kill. Later ones are not this run's to remove.
void prune_checkpoints(const std::filesystem::path& written, int keep);

/// Makes best.safetensors the same file as `checkpoint`, in one step.
void mark_best(const std::filesystem::path& run, const std::filesystem::path& checkpoint);

/// Makes `checkpoint`, of this run and of step `step`, the newest of its folder: later ones, and a best.safetensors that
/// is later, move to <run>/branch-N with copies of metrics.jsonl, config.json and classes.txt, and the log says so.
/// Returns the step checkpoint to go on from; where it was pruned, best.safetensors becomes it again.
std::filesystem::path go_back_to(const std::filesystem::path& run, const std::filesystem::path& checkpoint,
                                 std::int64_t step);

}  // namespace qcface::train
