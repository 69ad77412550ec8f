# One place for warnings and sanitizers. They are set on our own targets only, never globally, so that
# a program that embeds this project keeps its own flags.
add_library(qcface_build_flags INTERFACE)
target_compile_options(qcface_build_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wunknown-pragmas>)
# GCC 12 reports std::string::insert and operator+ as overlapping copies (GCC bug 105651, mended in 13).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(qcface_build_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
if(QCFACE_WERROR)
  target_compile_options(qcface_build_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(QCFACE_SANITIZE STREQUAL "address")
  set(_qcface_san -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
elseif(QCFACE_SANITIZE STREQUAL "thread")
  set(_qcface_san -fsanitize=thread -fno-omit-frame-pointer)
elseif(QCFACE_SANITIZE STREQUAL "fuzz")
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "QCFACE_SANITIZE is 'fuzz', which only clang can do: take the preset fuzz, or -DCMAKE_CXX_COMPILER=clang++")
  endif()
  set(_qcface_san -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
elseif(QCFACE_SANITIZE)
  message(FATAL_ERROR "QCFACE_SANITIZE is '${QCFACE_SANITIZE}': expected empty, address, thread or fuzz")
endif()
if(_qcface_san)
  # -O1 and line tables: a report keeps its lines, and the whole preset builds in half the time of -O2 -g. Fuzzing runs for
  # longer than it compiles.
  if(QCFACE_SANITIZE STREQUAL "fuzz")
    list(APPEND _qcface_san -O2 -g1)
  else()
    list(APPEND _qcface_san -O1 -g1)
  endif()
  target_compile_options(qcface_build_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:${_qcface_san}>)
  target_link_options(qcface_build_flags INTERFACE ${_qcface_san})
endif()

# qcface_add_library(NAME sources...): a static library of one room; headers are included as "room/file.h".
function(qcface_add_library name)
  add_library(${name} STATIC ${ARGN})
  target_include_directories(${name} PUBLIC "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE qcface_build_flags)
endfunction()

# qcface_add_executable(NAME sources...): the same flags for a program.
function(qcface_add_executable name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE qcface_build_flags)
  if(QCFACE_SANITIZE STREQUAL "thread")
    target_sources(${name} PRIVATE "${PROJECT_SOURCE_DIR}/third_party/thread_sanitizer.cpp")
  endif()
endfunction()

# qcface_compile_in_batches(NAME): with QCFACE_UNITY several files of the room are one compilation, so that templates of JSON and
# formatting are instantiated once for all of them: the whole program in half the time. Names in the anonymous namespaces of
# such a room must differ.
function(qcface_compile_in_batches name)
  set_target_properties(${name} PROPERTIES UNITY_BUILD ${QCFACE_UNITY} UNITY_BUILD_BATCH_SIZE 10)
  if(QCFACE_UNITY)  # an anonymous namespace is a file's own although it is included
    target_compile_options(${name} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-subobject-linkage>)
  endif()
endfunction()

# qcface_compile_quickly(NAME): for rooms that only wait for others (command line, JSON, reports). Their time is spent
# in templates of JSON and formatting; -O1 halves the time to compile them and costs nothing that can be measured.
function(qcface_compile_quickly name)
  target_compile_options(${name} PRIVATE $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CONFIG:Release,RelWithDebInfo>>:-O1>)
endfunction()
