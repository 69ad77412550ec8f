# The headers of cudnn-frontend: CUDNN_FRONTEND_INCLUDE_DIR and CUDNN_FRONTEND_VERSION. They are looked for where
# third_party/install-packages.sh puts them and among Python's packages (nvidia-cudnn-frontend), of python3 on the path or
# in VIRTUAL_ENV.
set(_frontend_hints "${PROJECT_SOURCE_DIR}/third_party/downloads/cudnn-frontend/include")
find_program(_frontend_python NAMES python3)
if(_frontend_python)
  execute_process(COMMAND "${_frontend_python}" -c
    "import sys; print(';'.join(p + '/include' for p in sys.path if p))"
    OUTPUT_VARIABLE _frontend_paths OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  list(APPEND _frontend_hints ${_frontend_paths})
endif()
if(DEFINED ENV{VIRTUAL_ENV})
  file(GLOB _frontend_paths "$ENV{VIRTUAL_ENV}/lib/python3*/site-packages/include")
  list(APPEND _frontend_hints ${_frontend_paths})
endif()
find_path(CUDNN_FRONTEND_INCLUDE_DIR NAMES cudnn_frontend/graph_interface.h HINTS ${_frontend_hints})
if(CUDNN_FRONTEND_INCLUDE_DIR AND EXISTS "${CUDNN_FRONTEND_INCLUDE_DIR}/cudnn_frontend_version.h")
  file(STRINGS "${CUDNN_FRONTEND_INCLUDE_DIR}/cudnn_frontend_version.h" _frontend_lines
    REGEX "^#define CUDNN_FRONTEND_(MAJOR|MINOR|PATCH)_VERSION ")
  string(REGEX REPLACE ".*MAJOR_VERSION ([0-9]+).*MINOR_VERSION ([0-9]+).*PATCH_VERSION ([0-9]+).*" "\\1.\\2.\\3"
    CUDNN_FRONTEND_VERSION "${_frontend_lines}")
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CudnnFrontend REQUIRED_VARS CUDNN_FRONTEND_INCLUDE_DIR
  VERSION_VAR CUDNN_FRONTEND_VERSION)
mark_as_advanced(CUDNN_FRONTEND_INCLUDE_DIR _frontend_python)
