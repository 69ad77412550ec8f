# The header of cuBLASLt: CUBLASLT_INCLUDE_DIR and CUBLASLT_VERSION. The library itself is loaded at run time. Looked for in
# the CUDA toolkit and among Python's nvidia packages (nvidia-cublas).
include(NvidiaPackages)
qcface_nvidia_includes(_cublaslt_hints cu13 cublas)
find_path(CUBLASLT_INCLUDE_DIR NAMES cublasLt.h HINTS ${CUDAToolkit_INCLUDE_DIRS} ${_cublaslt_hints})
if(CUBLASLT_INCLUDE_DIR AND EXISTS "${CUBLASLT_INCLUDE_DIR}/cublas_api.h")
  file(STRINGS "${CUBLASLT_INCLUDE_DIR}/cublas_api.h" _cublaslt_lines REGEX "^#define CUBLAS_VER_(MAJOR|MINOR|PATCH) ")
  string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*PATCH ([0-9]+).*" "\\1.\\2.\\3" CUBLASLT_VERSION
    "${_cublaslt_lines}")
endif()
string(CONCAT _cublaslt_reason "cublasLt.h is needed with CUDA: install cuBLAS (nvidia-cublas from PyPI will do), name its "
  "folder with -DCUBLASLT_INCLUDE_DIR=..., or build with -DQCFACE_CUDA=OFF")
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CUBLASLT REQUIRED_VARS CUBLASLT_INCLUDE_DIR VERSION_VAR CUBLASLT_VERSION
  REASON_FAILURE_MESSAGE "${_cublaslt_reason}")
mark_as_advanced(CUBLASLT_INCLUDE_DIR)
