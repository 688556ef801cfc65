// SPDX-License-Identifier: MIT
/// \file
/// The one place where a model of known type becomes a `LanguageModel`.
#pragma once

#include "language_model.hpp"

#include <sluice/core/fields.hpp>
#include <sluice/io/pretrained.hpp>
#include <sluice/models/stream.hpp>

namespace generate {

template <class Model>
class OpenedModel : public LanguageModel {
 public:
  OpenedModel(const std::filesystem::path& folder, sluice::Executor executor)
      : model_(sluice::load_pretrained<Model>(folder)), stream_(model_, executor) {}

  Size size() const override {
    const auto parameters = sluice::count(model_);
    // Of an embedding that is not the head as well, a step reads no more than one row.
    const auto unread = model_.lm_head ? model_.backbone.embeddings.weight.size() : 0;
    return {model_.vocabulary(), parameters,
            (parameters - unread) * std::int64_t{sizeof(typename Model::Scalar)}};
  }

  std::span<const float> read(std::span<const std::int64_t> ids) override {
    const auto logits = stream_.read(ids);
    return {logits.data(), std::size_t(logits.dim(2))};
  }

 private:
  Model model_;
  sluice::Stream<Model> stream_;  ///< refers to model_
};

}  // namespace generate
