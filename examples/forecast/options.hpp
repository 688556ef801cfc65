// SPDX-License-Identifier: MIT
/// \file
/// What `forecast` can be told.
#pragma once

#include "series.hpp"

#include <cstdint>
#include <string>

namespace forecast {

struct Options {
  std::string data = FORECAST_DATA;  ///< the shipped file
  SeriesOptions series;
  Index lookback = 168, horizon = 24, season = 0;

  std::string model;  ///< of mixers.hpp, or "all"; empty: gla, or what --load holds
  Index width = 32, layers = 2, heads = 2;
  double dropout = 0.5;

  int epochs = 80, patience = 30;
  double minutes = 0;  ///< 0: no limit
  Index batch = 8;
  double learning_rate = 3e-4, weight_decay = 0.3;
  std::uint64_t seed = 1;
  int threads = 2;

  std::string out = "forecast-output", load;
  bool plot = true, quiet = false;
};

}  // namespace forecast
