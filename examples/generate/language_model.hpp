// SPDX-License-Identifier: MIT
/// \file
/// A language model of any architecture, in the middle of a text.
#pragma once

#include <sluice/core/executor.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

namespace generate {

class LanguageModel {
 public:
  /// What the speed of a model hangs on.
  struct Size {
    std::int64_t vocabulary, parameters;
    std::int64_t step_bytes;  ///< of weights that a step reads
  };

  LanguageModel() = default;
  LanguageModel(const LanguageModel&) = delete;
  LanguageModel& operator=(const LanguageModel&) = delete;
  virtual ~LanguageModel() = default;

  virtual Size size() const = 0;

  /// Reads the next tokens of the text, at least one.
  /// \returns  logits of the token after them, good until the next call.
  virtual std::span<const float> read(std::span<const std::int64_t> ids) = 0;
  std::span<const float> step(std::int64_t id) { return read({&id, 1}); }
};

/// Loads a model from a checkpoint folder.
/// \throws sluice::CheckpointError  as `sluice::load_pretrained`.
using OpenModel = std::unique_ptr<LanguageModel> (*)(const std::filesystem::path& folder,
                                                     sluice::Executor executor);

// One source each, in models/.
std::unique_ptr<LanguageModel> open_gla(const std::filesystem::path&, sluice::Executor);
std::unique_ptr<LanguageModel> open_mamba(const std::filesystem::path&, sluice::Executor);
std::unique_ptr<LanguageModel> open_mamba2(const std::filesystem::path&, sluice::Executor);

/// An architecture under its name in `config.json`.
struct Architecture {
  std::string_view name;
  OpenModel open;
};

inline constexpr std::array<Architecture, 3> architectures{{{"GLAForCausalLM", &open_gla},
                                                            {"MambaForCausalLM", &open_mamba},
                                                            {"Mamba2ForCausalLM", &open_mamba2}}};

}  // namespace generate
