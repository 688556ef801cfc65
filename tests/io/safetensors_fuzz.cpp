// SPDX-License-Identifier: MIT
/// \file
/// libFuzzer target: no bytes make the reader do anything but read or throw CheckpointError.
#include <sluice/io/safetensors_reader.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const sluice::SafetensorsFile file(data, size, "fuzz");
    for (const auto& [name, info] : file.tensors()) {
      if (info.dtype == sluice::Dtype::i64) {
        std::vector<std::int64_t> x(info.size());
        file.copy(name, x.data());
      } else {
        std::vector<float> x(info.size());
        file.copy(name, x.data());
      }
    }
  } catch (const sluice::CheckpointError&) {}
  return 0;
}
