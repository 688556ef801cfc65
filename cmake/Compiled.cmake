# SPDX-License-Identifier: MIT
# sluice::compiled: the large kernels compiled once, see sluice/core/compiled.hpp. Made only for those
# who link it, under the flags of the project that does. Every header that marks a kernel
# becomes one source.
add_library(sluice_compiled STATIC EXCLUDE_FROM_ALL)
add_library(sluice::compiled ALIAS sluice_compiled)
target_link_libraries(sluice_compiled PUBLIC sluice)
target_compile_definitions(sluice_compiled INTERFACE SLUICE_USE_COMPILED_KERNELS)
set(_sluice_include ${PROJECT_SOURCE_DIR}/include)
file(GLOB_RECURSE _sluice_headers CONFIGURE_DEPENDS RELATIVE ${_sluice_include}
     ${_sluice_include}/sluice/kernels/*.hpp ${_sluice_include}/sluice/simd/*.hpp)
foreach(header IN LISTS _sluice_headers)
  file(STRINGS ${_sluice_include}/${header} marked REGEX "^SLUICE_COMPILED_KERNEL" LIMIT_COUNT 1)
  if(marked)
    # What it includes leaves kernels to the sources of its own.
    file(STRINGS ${_sluice_include}/${header} included REGEX "^#include <sluice/")
    list(JOIN included "\n" included)
    set(source ${CMAKE_CURRENT_BINARY_DIR}/compiled/${header}.cpp)
    file(CONFIGURE OUTPUT ${source} @ONLY CONTENT "\
#define SLUICE_USE_COMPILED_KERNELS
@included@
#undef SLUICE_COMPILED_KERNEL
#define SLUICE_COMPILED_KERNEL(name) SLUICE_COMPILE_KERNEL_HERE(name)
#include <@header@>
")
    target_sources(sluice_compiled PRIVATE ${source})
  endif()
endforeach()
unset(_sluice_headers)
