# librsvg with cairo as target qcface::rsvg: figures as PNG. Debian's package describes itself to pkg-config alone.
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(LibRsvg_PC QUIET IMPORTED_TARGET "librsvg-2.0>=2.46" cairo cairo-png)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibRsvg
  REQUIRED_VARS LibRsvg_PC_LINK_LIBRARIES
  VERSION_VAR LibRsvg_PC_librsvg-2.0_VERSION
  REASON_FAILURE_MESSAGE "install librsvg2-dev and pkgconf")
if(LibRsvg_FOUND AND NOT TARGET qcface::rsvg)
  add_library(qcface::rsvg INTERFACE IMPORTED)
  target_include_directories(qcface::rsvg SYSTEM INTERFACE ${LibRsvg_PC_INCLUDE_DIRS})
  target_link_libraries(qcface::rsvg INTERFACE PkgConfig::LibRsvg_PC)
endif()
