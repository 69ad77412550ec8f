// Result files of an evaluation, and the tables printed for it. All files are written atomically, those of one result
// together. Names of files stand in JSON as core/text.h writes them, so that any name can.
//   verify.json       everything of VerifyResult but the scores; fractions unless the key says percent
//   roc.csv           score,fpr,tpr,threshold of the thinned ROC (score = cosine or qmf)
//   roc.svg           the same as a plot, FAR on a log axis
//   magnitudes.csv    path,identity,magnitude of every picture used
//   degradation.json  everything of DegradationResult
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "harness/eval/degradation.h"
#include "harness/eval/verify.h"

namespace qcface::eval {

nlohmann::json to_json(const VerifyResult& result);
nlohmann::json to_json(const DegradationResult& result);

/// magnitudes.csv, roc.csv, roc.svg and verify.json, which change together. `files` are the pictures of the embeddings;
/// `conditions` (weights file, pair list, ...) is stored under "conditions".
void write_verify(const std::filesystem::path& folder, const VerifyResult& result,
                  const nlohmann::json& conditions, std::span<const std::string> files,
                  const Embeddings& embeddings);
void write_degradation(const std::filesystem::path& folder, const DegradationResult& result,
                       const nlohmann::json& conditions);
/// path,identity,magnitude of the pictures that could be read, fields quoted as RFC 4180 says; identity = name of the
/// folder the picture lies in.
std::string magnitudes_csv(std::span<const std::string> files, const Embeddings& embeddings);

/// Tables for the terminal, units labelled; end with a line feed.
std::string format_table(const VerifyResult& result);
std::string format_table(const DegradationResult& result);

}  // namespace qcface::eval
