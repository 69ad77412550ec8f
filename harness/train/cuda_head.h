// The head on the device: class weights, velocity and state in device memory, the optimiser's step fused into the second
// pass over the classes. With 16-bit products a copy of the unit class rows is kept too.
#pragma once

#include <qcface/kernels.hpp>

#include "harness/train/head.h"
#include "nn/cuda/cuda_backend.h"

namespace qcface::train {

/// Where one step's figures go; device memory.
struct HeadOutputs {
  double* losses = nullptr;      // [3]
  float* lengths = nullptr;      // [N]
  float* probability = nullptr;  // [N]
  std::int32_t* rank = nullptr;  // [N]
};

class CudaHead {
 public:
  CudaHead(const nn::cuda::CudaBackend& backend, const HeadOptions& options, std::int64_t classes,
           std::int64_t width, float momentum, float weight_decay);
  ~CudaHead();
  CudaHead(const CudaHead&) = delete;
  CudaHead& operator=(const CudaHead&) = delete;

  void upload(Head& head);
  void download(Head& head);

  /// Workspace and dx for batches of up to n rows; must come before a step of that size. True if memory was moved. No step
  /// moves any, so that graphs which were captured with these addresses stay right whatever size comes next.
  bool reserve(std::int64_t n);
  /// Losses, row values and dx [n, D] from embeddings [n, D] and labels; returns dx. lr and skip: device scalars that
  /// update() will read.
  const float* forward(const float* embeddings, const std::int64_t* labels, std::int64_t n,
                       const HeadOutputs& outputs, const float* lr, const std::int32_t* skip);
  /// Gradient and update of the class weights.
  void update();
  /// Waits, and throws Error if a stage found something wrong with the data of the last step, of n rows.
  void check(std::int64_t n);

 private:
  void refresh_unit_rows();
  /// The arguments of a step of n rows, but for what changes from step to step.
  qcf_head_args arguments(std::int64_t n);

  const nn::cuda::CudaBackend& backend_;
  KernelContext context_;
  qcf_head_config config_;
  std::int64_t classes_, width_;
  qcf_type type_ = QCF_TYPE_F32;
  float momentum_, weight_decay_;
  nn::Memory weights_, velocity_, unit_, t_, length_stats_, x_, dx_, workspace_;
  std::int64_t reserved_ = 0;
  qcf_head_args args_{};  // of the step under way; the stages share them
  qcf_optimiser sgd_ = make_optimiser();
};

}  // namespace qcface::train
