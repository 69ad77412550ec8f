// What ranks decide together. Rank 0 leads: it alone writes what a run has once, and says what the others cannot know.
// Collectives of host memory, to be called by every rank.
#pragma once

#include <string>
#include <vector>

#include "core/comm/communicator.h"

namespace qcface {

inline bool leads(const Communicator& communicator) { return communicator.rank() == 0; }

/// Whether any rank says so; the same answer everywhere.
bool any_rank(Communicator& communicator, bool mine);

/// Every rank's text, of any bytes, in the order of the ranks.
std::vector<std::string> texts_of_ranks(Communicator& communicator, const std::string& mine);

/// The leader's text, of any bytes; what the others give is not looked at.
std::string leaders_text(Communicator& communicator, const std::string& mine);

}  // namespace qcface
