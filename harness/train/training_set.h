// The pictures of --data_dirs, and whether they are what the labels of a checkpoint stand for.
#pragma once

#include <memory>

#include "harness/data/sets/picture_source.h"
#include "harness/train/checkpoint.h"
#include "harness/train/train_options.h"

namespace qcface::train {

/// Opens --data_dirs and logs what the user should know of them.
std::unique_ptr<data::PictureSource> scan_training_set(const TrainOptions& options);

/// Whether classes of it have no names but their numbers, as RecordIO's: equal names then need not be one person.
bool has_numbered_classes(const data::PictureSource& set);

/// Logs what the set is made of, where that is more than one image folder: kinds, sizes, classes and weights.
void announce_sets(const data::PictureSource& set, const TrainOptions& options);

/// Throws Error, saying what changed, when the labels of `set` mean other identities than those of the checkpoint;
/// warns when only the pictures changed, or when the checkpoint is of a version that did not record them. `now` holds
/// the set's own counts and hashes.
void require_same_identities(const CheckpointFacts& saved, const RunState& now,
                             const data::PictureSource& set, const TrainOptions& options);

}  // namespace qcface::train
