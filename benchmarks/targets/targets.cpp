// SPDX-License-Identifier: MIT
#include "targets.hpp"

#include "../torch/peers.hpp"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <stdexcept>
#include <string>

namespace sluice::bench {

void print_targets(std::string_view filter) {
  constexpr struct {
    std::string_view name;
    void (*run)(Score&);
  } families[] = {{"exp", target_exp},
                  {"product", target_product},
                  {"linear", target_linear},
                  {"attention", target_attention},
                  {"gla_forward", target_gla_forward},
                  {"gla_threads", target_gla_threads},
                  {"gla_backward", target_gla_backward},
                  {"ssm", target_ssm},
                  {"decode", target_decode},
                  {"block", target_block}};
  const auto chosen = [&](const auto& f) { return f.name.find(filter) != std::string_view::npos; };
  if (std::none_of(std::begin(families), std::end(families), chosen))
    throw std::invalid_argument("no family of targets is called " + std::string(filter));
  const std::string torch = libtorch::version();
  std::printf(
      "All sides of a comparison take turns of 0.2 ms, or of one call, in this process and on one\n"
      "thread unless said. \"best\" compares their shortest turns, \"median\" those in the "
      "middle;\n"
      "the best is judged. FLOP counts are useful ones. %s\n\n",
      torch.empty() ? "Built without LibTorch." : torch.c_str());
  std::printf("  %-46s %8s %8s   %s\n", "", "best", "median", "target");
  Score score;
  for (const auto& family : families)
    if (chosen(family)) family.run(score);
  std::printf("\n%d met, %d missed\n", score.met, score.missed);
}

}  // namespace sluice::bench
