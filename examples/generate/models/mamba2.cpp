// SPDX-License-Identifier: MIT
#include "../opened_model.hpp"

#include <sluice/models/language/mamba2_lm.hpp>

namespace generate {

std::unique_ptr<LanguageModel> open_mamba2(const std::filesystem::path& folder,
                                           sluice::Executor executor) {
  return std::make_unique<OpenedModel<sluice::Mamba2ForCausalLM<float>>>(folder, executor);
}

}  // namespace generate
