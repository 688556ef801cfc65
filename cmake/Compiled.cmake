# SPDX-License-Identifier: MIT
# sluice::compiled: the large kernels compiled once, see sluice/core/compiled.hpp. Made only for those
# who link it, under the flags of the project that does. Every header that marks a kernel
# becomes one source.
add_library(sluice_compiled STATIC EXCLUDE_FROM_ALL)
add_library(sluice::compiled ALIAS sluice_compiled)
target_link_libraries(sluice_compiled PUBLIC sluice)
target_compile_definitions(sluice_compiled INTERFACE SLUICE_USE_COMPILED_KERNELS)
file(GLOB_RECURSE _sluice_kernels CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/include
     ${PROJECT_SOURCE_DIR}/include/sluice/kernels/*.hpp)
foreach(kernel IN LISTS _sluice_kernels)
  file(STRINGS ${PROJECT_SOURCE_DIR}/include/${kernel} marked REGEX "^SLUICE_COMPILED_KERNEL" LIMIT_COUNT 1)
  if(marked)
    set(source ${CMAKE_CURRENT_BINARY_DIR}/compiled/${kernel}.cpp)
    file(CONFIGURE OUTPUT ${source} @ONLY
         CONTENT "#define SLUICE_COMPILE_KERNELS\n#include <@kernel@>\n")
    target_sources(sluice_compiled PRIVATE ${source})
  endif()
endforeach()
unset(_sluice_kernels)
