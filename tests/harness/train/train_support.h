// What the training tests share: a small picture set, drawn once, and the executable.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "core/comm/communicator.h"
#include "core/tensors/safetensors.h"
#include "tests/support/process.h"
#include "tests/support/temporary_folder.h"

namespace qcface::test {

/// 5 identities x 6 pictures to train on, a few to verify; drawn at the first call, removed at exit.
const std::filesystem::path& small_faces();

/// `qcface train` on small_faces() with the mini backbone, one epoch and fast settings; `extra` is appended and
/// wins where it repeats a flag of `overridable`.
ProcessResult train(const std::filesystem::path& run, const std::vector<std::string>& extra,
                    const ProcessOptions& options = {});
ProcessResult qcface(const std::vector<std::string>& arguments, const ProcessOptions& options = {});

/// Runs work(communicator) on ranks that are threads; one rank is a process alone.
void on_ranks(int ranks, const std::function<void(Communicator&)>& work);
/// What the command line `qcface train ARGUMENTS` does on every rank.
void train_on_ranks(int ranks, const std::vector<std::string>& arguments);

/// Removes `victim` as soon as the run's log.txt holds `text` (at the latest after a minute). Join it after the run.
std::thread remove_when_logged(const std::filesystem::path& run, const std::string& text,
                               const std::filesystem::path& victim);

/// Name -> bytes of every tensor of a safetensors file.
std::map<std::string, std::string> tensor_bytes(const std::filesystem::path& file);
/// Newest step checkpoint of a run.
std::filesystem::path newest_checkpoint(const std::filesystem::path& run);
/// The "step" records of metrics.jsonl, in order.
std::vector<nlohmann::json> step_records(const std::filesystem::path& run);
/// Loss of every "step" record of metrics.jsonl, as text, in order.
std::vector<std::string> losses(const std::filesystem::path& run);

}  // namespace qcface::test
