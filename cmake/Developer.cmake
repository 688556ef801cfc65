# SPDX-License-Identifier: MIT
# What our own targets are built with, and users never see.
find_package(Threads REQUIRED)
add_library(sluice_developer INTERFACE)
target_link_libraries(sluice_developer INTERFACE sluice::sluice Threads::Threads)
target_compile_options(sluice_developer INTERFACE
  $<$<CXX_COMPILER_ID:GNU,Clang,AppleClang>:-Wall -Wextra -Wpedantic -Wshadow
    -Wconversion -Wsign-conversion -Wold-style-cast>
  $<$<AND:$<BOOL:${SLUICE_WERROR}>,$<CXX_COMPILER_ID:GNU,Clang,AppleClang>>:-Werror>
  $<$<AND:$<BOOL:${SLUICE_NATIVE}>,$<CXX_COMPILER_ID:GNU,Clang,AppleClang>>:-march=native>)
# False alarms of GCC 12: its own AVX-512 headers (GCC bug 105593), and sums of strings (105651).
set(sluice_false_alarms -Wno-maybe-uninitialized -Wno-uninitialized -Wno-restrict
    -Wno-stringop-overflow -Wno-array-bounds)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(sluice_developer INTERFACE ${sluice_false_alarms})
endif()
target_link_libraries(sluice_compiled PRIVATE sluice_developer)
