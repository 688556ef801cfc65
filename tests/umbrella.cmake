# SPDX-License-Identifier: MIT
# sluice.hpp includes every public header but those of io, in order; those in a folder `detail` are
# private.
file(GLOB_RECURSE headers RELATIVE ${INCLUDE} ${INCLUDE}/sluice/*.hpp)
list(FILTER headers EXCLUDE REGEX "^sluice/(io/|sluice\\.hpp$|.*/detail/)")
list(SORT headers)
list(TRANSFORM headers REPLACE "(.+)" "#include <\\1>")
file(STRINGS ${INCLUDE}/sluice/sluice.hpp included REGEX "^#include")
if(NOT included STREQUAL headers)
  list(JOIN headers "\n" headers)
  message(NOTICE "${headers}")
  message(FATAL_ERROR "the includes of sluice.hpp should be those above")
endif()
