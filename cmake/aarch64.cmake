# SPDX-License-Identifier: MIT
# 64-bit Arm on another machine, as Debian packages it:
# apt-get install g++-aarch64-linux-gnu qemu-user-static
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static;-L;/usr/aarch64-linux-gnu)

# xsimd is headers only, but Debian files its package under the architecture of the host.
if(NOT xsimd_DIR)
  file(GLOB xsimd_DIR /usr/lib/*/cmake/xsimd)
endif()
