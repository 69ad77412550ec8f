// NCCL's functions, loaded when the first communicator is made.
#pragma once

#include <nccl.h>

#include "nn/cuda/dynamic_library.h"

namespace qcface::nn::cuda {

#define QCFACE_NCCL_FUNCTIONS(each)                                                                   \
  each(ncclGetVersion) each(ncclGetUniqueId) each(ncclCommInitRankConfig) each(ncclCommGetAsyncError) \
      each(ncclCommAbort) each(ncclCommFinalize) each(ncclCommDestroy) each(ncclGetErrorString)       \
          each(ncclGetLastError) each(ncclGroupStart) each(ncclGroupEnd) each(ncclAllReduce)          \
              each(ncclAllGather) each(ncclReduceScatter) each(ncclReduce) each(ncclBroadcast)

struct NcclLibrary {
  DynamicLibrary file{"libnccl.so.2", "collectives between GPUs"};
#define QCFACE_MEMBER(name) decltype(&::name) name = nullptr;
  QCFACE_NCCL_FUNCTIONS(QCFACE_MEMBER)
#undef QCFACE_MEMBER
  NcclLibrary() {
#define QCFACE_BIND(name) file.bind(name, #name);
    QCFACE_NCCL_FUNCTIONS(QCFACE_BIND)
#undef QCFACE_BIND
  }
};
#undef QCFACE_NCCL_FUNCTIONS

}  // namespace qcface::nn::cuda
