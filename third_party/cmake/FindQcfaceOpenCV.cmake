# OpenCV core, imgproc and imgcodecs as targets qcface::opencv_core, qcface::opencv_imgproc, qcface::opencv_imgcodecs.
# OpenCVConfig.cmake is used where it exists; Debian's split -dev packages bring none, so the libraries are looked
# for by name. Sets QcfaceOpenCV_FOUND and QcfaceOpenCV_VERSION.
set(_qcface_opencv_parts core imgproc imgcodecs)
find_package(OpenCV QUIET COMPONENTS ${_qcface_opencv_parts} CONFIG)
if(OpenCV_FOUND)
  set(QcfaceOpenCV_VERSION "${OpenCV_VERSION}")
  set(QcfaceOpenCV_INCLUDE_DIR "${OpenCV_INCLUDE_DIRS}")
  foreach(_part ${_qcface_opencv_parts})
    set(QcfaceOpenCV_${_part}_LIBRARY opencv_${_part})
  endforeach()
else()
  find_path(QcfaceOpenCV_INCLUDE_DIR opencv2/core/version.hpp PATH_SUFFIXES opencv4)
  foreach(_part ${_qcface_opencv_parts})
    find_library(QcfaceOpenCV_${_part}_LIBRARY opencv_${_part})
    mark_as_advanced(QcfaceOpenCV_${_part}_LIBRARY)
  endforeach()
  if(QcfaceOpenCV_INCLUDE_DIR)
    file(STRINGS "${QcfaceOpenCV_INCLUDE_DIR}/opencv2/core/version.hpp" _qcface_opencv_version
         REGEX "#define CV_VERSION_(MAJOR|MINOR|REVISION)")
    string(REGEX REPLACE "[^0-9;]" "" _qcface_opencv_version "${_qcface_opencv_version}")
    string(REPLACE ";" "." QcfaceOpenCV_VERSION "${_qcface_opencv_version}")
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(QcfaceOpenCV
  REQUIRED_VARS QcfaceOpenCV_core_LIBRARY QcfaceOpenCV_imgproc_LIBRARY QcfaceOpenCV_imgcodecs_LIBRARY
                QcfaceOpenCV_INCLUDE_DIR
  VERSION_VAR QcfaceOpenCV_VERSION
  REASON_FAILURE_MESSAGE
    "install libopencv-core-dev, libopencv-imgproc-dev and libopencv-imgcodecs-dev")
if(QcfaceOpenCV_FOUND AND NOT TARGET qcface::opencv_core)
  foreach(_part ${_qcface_opencv_parts})
    add_library(qcface::opencv_${_part} INTERFACE IMPORTED)
    target_include_directories(qcface::opencv_${_part} SYSTEM INTERFACE "${QcfaceOpenCV_INCLUDE_DIR}")
    target_link_libraries(qcface::opencv_${_part} INTERFACE "${QcfaceOpenCV_${_part}_LIBRARY}")
  endforeach()
  target_link_libraries(qcface::opencv_imgproc INTERFACE qcface::opencv_core)
  target_link_libraries(qcface::opencv_imgcodecs INTERFACE qcface::opencv_imgproc)
endif()
