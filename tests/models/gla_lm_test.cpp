// SPDX-License-Identifier: MIT
#include "io/files.hpp"
#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "support/tensor.hpp"

#include <sluice/io/pretrained.hpp>
#include <sluice/io/safetensors.hpp>
#include <sluice/models/gla_lm.hpp>
#include <sluice/ops/loss.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

using namespace sluice;
using testing::contains;
using testing::error_of;
using testing::require_close;

namespace {

// Rounding of all layers, relative to the logits; float has 29 bits less.
template <class Scalar>
constexpr double fold_tolerance = std::is_same_v<Scalar, double> ? 1e-12 : 1e-5;
// Of a central difference with this step, relative to the largest slope of the tensor.
constexpr double slope_tolerance = 1e-6, step = 1e-6;

GLAConfig small(bool tied = false) {
  GLAConfig c;
  c.hidden_size = 16, c.num_hidden_layers = 2, c.vocab_size = 23;
  c.intermediate_size = 20;
  c.gate_low_rank_dim = 3;
  c.tie_word_embeddings = tied;
  c.initializer_range = 0.3;  // large enough that every path carries gradient
  return c;
}

Tensor<std::int64_t, 2> some_ids(Index B, Index T, Index bound, std::uint64_t seed) {
  Tensor<std::int64_t, 2> ids(B, T);
  Rng rng(seed);
  for (Index i = 0; i < ids.size(); ++i)
    ids.data()[i] = std::int64_t(rng.uniform<double>() * double(bound));
  return ids;
}

template <class Scalar>
Tensor<Scalar, 3> logits_of(const GLAForCausalLM<Scalar>& model, const Tensor<std::int64_t, 2>& ids,
                            typename GLAForCausalLM<Scalar>::State& state) {
  Tape<Scalar> tape;
  tape.start();
  const auto y = model(tape, View<const std::int64_t, 2>(ids), state);
  Tensor<Scalar, 3> out(y.shape());
  std::copy_n(y.value.data(), out.size(), out.data());
  return out;
}

template <class Scalar>
Tensor<Scalar, 3> logits_of(const GLAForCausalLM<Scalar>& model,
                            const Tensor<std::int64_t, 2>& ids) {
  auto state = model.initial_state(ids.dimension(0));
  return logits_of(model, ids, state);
}

}  // namespace

TEST_CASE("gradients of the language model are its differences", "[model][gla][gradient]") {
  for (const bool tied : {false, true}) {
    CAPTURE(tied);
    Rng rng(1);
    GLAForCausalLM<double> model(small(tied), rng);
    const auto ids = some_ids(2, 9, 23, 2), next = some_ids(2, 9, 23, 3);
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
}

TEMPLATE_TEST_CASE("a text at once, in pieces, and token by token", "[model][gla][law]", float,
                   double) {
  Rng rng(4);
  const GLAForCausalLM<TestType> model(small(), rng);
  const Index T = 37;
  const auto ids = some_ids(2, T, 23, 5);
  auto whole_state = model.initial_state(2);
  const auto whole = logits_of(model, ids, whole_state);
  for (const Index piece : {1, 5, 36}) {
    CAPTURE(piece);
    auto state = model.initial_state(2);
    for (Index t = 0; t < T; t += piece) {
      const Index end = std::min(t + piece, T);
      const auto part = logits_of(model, testing::slice_tokens(ids, t, end), state);
      require_close("logits", testing::slice_tokens(whole, t, end), part, fold_tolerance<TestType>);
    }
    for_each_tensor(
        [](std::string_view name, const auto& expected, const auto& got) {
          require_close(std::string(name), expected, got, fold_tolerance<TestType>);
        },
        whole_state, state);
  }
}

TEST_CASE("a warm step of the language model allocates nothing", "[model][gla]") {
  Rng rng(6);
  const GLAForCausalLM<float> model(small(), rng);
  auto state = model.initial_state(1);
  Tape<float> tape;
  const std::int64_t id = 7;
  const auto read = [&] {
    tape.start();
    model(tape, View<const std::int64_t, 2>(&id, {1, 1}), state);
  };
  for (int n = 0; n < 3; ++n) read();
  const long before = testing::allocations();
  for (int n = 0; n < 10; ++n) read();
  CHECK(testing::allocations() == before);
}

TEST_CASE("a saved language model comes back to the bit", "[model][gla][io]") {
  for (const bool tied : {false, true}) {
    CAPTURE(tied);
    Rng rng(7), other(8);
    const GLAForCausalLM<float> model(small(tied), rng);
    GLAForCausalLM<float> copy(small(tied), other);
    const auto ids = some_ids(1, 9, 23, 9);
    const auto expected = logits_of(model, ids);
    CHECK(testing::relative_error(expected, logits_of(copy, ids)) > 0.1);
    const testing::Folder folder;
    save_safetensors(folder / "model.safetensors", model);
    load_safetensors(folder / "model.safetensors", copy);
    require_close("logits", expected, logits_of(copy, ids), 0);
    // The other kind of head is missed, or too much.
    GLAForCausalLM<float> wrong(small(!tied), other);
    CHECK(contains(error_of([&] { load_safetensors(folder / "model.safetensors", wrong); }),
                   "lm_head.weight"));
  }
}

TEST_CASE("a published folder becomes a language model", "[model][gla][io]") {
  const auto model = load_pretrained<GLAForCausalLM<float>>(SLUICE_GOLDEN "/hf_gla");
  CHECK(model.backbone.layers.size() == 2);
  CHECK(model.backbone.embeddings.weight.dimension(0) == 96);
  CHECK(model.backbone.layers[1].attn.config.num_heads == 2);
  CHECK(model.backbone.layers[1].attn.q_proj.out() == 24);
  CHECK(model.backbone.norm.eps == 1e-6f);
  CHECK(model.lm_head);
  const auto ids = some_ids(1, 5, 96, 10);
  const auto narrow = logits_of(model, ids);
  const auto wide =
      logits_of(load_pretrained<GLAForCausalLM<double>>(SLUICE_GOLDEN "/hf_gla"), ids);
  require_close("logits", wide, narrow, fold_tolerance<float>);
}

TEST_CASE("options that are not supported are named", "[model][gla][error]") {
  Rng rng(11);
  const auto error = [&](auto&& change) -> std::string {
    GLAConfig c = small();
    change(c);
    try {
      GLAForCausalLM<float>(c, rng);
    } catch (const ArgumentError& e) {
      return e.what();
    }
    return "";
  };
  CHECK(error([](GLAConfig&) {}) == "");
  CHECK(error([](GLAConfig& c) { c.hidden_act = "silu"; }) == "");
  CHECK(error([](GLAConfig& c) { c.hidden_act = "relu"; }) ==
        "GLAForCausalLM: hidden_act must be swish or silu, got relu");
  CHECK(error([](GLAConfig& c) { c.use_gv = true; }) ==
        "GLAForCausalLM: use_gk, use_gv must be true, false, got true, true");
  for (const std::string map : {"relu", "sqrelu", "sigmoid", "logsigmoid", "silu", "swish", "gelu"})
    CHECK(error([&](GLAConfig& c) { c.feature_map = map; }) == "");
  CHECK(error([](GLAConfig& c) { c.feature_map = "elu"; }) ==
        "GLAForCausalLM: feature_map must be null, relu, sqrelu, sigmoid, logsigmoid, silu, swish "
        "or gelu, got elu");
  CHECK(error([](GLAConfig& c) { c.use_short_conv = true, c.conv_size = 0; }) ==
        "ShortConvolution: width must be at least 1, got 0");
  CHECK(error([](GLAConfig& c) { c.vocab_size = 0; }) ==
        "GLAForCausalLM: hidden_size, vocab_size must be above 0, got 16, 0");
}

TEST_CASE("a folder with an option that is not supported is refused by name",
          "[model][gla][io][error]") {
  const testing::Folder folder;
  Rng rng(12);
  save_safetensors(folder / "model.safetensors", GLAForCausalLM<float>(small(), rng));
  testing::write_file(folder / "config.json",
                      R"({"architectures": ["GLAForCausalLM"], "hidden_size": 16,
                          "num_hidden_layers": 2, "vocab_size": 23, "intermediate_size": 20,
                          "gate_low_rank_dim": 3, "use_gv": true})");
  const auto error = error_of([&] { load_pretrained<GLAForCausalLM<float>>(folder.path()); });
  CHECK(contains(error, "config.json"));
  CHECK(contains(error, "use_gv"));
}

