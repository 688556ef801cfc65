// SPDX-License-Identifier: MIT
#include "support/language_model_laws.hpp"

#include <sluice/io/pretrained.hpp>
#include <sluice/models/language/gla_lm.hpp>

#include <string>

using namespace sluice;
using testing::contains;
using testing::error_of;
using testing::logits_of;
using testing::require_close;
using testing::some_ids;

namespace {

GLAConfig small(bool tied = false) {
  GLAConfig c;
  c.hidden_size = 16, c.num_hidden_layers = 2, c.vocab_size = 23;
  c.intermediate_size = 20;
  c.attn.gate_low_rank_dim = 3;
  c.tie_word_embeddings = tied;
  c.initializer_range = 0.3;  // large enough that every path carries gradient
  return c;
}

}  // namespace

TEST_CASE("the GLA language model keeps the laws of models", "[model][gla][law]") {
  testing::require_model_laws<GLAForCausalLM>(small, 23);
}

TEST_CASE("a published folder becomes a language model", "[model][gla][io]") {
  const auto model = load_pretrained<GLAForCausalLM<float>>(SLUICE_GOLDEN "/hf_gla");
  CHECK(model.backbone.layers.size() == 2);
  CHECK(model.backbone.embeddings.weight.dimension(0) == 96);
  CHECK(model.backbone.layers[1].mix.inner.config.num_heads == 2);
  CHECK(model.backbone.layers[1].mix.inner.qkv.q_proj.out() == 24);
  CHECK(model.backbone.norm.eps == 1e-6f);
  CHECK(model.lm_head);
  const auto ids = some_ids(1, 5, 96, 10);
  const auto narrow = logits_of(model, ids);
  const auto wide =
      logits_of(load_pretrained<GLAForCausalLM<double>>(SLUICE_GOLDEN "/hf_gla"), ids);
  require_close("logits", wide, narrow, testing::model_tolerance<float>);
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
  for (const std::string map : {"relu", "sqrelu", "sigmoid", "logsigmoid", "silu", "swish", "gelu"})
    CHECK(error([&](GLAConfig& c) { c.feature_map = map; }) == "");
  CHECK(error([](GLAConfig& c) { c.feature_map = "elu"; }) ==
        "GLAForCausalLM: feature_map must be null, relu, sqrelu, sigmoid, logsigmoid, silu, swish "
        "or gelu, got elu");
  CHECK(error([](GLAConfig& c) { c.attn.use_short_conv = true, c.attn.conv_size = 0; }) ==
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
                          "gate_low_rank_dim": 3, "hidden_act": "relu"})");
  const auto error = error_of([&] { load_pretrained<GLAForCausalLM<float>>(folder.path()); });
  CHECK(contains(error, "config.json"));
  CHECK(contains(error, "hidden_act"));
}

TEST_CASE("a folder with every published option comes back", "[model][gla][io]") {
  GLAConfig c = small();
  c.attn.use_short_conv = true, c.attn.conv_size = 3, c.attn.clamp_min = -0.04,
  c.feature_map = "sqrelu";
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
                  testing::model_tolerance<float>);
  // Every option counts.
  const auto differs = [&](auto&& change) {
    GLAConfig other = c;
    change(other);
    GLAForCausalLM<float> changed(other, rng);
    load_safetensors(folder / "model.safetensors", changed);
    return testing::relative_error(expected, logits_of(changed, ids)) > 1e-4;
  };
  CHECK(differs([](GLAConfig& o) { o.attn.clamp_min.reset(); }));
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
  CHECK_THROWS_WITH(logits_of(model, ids), "gather: ids[0, 1] must be in [0, 23), got 23");
}
