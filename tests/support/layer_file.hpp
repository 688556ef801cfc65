// SPDX-License-Identifier: MIT
/// \file
/// A layer that goes into a file and comes back.
#pragma once

#include "layer_laws.hpp"

#include <sluice/io/safetensors.hpp>

#include <filesystem>
#include <random>
#include <string>

namespace sluice::testing {

/// Whether a copy that is filled from a file keeps every bit of the layer that wrote it.
template <Streamable L>
bool survives_a_file(const L& layer) {
  using Scalar = typename L::Scalar;
  const auto path = std::filesystem::temp_directory_path() /
                    ("sluice_law_" + std::to_string(std::random_device{}()) + ".safetensors");
  L copy = zeros_like(layer);
  save_safetensors(path, layer);
  load_safetensors(path, copy);
  std::filesystem::remove(path);
  return detail::flat_values<L, Scalar>(layer) == detail::flat_values<L, Scalar>(copy);
}

}  // namespace sluice::testing
