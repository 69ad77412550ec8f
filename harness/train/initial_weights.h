// --weight_path and --head: a run that begins with the weights of another.
#pragma once

#include <string>

#include "harness/data/sets/class_names.h"
#include "harness/train/train_options.h"
#include "nn/head/head.h"
#include "nn/network.h"

namespace qcface::train {

/// Whom the labels of this set mean.
struct Identities {
  std::string hash;               // of the class list
  const data::ClassNames& names;  // in the order of their labels
  bool named = true;              // false: by their numbers alone, at least in a part of the set
};

/// Takes the backbone of --weight_path, and as --head says its class weights with the head's state: all of them, those of the
/// identities that both sets have (where the checkpoint lies in its run folder, both lists are therefore known, and both are names and not numbers),
/// or none, and then those of `head` stay as they are. The log says which, and which program wrote the file. Throws Error
/// naming the file: another backbone or embedding width; with --head keep, class weights that do not fit.
void load_initial_weights(const TrainOptions& options, const Identities& identities, nn::Network& network,
                          nn::Head& head);

}  // namespace qcface::train
