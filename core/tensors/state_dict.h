// Where in a checkpoint the tensors lie: data-formats.md section 5. Publishers put the dict of tensors into the file itself or
// under a key, beside the epoch and whatever else they want to keep.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/pickle/value.h"

namespace qcface {

struct StateDict {
  std::string place;  // the key, or keys with dots between them; empty: the file itself
  std::vector<std::pair<std::string, pickle::Value>> entries;  // of the dict, in its order, every name once
  std::map<std::string, std::string> facts;                    // numbers and short texts beside it
};

/// Throws Error naming the file and what it holds instead.
StateDict find_state_dict(const std::string& file, const pickle::Value& root);

}  // namespace qcface
