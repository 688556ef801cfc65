# SPDX-License-Identifier: MIT
# What our own targets are built with, and users never see.
find_package(Threads REQUIRED)
add_library(sluice_developer INTERFACE)
target_link_libraries(sluice_developer INTERFACE sluice::sluice Threads::Threads)
target_compile_options(sluice_developer INTERFACE
  $<$<CXX_COMPILER_ID:GNU,Clang,AppleClang>:-Wall -Wextra -Wpedantic -Wshadow>
  $<$<AND:$<BOOL:${SLUICE_WERROR}>,$<CXX_COMPILER_ID:GNU,Clang,AppleClang>>:-Werror>
  $<$<AND:$<BOOL:${SLUICE_NATIVE}>,$<CXX_COMPILER_ID:GNU,Clang,AppleClang>>:-march=native>)
# GCC 12's own AVX-512 headers warn (GCC bug 105593).
target_compile_options(sluice_developer INTERFACE
  "$<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-maybe-uninitialized;-Wno-uninitialized>")
