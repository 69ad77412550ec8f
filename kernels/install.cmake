# libqcface_kernels.so as others link it: only the C interface is visible, so neither our C++ nor the CUDA runtime inside can
# meet another copy in the same program. The project's own targets link the static library.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

add_library(qcface_kernels_shared SHARED $<TARGET_OBJECTS:qcface_kernels>)
set_target_properties(qcface_kernels_shared PROPERTIES
  OUTPUT_NAME qcface_kernels EXPORT_NAME kernels LINKER_LANGUAGE CXX
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
  LINK_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/exports.map")
target_link_libraries(qcface_kernels_shared PRIVATE qcface_kernels)  # for what it links in turn
target_link_options(qcface_kernels_shared PRIVATE
  "LINKER:--version-script=${CMAKE_CURRENT_SOURCE_DIR}/exports.map")
target_include_directories(qcface_kernels_shared INTERFACE "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")

install(TARGETS qcface_kernels_shared EXPORT qcface-targets COMPONENT kernels
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(DIRECTORY include/qcface DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT kernels)
set(_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/qcface")
install(EXPORT qcface-targets NAMESPACE qcface:: DESTINATION "${_package_dir}" COMPONENT kernels)
configure_package_config_file(qcface-config.cmake.in qcface-config.cmake INSTALL_DESTINATION "${_package_dir}")
write_basic_package_version_file(qcface-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/qcface-config.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/qcface-config-version.cmake"
  DESTINATION "${_package_dir}" COMPONENT kernels)

# Relative to its own place, so that the installed folder can be moved.
set(_pkgconfig_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
file(RELATIVE_PATH _pc_to_prefix "/${_pkgconfig_dir}" "/")
configure_file(qcface.pc.in qcface.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/qcface.pc" DESTINATION "${_pkgconfig_dir}" COMPONENT kernels)
