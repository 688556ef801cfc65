// SPDX-License-Identifier: MIT
/// \file
/// What every causal language model owes, measured: gradients, folding, a warm step that allocates
/// nothing, and coming back from a file.
#pragma once

#include "io/files.hpp"
#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "support/tensor.hpp"

#include <sluice/core/fields.hpp>
#include <sluice/core/tape.hpp>
#include <sluice/io/safetensors.hpp>
#include <sluice/models/stream.hpp>
#include <sluice/ops/loss.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace sluice::testing {

/// Rounding of all layers, relative to the logits; float has 29 bits less.
template <class Scalar>
constexpr double model_tolerance = std::is_same_v<Scalar, double> ? 1e-12 : 1e-5;

inline Tensor<std::int64_t, 2> some_ids(Index B, Index T, Index bound, std::uint64_t seed) {
  Tensor<std::int64_t, 2> ids(B, T);
  Rng rng(seed);
  for (Index i = 0; i < ids.size(); ++i)
    ids.data()[i] = std::int64_t(rng.uniform<double>() * double(bound));
  return ids;
}

template <class Model>
Tensor<typename Model::Scalar, 3> logits_of(const Model& model, const Tensor<std::int64_t, 2>& ids,
                                            typename Model::State& state) {
  Tape<typename Model::Scalar> tape;
  tape.start();
  const auto y = model(tape, View<const std::int64_t, 2>(ids), state);
  Tensor<typename Model::Scalar, 3> out(y.shape());
  std::copy_n(y.value.data(), out.size(), out.data());
  return out;
}

template <class Model>
Tensor<typename Model::Scalar, 3> logits_of(const Model& model,
                                            const Tensor<std::int64_t, 2>& ids) {
  auto state = model.initial_state(ids.dimension(0));
  return logits_of(model, ids, state);
}

/// The gradient of a cross-entropy by some entries of every tensor, against central differences.
template <class Model>
void require_model_gradients(Model& model, Index vocabulary) {
  // Of a central difference, relative to the largest slope of the tensor. The step is near the cube
  // root of double's rounding, where the errors by rounding and by curvature are least together.
  constexpr double slope_tolerance = 1e-6, step = 1e-5;
  const auto ids = some_ids(2, 9, vocabulary, 2), next = some_ids(2, 9, vocabulary, 3);
  const View<const std::int64_t, 2> in(ids), out(next);
  Tape<double> tape;
  const auto loss = [&] {
    auto state = model.initial_state(2);
    tape.start();
    return *cross_entropy(model(tape, in, state), out).value.data();
  };
  auto gradient = zeros_like(model);
  auto state = model.initial_state(2);
  tape.record(model, gradient);
  tape.backward(cross_entropy(model(tape, in, state), out));
  for_each_tensor(
      [&](std::string_view name, auto& t, const auto& d) {
        CAPTURE(std::string(name));
        double largest = 0;
        for (Index i = 0; i < d.size(); ++i) largest = std::max(largest, std::abs(d.data()[i]));
        REQUIRE(largest > 1e-5);
        const Index stride = std::max<Index>(1, t.size() / 7);
        for (Index i = 0; i < t.size(); i += stride) {
          const double old = t.data()[i];
          t.data()[i] = old + step;
          const double above = loss();
          t.data()[i] = old - step;
          const double slope = (above - loss()) / (2 * step);
          t.data()[i] = old;
          CAPTURE(i, slope, d.data()[i]);
          CHECK(std::abs(slope - d.data()[i]) <= slope_tolerance * std::max(largest, 1e-3));
        }
      },
      model, gradient);
}

/// A text at once, in pieces, and token by token.
template <class Model>
void require_model_folds(const Model& model, Index vocabulary) {
  constexpr double tolerance = model_tolerance<typename Model::Scalar>;
  const Index T = 37;
  const auto ids = some_ids(2, T, vocabulary, 5);
  auto whole_state = model.initial_state(2);
  const auto whole = logits_of(model, ids, whole_state);
  for (const Index piece : {1, 5, 36}) {
    CAPTURE(piece);
    auto state = model.initial_state(2);
    for (Index t = 0; t < T; t += piece) {
      const Index end = std::min(t + piece, T);
      const auto part = logits_of(model, slice_tokens(ids, t, end), state);
      require_close("logits", slice_tokens(whole, t, end), part, tolerance);
    }
    for_each_tensor(
        [](std::string_view name, const auto& expected, const auto& got) {
          require_close(std::string(name), expected, got, tolerance);
        },
        whole_state, state);
  }
}

