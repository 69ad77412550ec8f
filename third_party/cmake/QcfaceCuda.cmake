# CUDA, and the emulator that runs CUDA sources on the CPU.
#   QCFACE_HAS_CUDA       ON where a toolkit is used (QCFACE_CUDA: AUTO takes one if found, ON insists, OFF looks for none)
#   QCFACE_HAS_EMULATION  ON where the emulator can be built (Boost.Context); tests of kernels on the CPU need it
set(QCFACE_CUDA_ARCHITECTURES "80;90a" CACHE STRING
  "GPU architectures to compile for: 80 and 90a; a machine's own one alone builds faster")

option(QCFACE_CUDA_LINEINFO "Keep the source lines of CUDA kernels in the programs, for profilers and sanitizers" ON)

# FindCUDAToolkit of CMake 3.25.0 and 3.25.1 (Debian 12) marks CUDA::nvToolsExt as deprecated without asking whether it
# exists, and CUDA 13 has none. Nothing here links it.
if(CMAKE_VERSION VERSION_LESS 3.25.2 AND NOT QCFACE_CUDA STREQUAL "OFF" AND NOT TARGET CUDA::nvToolsExt)
  add_library(CUDA::nvToolsExt INTERFACE IMPORTED)
endif()

set(QCFACE_HAS_CUDA OFF)
if(QCFACE_CUDA STREQUAL "AUTO")
  find_package(CUDAToolkit QUIET)
  if(CUDAToolkit_FOUND)
    find_package(CUBLASLT QUIET)
    if(NOT CUBLASLT_FOUND)
      message(WARNING "A CUDA toolkit was found, but not cublasLt.h, which the heads need: building without CUDA. "
        "Install cuBLAS (nvidia-cublas from PyPI will do).")
      set(CUDAToolkit_FOUND OFF)
    endif()
  endif()
  if(CUDAToolkit_FOUND AND NOT QCFACE_KERNELS_ONLY)
    find_package(CUDNN QUIET)
    if(NOT CUDNN_FOUND)
      message(WARNING "A CUDA toolkit was found, but not cuDNN's headers, which the backbone needs: building without "
        "CUDA. Install cuDNN (nvidia-cudnn-cu13 from PyPI will do), or set QCFACE_KERNELS_ONLY for the kernel library.")
      set(CUDAToolkit_FOUND OFF)
    endif()
  endif()
elseif(QCFACE_CUDA STREQUAL "ON")
  find_package(CUDAToolkit REQUIRED)
  find_package(CUBLASLT REQUIRED)
elseif(NOT QCFACE_CUDA STREQUAL "OFF")
  message(FATAL_ERROR "QCFACE_CUDA is '${QCFACE_CUDA}': expected AUTO, ON or OFF")
endif()
if(CUDAToolkit_FOUND)
  set(QCFACE_HAS_CUDA ON)
  foreach(_architecture IN LISTS QCFACE_CUDA_ARCHITECTURES)
    if(NOT _architecture MATCHES "^[0-9]+[af]?$")
      message(FATAL_ERROR "QCFACE_CUDA_ARCHITECTURES: '${_architecture}' is no architecture such as 80 or 90a")
    endif()
  endforeach()
  if(NOT CMAKE_CUDA_COMPILER AND CUDAToolkit_NVCC_EXECUTABLE)
    set(CMAKE_CUDA_COMPILER "${CUDAToolkit_NVCC_EXECUTABLE}")
  endif()
  # CMake before 3.25.2 knows no C++20 option of nvcc and drops the standard without a word.
  if(CMAKE_VERSION VERSION_LESS 3.25.2)
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
  endif()
  # The -gencode options below say what to compile for. CMake's own way (-arch=sm_90a) would add a plain compute_90
  # pass, which has no wgmma.
  set(CMAKE_CUDA_ARCHITECTURES OFF)
  enable_language(CUDA)
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  set(CMAKE_CUDA_EXTENSIONS OFF)
endif()

set(QCFACE_HAS_EMULATION OFF)
find_path(QCFACE_BOOST_CONTEXT_INCLUDE_DIR NAMES boost/context/fiber.hpp)
find_library(QCFACE_BOOST_CONTEXT_LIBRARY NAMES boost_context)
mark_as_advanced(QCFACE_BOOST_CONTEXT_INCLUDE_DIR QCFACE_BOOST_CONTEXT_LIBRARY)
if(QCFACE_BOOST_CONTEXT_INCLUDE_DIR AND QCFACE_BOOST_CONTEXT_LIBRARY)
  set(QCFACE_HAS_EMULATION ON)