TEST_CASE("a folder with every published option comes back", "[model][gla][io]") {
  GLAConfig c = small();
  c.use_short_conv = true, c.conv_size = 3, c.clamp_min = -0.04, c.feature_map = "sqrelu";
  Rng rng(14);
  const GLAForCausalLM<float> model(c, rng);
  const testing::Folder folder;
  save_safetensors(folder / "model.safetensors", model);
  const SafetensorsFile file(folder / "model.safetensors");
  for (const std::string name : {"q_conv1d", "k_conv1d", "v_conv1d"})
    CHECK(file.info("model.layers.1.attn." + name + ".weight").shape.size() == 3);
  const std::string head = R"({"architectures": ["GLAForCausalLM"], "hidden_size": 16,
      "num_hidden_layers": 2, "vocab_size": 23, "intermediate_size": 20, "gate_low_rank_dim": 3)";
  const std::string options = R"(, "conv_size": 3, "clamp_min": -0.04, "feature_map": "sqrelu")";
  testing::write_file(folder / "config.json", head + options + R"(, "use_short_conv": true})");
  const auto copy = load_pretrained<GLAForCausalLM<float>>(folder.path());
  const auto ids = some_ids(2, 11, 23, 15);
  const auto expected = logits_of(model, ids);
  require_close("logits", expected, logits_of(copy, ids), 0);
  // Token by token, the convolutions remembering.
  auto state = copy.initial_state(2);
  for (Index t = 0; t < 11; ++t)
    require_close("logits", testing::slice_tokens(expected, t, t + 1),
                  logits_of(copy, testing::slice_tokens(ids, t, t + 1), state),
                  fold_tolerance<float>);
  // Every option counts.
  const auto differs = [&](auto&& change) {
    GLAConfig other = c;
    change(other);
    GLAForCausalLM<float> changed(other, rng);
    load_safetensors(folder / "model.safetensors", changed);
    return testing::relative_error(expected, logits_of(changed, ids)) > 1e-4;
  };
  CHECK(differs([](GLAConfig& o) { o.clamp_min.reset(); }));
  CHECK(differs([](GLAConfig& o) { o.feature_map.reset(); }));
  // Without the option, the tensors of the convolutions are too much.
  testing::write_file(folder / "config.json", head + options + "}");
  CHECK(contains(error_of([&] { load_pretrained<GLAForCausalLM<float>>(folder.path()); }),
                 "conv1d.weight"));
}

TEST_CASE("ids out of the vocabulary are named", "[model][gla][error]") {
  Rng rng(13);
  const GLAForCausalLM<float> model(small(), rng);
  Tensor<std::int64_t, 2> ids(1, 2);
  ids(0, 0) = 0, ids(0, 1) = 23;
  CHECK_THROWS_WITH(logits_of(model, ids), "embedding: ids[0, 1] must be in [0, 23), got 23");
}
