// SPDX-License-Identifier: MIT
#include "../opened_model.hpp"

#include <sluice/models/language/mamba_lm.hpp>

namespace generate {

std::unique_ptr<LanguageModel> open_mamba(const std::filesystem::path& folder,
                                          sluice::Executor executor) {
  return std::make_unique<OpenedModel<sluice::MambaForCausalLM<float>>>(folder, executor);
}

}  // namespace generate
