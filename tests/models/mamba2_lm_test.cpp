// SPDX-License-Identifier: MIT
#include "support/language_model_laws.hpp"

#include <sluice/io/pretrained.hpp>
#include <sluice/models/language/mamba2_lm.hpp>

#include <string>

using namespace sluice;
using testing::contains;
using testing::error_of;
using testing::logits_of;
using testing::require_close;
using testing::some_ids;

namespace {

Mamba2LMConfig small(bool tied = false) {
  Mamba2LMConfig c;
  c.hidden_size = 8, c.num_hidden_layers = 2, c.vocab_size = 23;
  c.mixer.num_heads = 4, c.mixer.head_dim = 4, c.mixer.state_size = 5, c.mixer.n_groups = 2;
  c.mixer.dt_min = 0.1, c.mixer.dt_max = 1;  // so that a few tokens show what is forgotten
  c.tie_word_embeddings = tied;
  c.initializer_range = 0.3;
  return c;
}

/// The same as a file.
const std::string small_json = R"({"architectures": ["Mamba2ForCausalLM"], "hidden_size": 8,
    "num_hidden_layers": 2, "vocab_size": 23, "num_heads": 4, "head_dim": 4, "state_size": 5,
    "n_groups": 2, "time_step_limit": [0.0, Infinity])";

}  // namespace

TEST_CASE("the Mamba-2 language model keeps the laws of models", "[model][mamba2][law]") {
  testing::require_model_laws<Mamba2ForCausalLM>(small, 23);
}

TEST_CASE("a published folder becomes a Mamba-2 language model", "[model][mamba2][io]") {
  const auto model = load_pretrained<Mamba2ForCausalLM<float>>(SLUICE_GOLDEN "/hf_mamba2");
  CHECK(model.backbone.layers.size() == 2);
  CHECK(model.backbone.embeddings.weight.dimension(0) == 96);
  const auto& mixer = model.backbone.layers[1].inner;
  CHECK(mixer.config.n_groups == 2);
  CHECK(mixer.config.dt_high == std::numeric_limits<double>::infinity());
  CHECK(mixer.norm.options.group_size == 0);
  CHECK(mixer.in_proj.out() == 262);
  const auto ids = some_ids(1, 5, 96, 10);
  const auto narrow = logits_of(model, ids);
  const auto wide =
      logits_of(load_pretrained<Mamba2ForCausalLM<double>>(SLUICE_GOLDEN "/hf_mamba2"), ids);
  require_close("logits", wide, narrow, testing::model_tolerance<float>);
}

TEST_CASE("a Mamba-2 folder that does not fit is refused by name", "[model][mamba2][io][error]") {
  const testing::Folder folder;
  Rng rng(12);
  save_safetensors(folder / "model.safetensors", Mamba2ForCausalLM<float>(small(), rng));
  const auto error = [&](const std::string& json) {
    testing::write_file(folder / "config.json", json);
    return error_of([&] { load_pretrained<Mamba2ForCausalLM<float>>(folder.path()); });
  };
  const std::string config = (folder / "config.json").string() + ": ";
  const std::string tensors = (folder / "model.safetensors").string();
  const auto names = [&](const std::string& text, const std::string& file,
                         const std::string& what) {
    INFO(text);
    return text.starts_with(file) && contains(text, what);
  };
  CHECK(error(R"({"architectures": ["MambaForCausalLM"]})") ==
        config + R"(key "architectures" must be "Mamba2ForCausalLM", got "MambaForCausalLM")");
  CHECK(error(small_json + R"(, "hidden_act": "relu"})") ==
        config + "Mamba2ForCausalLM: hidden_act must be silu or swish, got relu");
  CHECK(error(small_json + R"(, "expand": 3})") ==
        config +
            "Mamba2ForCausalLM: num_heads * head_dim must be expand * hidden_size = 24, got "
            "4 * 4");
  CHECK(error(small_json + R"(, "n_groups": 3})") ==
        config + "Mamba2: n_groups must be a divisor of num_heads = 4, got 3");
  // A tensor that is missing, one that is too much, and one of another shape.
  CHECK(names(error(small_json + R"(, "use_bias": true})"), tensors,
              "backbone.layers.0.mixer.in_proj.bias"));
  CHECK(names(error(small_json + R"(, "use_conv_bias": false})"), tensors, "conv1d.bias"));
  CHECK(names(error(small_json + R"(, "conv_kernel": 3})"), tensors, "conv1d.weight"));
}

TEST_CASE("the options of a Mamba-2 folder count", "[model][mamba2]") {
  Rng rng(13);
  const Mamba2ForCausalLM<float> model(small(), rng);
  const auto ids = some_ids(2, 11, 23, 15);
  const auto expected = logits_of(model, ids);
  const testing::Folder folder;
  save_safetensors(folder / "model.safetensors", model);
  const auto difference = [&](const std::string& option) {
    testing::write_file(folder / "config.json", small_json + option + "}");
    return testing::relative_error(
        expected, logits_of(load_pretrained<Mamba2ForCausalLM<float>>(folder.path()), ids));
  };
  CHECK(difference("") == 0);
  CHECK(difference(R"(, "time_step_limit": [0.5, 0.6])") > 1e-3);
  CHECK(difference(R"(, "layer_norm_epsilon": 1)") > 1e-3);
}
