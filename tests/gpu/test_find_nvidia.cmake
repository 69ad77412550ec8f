# cublasLt.h and cudnn.h among Python's nvidia packages, where the toolkit has neither.
# usage: cmake -DMODULES=third_party/cmake -DFOLDER=scratch -P test_find_nvidia.cmake
list(APPEND CMAKE_MODULE_PATH "${MODULES}")
file(REMOVE_RECURSE "${FOLDER}")
set(_packages "${FOLDER}/environment/lib/python3.12/site-packages/nvidia")
file(WRITE "${_packages}/cu13/include/cublasLt.h" "")
file(WRITE "${_packages}/cu13/include/cublas_api.h"
  "#define CUBLAS_VER_MAJOR 13\n#define CUBLAS_VER_MINOR 1\n#define CUBLAS_VER_PATCH 5\n")
file(WRITE "${_packages}/cudnn/include/cudnn.h" "")
file(WRITE "${_packages}/cudnn/include/cudnn_version.h"
  "#define CUDNN_MAJOR 9\n#define CUDNN_MINOR 19\n#define CUDNN_PATCHLEVEL 2\n")
file(MAKE_DIRECTORY "${FOLDER}/toolkit/include")

set(CMAKE_FIND_USE_CMAKE_SYSTEM_PATH OFF)  # what this machine has itself is no part of the test
set(CMAKE_FIND_USE_SYSTEM_ENVIRONMENT_PATH OFF)
set(QCFACE_NVIDIA_PYTHON "" CACHE FILEPATH "" FORCE)
set(CUDAToolkit_INCLUDE_DIRS "${FOLDER}/toolkit/include")
unset(ENV{VIRTUAL_ENV})
find_package(CUBLASLT QUIET)
if(CUBLASLT_FOUND)
  message(FATAL_ERROR "found without an environment: ${CUBLASLT_INCLUDE_DIR}")
endif()

set(ENV{VIRTUAL_ENV} "${FOLDER}/environment")
foreach(_case "CUBLASLT;cu13;13.1.5" "CUDNN;cudnn;9.19.2")
  list(GET _case 0 _name)
  list(GET _case 1 _part)
  list(GET _case 2 _version)
  find_package(${_name} QUIET)
  if(NOT ${_name}_FOUND OR NOT ${_name}_INCLUDE_DIR STREQUAL "${_packages}/${_part}/include"
      OR NOT ${_name}_VERSION STREQUAL _version)
    message(FATAL_ERROR "${_name}: found ${${_name}_FOUND}, in ${${_name}_INCLUDE_DIR}, version ${${_name}_VERSION}")
  endif()
endforeach()

# The toolkit comes first.
file(WRITE "${FOLDER}/toolkit/include/cublasLt.h" "")
unset(CUBLASLT_INCLUDE_DIR CACHE)
unset(CUBLASLT_INCLUDE_DIR)
find_package(CUBLASLT QUIET)
if(NOT CUBLASLT_INCLUDE_DIR STREQUAL "${FOLDER}/toolkit/include")
  message(FATAL_ERROR "the toolkit's header was passed over for ${CUBLASLT_INCLUDE_DIR}")
endif()
