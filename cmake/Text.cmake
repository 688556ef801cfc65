# SPDX-License-Identifier: MIT
# sluice_text: PCRE2 and utf8proc, for the one example that reads text; no target where they are
# missing. Looked for by hand, since not every distribution ships CMake files with them.
find_path(SLUICE_PCRE2_INCLUDE pcre2.h)
find_library(SLUICE_PCRE2_LIBRARY NAMES pcre2-8 pcre2-8-static)
find_path(SLUICE_UTF8PROC_INCLUDE utf8proc.h)
find_library(SLUICE_UTF8PROC_LIBRARY NAMES utf8proc utf8proc_static)
mark_as_advanced(SLUICE_PCRE2_INCLUDE SLUICE_PCRE2_LIBRARY SLUICE_UTF8PROC_INCLUDE
                 SLUICE_UTF8PROC_LIBRARY)
if(SLUICE_PCRE2_INCLUDE AND SLUICE_PCRE2_LIBRARY AND SLUICE_UTF8PROC_INCLUDE
   AND SLUICE_UTF8PROC_LIBRARY)
  add_library(sluice_text INTERFACE)
  target_include_directories(sluice_text SYSTEM INTERFACE
                             ${SLUICE_PCRE2_INCLUDE} ${SLUICE_UTF8PROC_INCLUDE})
  target_link_libraries(sluice_text INTERFACE ${SLUICE_PCRE2_LIBRARY} ${SLUICE_UTF8PROC_LIBRARY})
else()
  message(STATUS "sluice: examples/generate is left out, for it needs PCRE2 and utf8proc. Install "
                 "them (Debian: libpcre2-dev libutf8proc-dev) or point CMAKE_PREFIX_PATH at them.")
endif()
