// SPDX-License-Identifier: MIT
/// \file
/// What the snippets of README.md take for granted.
#pragma once

#include <sluice/io/pretrained.hpp>
#include <sluice/layers/mixers/mamba.hpp>
#include <sluice/models/forecasting/forecaster.hpp>

inline sluice::Rng dice(1);
inline sluice::Forecaster<sluice::Mamba<float>> model({.variates = 3, .horizon = 4}, {}, dice);
inline const auto history = [] {
  sluice::Tensor<float, 3> rows(1, 100, 3);
  rows.setRandom();
  return rows;
}();
inline const auto row = [] {
  sluice::Tensor<float, 3> one(1, 1, 3);
  one.setRandom();
  return one;
}();
inline const std::string folder = SLUICE_GOLDEN "/hf_gla";
