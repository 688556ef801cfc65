# SPDX-License-Identifier: MIT
include(FetchContent)

set(SLUICE_eigen_SOURCE     https://gitlab.com/libeigen/eigen.git@3.4.0)
set(SLUICE_xsimd_SOURCE     https://github.com/xtensor-stack/xsimd.git@13.0.0)
set(SLUICE_json_SOURCE      https://github.com/nlohmann/json.git@v3.11.3)
set(SLUICE_catch2_SOURCE    https://github.com/catchorg/Catch2.git@v3.5.4)
set(SLUICE_benchmark_SOURCE https://github.com/google/benchmark.git@v1.8.3)
set(SLUICE_cli11_SOURCE     https://github.com/CLIUtils/CLI11.git@v2.4.2)

# sluice_find(<package> <key> [OPTIONAL]): an installed package first; a pinned download only if
# allowed. No version is asked of find_package: Eigen 5 would refuse a request for 3.4.
macro(sluice_find package key)
  find_package(${package} CONFIG QUIET)
  if(NOT ${package}_FOUND AND SLUICE_FETCH_MISSING)
    string(REPLACE "@" ";" _sluice_source "${SLUICE_${key}_SOURCE}")
    list(GET _sluice_source 0 _sluice_url)
    list(GET _sluice_source 1 _sluice_tag)
    FetchContent_Declare(${key} GIT_REPOSITORY ${_sluice_url} GIT_TAG ${_sluice_tag} GIT_SHALLOW ON)
    set(BUILD_TESTING OFF)
    set(BENCHMARK_ENABLE_TESTING OFF)
    set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)  # their options yield to these variables
    FetchContent_MakeAvailable(${key})
    if(SLUICE_INSTALL)
      message(STATUS "sluice: ${package} is downloaded, so there is nothing to install against; "
                     "SLUICE_INSTALL is off")
      set(SLUICE_INSTALL OFF)
    endif()
  elseif(NOT ${package}_FOUND AND NOT "${ARGN}" STREQUAL "OPTIONAL")
    message(FATAL_ERROR "sluice needs ${package}. Install it, point CMAKE_PREFIX_PATH at it, "
                        "or configure with -DSLUICE_FETCH_MISSING=ON to download it.")
  endif()
endmacro()
