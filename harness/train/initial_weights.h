// --weight_path and --head: a run that begins with the weights of another.
#pragma once

#include <string>

#include "harness/train/train_options.h"
#include "nn/head/head.h"
#include "nn/network.h"

namespace qcface::train {

/// Takes the backbone of --weight_path, and as --head says its class weights with the head's state (else those of `head`
/// stay as they are); the log says which. `class_list` is the hash of this set's class list. Throws Error naming the
/// file: no safetensors, another backbone or embedding width; with --head keep, class weights that do not fit.
void load_initial_weights(const TrainOptions& options, const std::string& class_list, nn::Network& network,
                          nn::Head& head);

}  // namespace qcface::train
