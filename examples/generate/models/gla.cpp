// SPDX-License-Identifier: MIT
#include "../opened_model.hpp"

#include <sluice/models/language/gla_lm.hpp>

namespace generate {

std::unique_ptr<LanguageModel> open_gla(const std::filesystem::path& folder,
                                        sluice::Executor executor) {
  return std::make_unique<OpenedModel<sluice::GLAForCausalLM<float>>>(folder, executor);
}

}  // namespace generate