elseif(QCFACE_BUILD_TESTS)
  message(WARNING "Boost.Context was not found: the tests that run CUDA kernels on the CPU are left out. "
    "Install libboost-context-dev.")
endif()

# The options of one nvcc compilation for the architectures given.
function(_qcface_gencode result)
  set(_options "")
  foreach(_architecture IN LISTS ARGN)
    list(APPEND _options "--generate-code=arch=compute_${_architecture},code=sm_${_architecture}")
  endforeach()
  set(${result} "${_options}" PARENT_SCOPE)
endfunction()

function(_qcface_add_nvcc_sources target architectures)
  if(NOT QCFACE_HAS_CUDA OR NOT ARGN)
    return()
  endif()
  _qcface_gencode(_gencode ${architectures})
  target_sources(${target} PRIVATE ${ARGN})
  foreach(_source IN LISTS ARGN)
    set_property(SOURCE "${_source}" TARGET_DIRECTORY ${target} APPEND PROPERTY COMPILE_OPTIONS ${_gencode})
  endforeach()
  get_target_property(_prepared ${target} QCFACE_CUDA_PREPARED)
  if(_prepared)
    return()
  endif()
  # ptxas tells registers and spills on stderr; the launcher keeps them beside the object as NAME.o.ptxas.
  set(_launcher "${PROJECT_SOURCE_DIR}/third_party/cmake/keep-ptxas.sh")
  if(QCFACE_CCACHE)
    list(APPEND _launcher "${QCFACE_CCACHE}")
  endif()
  set_target_properties(${target} PROPERTIES QCFACE_CUDA_PREPARED ON CUDA_ARCHITECTURES OFF
    CUDA_COMPILER_LAUNCHER "${_launcher}")
  target_compile_options(${target} PRIVATE
    "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-Xptxas -v>"
    $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>
    $<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${QCFACE_CUDA_LINEINFO}>>:-lineinfo>)
  if(QCFACE_WERROR)
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-Werror all-warnings>")
  endif()
  target_link_libraries(${target} PUBLIC CUDA::cudart_static)
endfunction()

# qcface_add_cuda_sources(TARGET sources...): adds .cu files, compiled by nvcc for every architecture of
# QCFACE_CUDA_ARCHITECTURES. Nothing where QCFACE_HAS_CUDA is OFF.
function(qcface_add_cuda_sources target)
  _qcface_add_nvcc_sources(${target} "${QCFACE_CUDA_ARCHITECTURES}" ${ARGN})
endfunction()

# qcface_add_hopper_sources(TARGET sources...): the same for files with instructions of sm_90a. They are compiled for 90a
# alone, whatever QCFACE_CUDA_ARCHITECTURES says, so that their symbols always exist; the plan asks the device.
function(qcface_add_hopper_sources target)
  _qcface_add_nvcc_sources(${target} "90a" ${ARGN})
endfunction()

# qcface_emulated_sources(RESULT NAME sources...): C++ files that stand for .cu files. Each includes one, so that reports
# keep the real file and line and a source may be in an nvcc target of the same folder too.
function(qcface_emulated_sources result name)
  set(_files "")
  foreach(_source IN LISTS ARGN)
    if(NOT _source MATCHES "\\.cu$")
      list(APPEND _files "${_source}")
      continue()
    endif()
    get_filename_component(_path "${_source}" ABSOLUTE)
    file(RELATIVE_PATH _relative "${PROJECT_SOURCE_DIR}" "${_path}")
    string(REPLACE "/" "_" _flat "${_relative}")
    set(_wrapper "${CMAKE_CURRENT_BINARY_DIR}/emulated/${name}/${_flat}.cpp")
    file(CONFIGURE OUTPUT "${_wrapper}" CONTENT "#include \"${_relative}\"\n" @ONLY)
    list(APPEND _files "${_wrapper}")
  endforeach()
  set(${result} "${_files}" PARENT_SCOPE)
endfunction()

# qcface_add_emulated_library(NAME sources...): a static library of .cu and .cpp files compiled by the host compiler with
# QCF_EMULATE; whoever links it is compiled with QCF_EMULATE too. For tests only, and only where QCFACE_HAS_EMULATION.
function(qcface_add_emulated_library name)
  qcface_emulated_sources(_files ${name} ${ARGN})
  qcface_add_library(${name} ${_files})
  target_link_libraries(${name} PUBLIC qcface_emulation)
endfunction()