/// A stream of tokens, its copies and its errors.
template <class Model>
void require_model_streams(const Model& model, Index vocabulary) {
  constexpr double tolerance = model_tolerance<typename Model::Scalar>;
  const Index T = 23;
  const auto ids = some_ids(1, T, vocabulary, 6);
  const std::span<const std::int64_t> text(ids.data(), std::size_t(T));
  const auto whole = logits_of(model, ids);
  const auto check = [&](Index t, const View<const typename Model::Scalar, 3>& got) {
    Tensor<typename Model::Scalar, 3> logits(1, 1, got.size());
    std::copy_n(got.data(), got.size(), logits.data());
    require_close("logits", slice_tokens(whole, t, t + 1), logits, tolerance);
  };
  Stream stream(model);
  check(9, stream.read(text.first(10), 4));
  Stream fork = stream;
  check(10, stream.step(text[10]));
  check(T - 1, fork.read(text.subspan(10)));

  const std::int64_t wrong[] = {0, vocabulary};
  CHECK_THROWS_WITH(stream.read(wrong), "Stream::read: ids[0, 1] must be in [0, " +
                                            std::to_string(vocabulary) + "), got " +
                                            std::to_string(vocabulary));
  CHECK_THROWS_WITH(stream.read(text, 0), "Stream::read: piece must be at least 1, got 0");
  check(11, stream.step(text[11]));
  const long before = allocations();
  for (Index t = 12; t < T; ++t) stream.step(text[std::size_t(t)]);
  CHECK(allocations() == before);
}

/// Allocations of ten steps of one token, after a few that may allocate.
template <class Model>
long warm_model_allocations(const Model& model) {
  auto state = model.initial_state(1);
  Tape<typename Model::Scalar> tape;
  const std::int64_t id = 7;
  const auto read = [&] {
    tape.start();
    model(tape, View<const std::int64_t, 2>(&id, {1, 1}), state);
  };
  for (int n = 0; n < 3; ++n) read();
  const long before = allocations();
  for (int n = 0; n < 10; ++n) read();
  return allocations() - before;
}

/// `copy`, of other numbers, becomes `model` to the bit by way of a file; into `wrong`, whose head
/// is of the other kind, that file does not go.
template <class Model>
void require_model_survives_a_file(const Model& model, Model& copy, Model& wrong,
                                   Index vocabulary) {
  const auto ids = some_ids(1, 9, vocabulary, 9);
  const auto expected = logits_of(model, ids);
  CHECK(relative_error(expected, logits_of(copy, ids)) > 0.1);
  const Folder folder;
  save_safetensors(folder / "model.safetensors", model);
  load_safetensors(folder / "model.safetensors", copy);
  require_close("logits", expected, logits_of(copy, ids), 0);
  CHECK(contains(error_of([&] { load_safetensors(folder / "model.safetensors", wrong); }),
                 "lm_head.weight"));
}

/// All of these laws, by models of configurations that `config(tied)` makes.
template <template <class> class Model, class MakeConfig>
void require_model_laws(const MakeConfig& config, Index vocabulary) {
  for (const bool tied : {false, true}) {
    CAPTURE(tied);
    Rng rng(1), other(2);
    Model<double> model(config(tied), rng);
    require_model_gradients(model, vocabulary);
    require_model_folds(model, vocabulary);
    Model<double> copy(config(tied), other), wrong(config(!tied), other);
    require_model_survives_a_file(model, copy, wrong, vocabulary);
  }
  Rng rng(3);
  const Model<float> narrow(config(false), rng);
  require_model_folds(narrow, vocabulary);
  require_model_streams(narrow, vocabulary);
  CHECK(warm_model_allocations(narrow) == 0);
}

}  // namespace sluice::testing
