# libmatio as target qcface::matio. Debian's package has no configuration file for CMake.
find_path(Matio_INCLUDE_DIR matio.h)
find_library(Matio_LIBRARY matio)
mark_as_advanced(Matio_INCLUDE_DIR Matio_LIBRARY)
if(Matio_INCLUDE_DIR AND EXISTS "${Matio_INCLUDE_DIR}/matio_pubconf.h")
  file(STRINGS "${Matio_INCLUDE_DIR}/matio_pubconf.h" _qcface_matio_version
       REGEX "#define MATIO_(MAJOR_VERSION|MINOR_VERSION|RELEASE_LEVEL) ")
  string(REGEX REPLACE "[^0-9;]" "" _qcface_matio_version "${_qcface_matio_version}")
  string(REPLACE ";" "." Matio_VERSION "${_qcface_matio_version}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Matio
  REQUIRED_VARS Matio_LIBRARY Matio_INCLUDE_DIR
  VERSION_VAR Matio_VERSION
  REASON_FAILURE_MESSAGE "install libmatio-dev")
if(Matio_FOUND AND NOT TARGET qcface::matio)
  add_library(qcface::matio INTERFACE IMPORTED)
  target_include_directories(qcface::matio SYSTEM INTERFACE "${Matio_INCLUDE_DIR}")
  target_link_libraries(qcface::matio INTERFACE "${Matio_LIBRARY}")
endif()
