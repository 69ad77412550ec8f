# The headers of cuDNN: CUDNN_INCLUDE_DIR and CUDNN_VERSION. The library itself is loaded at run time. They are looked for
# in the CUDA toolkit and among Python's nvidia packages (nvidia-cudnn-cu13), of python3 on the path or in VIRTUAL_ENV.
include(NvidiaPackages)
qcface_nvidia_includes(_cudnn_hints cudnn)
find_path(CUDNN_INCLUDE_DIR NAMES cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS} ${_cudnn_hints})
if(CUDNN_INCLUDE_DIR AND EXISTS "${CUDNN_INCLUDE_DIR}/cudnn_version.h")
  file(STRINGS "${CUDNN_INCLUDE_DIR}/cudnn_version.h" _cudnn_lines REGEX "^#define CUDNN_(MAJOR|MINOR|PATCHLEVEL) ")
  string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*PATCHLEVEL ([0-9]+).*" "\\1.\\2.\\3" CUDNN_VERSION
    "${_cudnn_lines}")
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CUDNN REQUIRED_VARS CUDNN_INCLUDE_DIR VERSION_VAR CUDNN_VERSION
  REASON_FAILURE_MESSAGE
    "its headers are needed with CUDA: name their folder with -DCUDNN_INCLUDE_DIR=..., or build with -DQCFACE_CUDA=OFF")
mark_as_advanced(CUDNN_INCLUDE_DIR)
