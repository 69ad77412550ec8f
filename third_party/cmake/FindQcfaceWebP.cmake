# libwebp as target qcface::webp. Its own configuration file is in no Debian package of Debian 12.
find_path(QcfaceWebP_INCLUDE_DIR webp/decode.h)
find_library(QcfaceWebP_LIBRARY webp)
mark_as_advanced(QcfaceWebP_INCLUDE_DIR QcfaceWebP_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(QcfaceWebP
  REQUIRED_VARS QcfaceWebP_LIBRARY QcfaceWebP_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "install libwebp-dev")
if(QcfaceWebP_FOUND AND NOT TARGET qcface::webp)
  add_library(qcface::webp INTERFACE IMPORTED)
  target_include_directories(qcface::webp SYSTEM INTERFACE "${QcfaceWebP_INCLUDE_DIR}")
  target_link_libraries(qcface::webp INTERFACE "${QcfaceWebP_LIBRARY}")
endif()
