// SPDX-License-Identifier: MIT
/// \file
/// The models to choose from. They differ in nothing but how their blocks mix tokens.
#pragma once

#include "task.hpp"

#include <array>
#include <string_view>

namespace forecast {

/// A model under the name that --model takes and the one that people read.
struct Entrant {
  const char *key, *title;
  Outcome (*run)(const Task&, const Entry&);
};

// One source each, in mixers/.
Outcome run_gla(const Task&, const Entry&);
Outcome run_mamba(const Task&, const Entry&);
Outcome run_mamba2(const Task&, const Entry&);
Outcome run_retention(const Task&, const Entry&);
Outcome run_linear(const Task&, const Entry&);

inline constexpr std::array<Entrant, 5> entrants{{{"gla", "gated linear attention", &run_gla},
                                                  {"mamba", "Mamba", &run_mamba},
                                                  {"mamba2", "Mamba-2", &run_mamba2},
                                                  {"retention", "retention", &run_retention},
                                                  {"linear", "linear attention", &run_linear}}};

/// The entrants of a --model: one, the first if it is empty, or all; none if it is not known.
inline std::vector<Entrant> chosen_entrants(std::string_view model) {
  if (model.empty()) return {entrants.front()};
  std::vector<Entrant> chosen;
  for (const auto& e : entrants)
    if (model == "all" || model == e.key) chosen.push_back(e);
  return chosen;
}

}  // namespace forecast
