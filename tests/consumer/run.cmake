# SPDX-License-Identifier: MIT
# Configures, builds and runs the consumer in a folder of its own; HOW is find_package or
# add_subdirectory.
set(work ${BUILD}/consumer/${HOW})
file(REMOVE_RECURSE ${work})
if(HOW STREQUAL "find_package")
  execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${work}/prefix
                  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endif()
execute_process(COMMAND ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${work} -G ${GENERATOR}
                        -DCMAKE_CXX_COMPILER=${CXX} -DHOW=${HOW} -DSLUICE_SOURCE=${SOURCE}
                        -DCMAKE_PREFIX_PATH=${work}/prefix
                OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${work} --parallel
                OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
foreach(program consumer consumer_io consumer_multiarch)
  execute_process(COMMAND ${work}/${program} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
