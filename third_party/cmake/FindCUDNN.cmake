# The headers of cuDNN: CUDNN_INCLUDE_DIR and CUDNN_VERSION. The library itself is loaded at run time. They are looked for
# in the CUDA toolkit and among Python's nvidia packages (nvidia-cudnn-cu13), of python3 on the path or in VIRTUAL_ENV.
set(_cudnn_hints ${CUDAToolkit_INCLUDE_DIRS})
find_program(_cudnn_python NAMES python3)
if(_cudnn_python)
  execute_process(COMMAND "${_cudnn_python}" -c "import sys; print(';'.join(sys.path))"
    OUTPUT_VARIABLE _cudnn_paths OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  foreach(_path IN LISTS _cudnn_paths)
    list(APPEND _cudnn_hints "${_path}/nvidia/cudnn/include")
  endforeach()
endif()
if(DEFINED ENV{VIRTUAL_ENV})
  file(GLOB _cudnn_paths "$ENV{VIRTUAL_ENV}/lib/python3*/site-packages/nvidia/cudnn/include")
  list(APPEND _cudnn_hints ${_cudnn_paths})
endif()
find_path(CUDNN_INCLUDE_DIR NAMES cudnn.h HINTS ${_cudnn_hints})
if(CUDNN_INCLUDE_DIR AND EXISTS "${CUDNN_INCLUDE_DIR}/cudnn_version.h")
  file(STRINGS "${CUDNN_INCLUDE_DIR}/cudnn_version.h" _cudnn_lines REGEX "^#define CUDNN_(MAJOR|MINOR|PATCHLEVEL) ")
  string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*PATCHLEVEL ([0-9]+).*" "\\1.\\2.\\3" CUDNN_VERSION
    "${_cudnn_lines}")
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CUDNN REQUIRED_VARS CUDNN_INCLUDE_DIR VERSION_VAR CUDNN_VERSION
  REASON_FAILURE_MESSAGE
    "its headers are needed with CUDA: name their folder with -DCUDNN_INCLUDE_DIR=..., or build with -DQCFACE_CUDA=OFF")
mark_as_advanced(CUDNN_INCLUDE_DIR _cudnn_python)
