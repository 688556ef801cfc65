# SPDX-License-Identifier: MIT
# sluice::compiled: the large kernels compiled once, see sluice/core/compiled.hpp. Made only for those
# who link it, under the flags of the project that does. Every folder with headers that mark a
# kernel becomes one source.
add_library(sluice_compiled STATIC EXCLUDE_FROM_ALL)
add_library(sluice::compiled ALIAS sluice_compiled)
target_link_libraries(sluice_compiled PUBLIC sluice)
target_compile_definitions(sluice_compiled INTERFACE SLUICE_USE_COMPILED_KERNELS)
set(_sluice_include ${PROJECT_SOURCE_DIR}/include)
file(GLOB _sluice_families RELATIVE ${_sluice_include} ${_sluice_include}/sluice/kernels/*
     ${_sluice_include}/sluice/simd)
foreach(family IN LISTS _sluice_families)
  set(elsewhere)
  set(here)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${_sluice_include}
       ${_sluice_include}/${family}/*.hpp)
  foreach(header IN LISTS headers)
    file(STRINGS ${_sluice_include}/${header} marked REGEX "^SLUICE_COMPILED_KERNEL" LIMIT_COUNT 1)
    if(marked)
      string(APPEND here "#include <${header}>\n")
    endif()
    file(STRINGS ${_sluice_include}/${header} included REGEX "^#include <sluice/")
    list(FILTER included EXCLUDE REGEX "<${family}/")
    list(APPEND elsewhere ${included})
  endforeach()
  if(here)
    # What belongs to other families is left to their sources.
    list(REMOVE_DUPLICATES elsewhere)
    list(JOIN elsewhere "\n" elsewhere)
    set(source ${CMAKE_CURRENT_BINARY_DIR}/compiled/${family}.cpp)
    file(CONFIGURE OUTPUT ${source} @ONLY CONTENT "\
#define SLUICE_USE_COMPILED_KERNELS
@elsewhere@
#undef SLUICE_COMPILED_KERNEL
#define SLUICE_COMPILED_KERNEL(name) SLUICE_COMPILE_KERNEL_HERE(name)
@here@")
    target_sources(sluice_compiled PRIVATE ${source})
  endif()
endforeach()
unset(_sluice_families)
