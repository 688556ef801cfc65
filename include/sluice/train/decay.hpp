// SPDX-License-Identifier: MIT
/// \file
/// Which tensors of a model an optimiser decays.
#pragma once

#include <sluice/core/fields.hpp>

#include <string_view>
#include <type_traits>
#include <vector>

namespace sluice {

/// The usual rule: matrices and kernels decay; tensors of rank 1 (biases, weights of norms) do not,
/// because zero means nothing special to them.
struct MatricesDecay {
  template <class Tensor>
  bool operator()(std::string_view, const Tensor&) const noexcept {
    return int(Tensor::NumDimensions) > 1;
  }
};

namespace detail {

/// The answers of a rule (name, tensor) -> bool for every tensor of a model, in order. Whatever the
/// rule says, a decay rate (`Role::rate`) does not decay.
template <Visitable Model, class Decays>
std::vector<char> decided(const Model& model, const Decays& decays) {
  std::vector<char> answers;
  for_each_tensor(
      [&](const Place& place, const auto& tensor) {
        const bool decayed = place.role != Role::rate && decays(place.name, tensor);
        answers.push_back(decayed ? 1 : 0);
      },
      model);
  return answers;
}

}  // namespace detail

}  // namespace sluice
