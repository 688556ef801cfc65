// SPDX-License-Identifier: MIT
#include "support/language_model_laws.hpp"

#include <sluice/io/pretrained.hpp>
#include <sluice/models/language/mamba_lm.hpp>

#include <cmath>
#include <cstddef>
#include <string>

using namespace sluice;
using testing::contains;
using testing::error_of;
using testing::logits_of;
using testing::some_ids;

namespace {

MambaLMConfig small(bool tied = false) {
  MambaLMConfig c;
  c.hidden_size = 8, c.num_hidden_layers = 2, c.vocab_size = 23;
  c.mixer.state_size = 5, c.mixer.dt_rank = 2;
  c.mixer.dt_min = 0.1, c.mixer.dt_max = 1;  // so that a few tokens show what is forgotten
  c.tie_word_embeddings = tied;
  c.initializer_range = 0.3;
  return c;
}

/// The same as a file.
const std::string small_json = R"({"architectures": ["MambaForCausalLM"], "hidden_size": 8,
    "num_hidden_layers": 2, "vocab_size": 23, "state_size": 5, "time_step_rank": 2,
    "tie_word_embeddings": false)";

}  // namespace

TEST_CASE("the Mamba language model keeps the laws of models", "[model][mamba][law]") {
  testing::require_model_laws<MambaForCausalLM>(small, 23);
}

TEST_CASE("a published folder becomes a Mamba language model", "[model][mamba][io]") {
  const auto model = load_pretrained<MambaForCausalLM<float>>(SLUICE_GOLDEN "/hf_mamba");
  CHECK(model.backbone.layers.size() == 2);
  const auto& mixer = model.backbone.layers[1].inner;
  CHECK(mixer.config.inner == 96);
  CHECK(mixer.config.dt_rank == 6);
  CHECK(mixer.x_proj.out() == 22);
}

TEST_CASE("a tied head may be in the file twice", "[model][mamba][io]") {
  const testing::Folder folder;
  Rng rng(12);
  MambaForCausalLM<float> model(small(true), rng);
  const auto ids = some_ids(1, 9, 23, 9);
  const auto expected = logits_of(model, ids);
  model.lm_head.emplace(8, 23, rng);
  save_safetensors(folder / "model.safetensors", model);
  const auto write = [&](const char* tied) {
    std::string json = small_json;
    json.replace(json.rfind("false"), 5, tied);
    testing::write_file(folder / "config.json", json + "}");
  };
  write("true");
  testing::require_close("logits", expected,
                         logits_of(load_pretrained<MambaForCausalLM<float>>(folder.path()), ids),
                         0);
  write("false");
  CHECK(load_pretrained<MambaForCausalLM<float>>(folder.path()).lm_head);
}

TEST_CASE("a Mamba folder that does not fit is refused by name", "[model][mamba][io][error]") {
  const testing::Folder folder;
  Rng rng(12);
  save_safetensors(folder / "model.safetensors", MambaForCausalLM<float>(small(), rng));
  const auto error = [&](const std::string& json) {
    testing::write_file(folder / "config.json", json);
    return error_of([&] { load_pretrained<MambaForCausalLM<float>>(folder.path()); });
  };
  const std::string config = (folder / "config.json").string() + ": ";
  CHECK(error(R"({"architectures": ["Mamba2ForCausalLM"]})") ==
        config + R"(key "architectures" must be "MambaForCausalLM", got "Mamba2ForCausalLM")");
  CHECK(error(small_json + R"(, "hidden_act": "relu"})") ==
        config + "MambaForCausalLM: hidden_act must be silu or swish, got relu");
  CHECK(error(small_json + R"(, "state_size": 0})") ==
        config + "Mamba: state_size must be at least 1, got 0");
  testing::write_file(folder / "config.json", small_json + "}");
  CHECK_NOTHROW(load_pretrained<MambaForCausalLM<float>>(folder.path()));
  // A tensor of another shape, one that is missing, and one that is too much.
  CHECK(contains(error(small_json + R"(, "time_step_rank": 3})"), "mixer.x_proj.weight"));
  CHECK(contains(error(small_json + R"(, "time_step_rank": "auto"})"), "mixer.x_proj.weight"));
  CHECK(contains(error(small_json + R"(, "use_bias": true})"), "mixer.in_proj.bias"));
  CHECK(contains(error(small_json + R"(, "use_conv_bias": false})"), "mixer.conv1d.bias"));
}

TEST_CASE("the sizes of a Mamba language model at their bounds", "[model][mamba][error]") {
  CHECK(MambaLMConfig{}.tie_word_embeddings);
  const auto make = [](auto&& change) {
    auto c = small();
    change(c);
    Rng rng(13);
    return MambaForCausalLM<float>(c, rng);
  };
  const auto error = [&](auto&& change) -> std::string {
    try {
      make(change);
    } catch (const ArgumentError& e) {
      return e.what();
    }
    return "";
  };
  using C = MambaLMConfig;
  CHECK(error([](C& c) { c.hidden_size = 0; }) != "");
  CHECK(error([](C& c) { c.vocab_size = 0; }) ==
        "MambaForCausalLM: hidden_size, vocab_size must be above 0, got 8, 0");
  CHECK(error([](C& c) { c.num_hidden_layers = -1; }) ==
        "MambaForCausalLM: num_hidden_layers must be at least 0, got -1");
  for (const double expand : {0.1, 1e9})
    CHECK(contains(error([&](C& c) { c.expand = expand; }),
                   "MambaForCausalLM: expand must be such that expand * hidden_size is a width"));
  CHECK(make([](C& c) { c.num_hidden_layers = 0; }).backbone.layers.size() == 0);
  CHECK(make([](C& c) { c.hidden_size = c.vocab_size = 1; }).vocabulary() == 1);
  CHECK(make([](C& c) { c.expand = 0.125; }).backbone.layers[0].inner.config.inner == 1);
  CHECK(make([](C& c) { c.expand = 3; }).backbone.layers[1].inner.config.inner == 24);

  const auto plain = make([](C&) {});
  const auto scaled = make([](C& c) { c.rescale_prenorm_residual = true; });
  for (std::size_t layer = 0; layer < 2; ++layer) {
    const auto& a = plain.backbone.layers[layer].inner.out_proj.weight;
    const auto& b = scaled.backbone.layers[layer].inner.out_proj.weight;
    for (Index i = 0; i < a.size(); ++i)
      CHECK(b.data()[i] == a.data()[i] * float(1 / std::sqrt(2.)));
  }
}
