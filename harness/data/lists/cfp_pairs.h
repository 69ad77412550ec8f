// The official protocol of Celebrities in Frontal-Profile (CFP), as it is published.
#pragma once

#include <filesystem>

#include "harness/data/lists/pairs.h"

namespace qcface::data {

/// `folder` is Split/FF or Split/FP, with a folder 01 ... 10 a fold, in each same.txt and diff.txt: lines `a,b`, the numbers of
/// two pictures. Pair_list_F.txt and Pair_list_P.txt, two folders up, name them: `number path`, the path ending in
/// PERSON/frontal/NN.jpg or PERSON/profile/NN.jpg. In FF both numbers are of list F; in FP the second is of list P. A picture
/// is looked for at PERSON/frontal/NN and PERSON/frontal_NN below root, also in its folders Images and Data/Images. Pairs
/// stand fold by fold, in each those of one person first. Throws Error naming file and line.
PairList read_cfp_pairs(const std::filesystem::path& folder, const std::filesystem::path& root,
                        const PairOptions& options = {});

}  // namespace qcface::data
