# SPDX-License-Identifier: MIT
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(SLUICE_CMAKEDIR ${CMAKE_INSTALL_DATADIR}/cmake/sluice)  # no architecture: share, not lib

install(DIRECTORY include/sluice TYPE INCLUDE)
install(TARGETS sluice sluice_io sluice_multiarch EXPORT sluiceTargets)
install(EXPORT sluiceTargets NAMESPACE sluice:: DESTINATION ${SLUICE_CMAKEDIR})
configure_package_config_file(cmake/sluiceConfig.cmake.in sluiceConfig.cmake
  INSTALL_DESTINATION ${SLUICE_CMAKEDIR})
write_basic_package_version_file(sluiceConfigVersion.cmake
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)  # before 1.0 a minor version may break
install(FILES ${PROJECT_BINARY_DIR}/sluiceConfig.cmake ${PROJECT_BINARY_DIR}/sluiceConfigVersion.cmake
              cmake/sluiceXsimd.cmake
  DESTINATION ${SLUICE_CMAKEDIR})
