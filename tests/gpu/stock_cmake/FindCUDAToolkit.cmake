# FindCUDAToolkit as CMake 3.25.0 and 3.25.1 ship it, on machines whose copy was mended: it marks a target as deprecated that
# CUDA 13 has no more, without asking whether it exists.
include("${CMAKE_ROOT}/Modules/FindCUDAToolkit.cmake")
if(CUDAToolkit_FOUND AND CMAKE_MINIMUM_REQUIRED_VERSION VERSION_GREATER_EQUAL 3.25)
  set_property(TARGET CUDA::nvToolsExt PROPERTY DEPRECATION "superseded by nvtx3")
endif()
