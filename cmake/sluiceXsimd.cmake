# SPDX-License-Identifier: MIT
# Included by our build and, installed, by sluiceConfig.cmake.
# Some packages of xsimd (Debian 12: 8.1.0) name xtl as a link library without shipping or needing
# it; without this, linking fails with "cannot find -lxtl".
get_target_property(_sluice_xsimd_links xsimd INTERFACE_LINK_LIBRARIES)
if("xtl" IN_LIST _sluice_xsimd_links)
  find_package(xtl CONFIG QUIET)
  if(NOT TARGET xtl)
    list(REMOVE_ITEM _sluice_xsimd_links xtl)
    set_property(TARGET xsimd PROPERTY INTERFACE_LINK_LIBRARIES "${_sluice_xsimd_links}")
    get_target_property(_sluice_xsimd_defines xsimd INTERFACE_COMPILE_DEFINITIONS)
    if(_sluice_xsimd_defines)
      list(FILTER _sluice_xsimd_defines EXCLUDE REGEX "XTL")
      set_property(TARGET xsimd PROPERTY INTERFACE_COMPILE_DEFINITIONS "${_sluice_xsimd_defines}")
    endif()
    unset(_sluice_xsimd_defines)
  endif()
endif()
unset(_sluice_xsimd_links)
