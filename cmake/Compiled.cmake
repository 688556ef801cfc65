# SPDX-License-Identifier: MIT
# sluice::compiled: the large kernels compiled once, see sluice/core/compiled.hpp. Made only for those
# who link it, under the flags of the project that does.
add_library(sluice_compiled STATIC EXCLUDE_FROM_ALL)
add_library(sluice::compiled ALIAS sluice_compiled)
target_link_libraries(sluice_compiled PUBLIC sluice)
target_compile_definitions(sluice_compiled INTERFACE SLUICE_USE_COMPILED_KERNELS)
foreach(kernel gla/forward gla/backward ssm/forward ssm/backward conv/forward conv/backward
               linear/linear linear/backward elementwise/maximum elementwise/quotient
               elementwise/weighted_sum matmul/matmul permute/permute reduce/sum softmax/softmax)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/compiled/${kernel}.cpp)
  file(CONFIGURE OUTPUT ${source} @ONLY
       CONTENT "#define SLUICE_COMPILE_KERNELS\n#include <sluice/kernels/@kernel@.hpp>\n")
  target_sources(sluice_compiled PRIVATE ${source})
endforeach()
