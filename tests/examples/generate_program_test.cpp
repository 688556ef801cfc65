// SPDX-License-Identifier: MIT
/// \file
/// The program `generate` from outside: tokens, exit codes and messages.

#include "support/catch.hpp"
#include "support/program.hpp"

#include <sluice/core/tensor.hpp>
#include <sluice/io/safetensors.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <unistd.h>

namespace {

namespace fs = std::filesystem;
using sluice::testing::Answer;
using Ids = std::vector<std::int64_t>;

const fs::path golden = SLUICE_GOLDEN;

Answer run(const std::string& arguments) {
  return sluice::testing::run_program(GENERATE_PROGRAM, arguments);
}

void check_refused(const std::string& arguments, const std::string& message) {
  CAPTURE(arguments);
  sluice::testing::check_refused("generate", run(arguments), message);
}

std::string join(const Ids& ids, char between) {
  std::string text;
  for (const auto id : ids)
    text += (text.empty() ? "" : std::string(1, between)) + std::to_string(id);
  return text;
}

std::string quoted(const fs::path& path) { return "'" + path.string() + "'"; }

/// A copy of a golden checkpoint folder, to be changed, that goes away again.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("sluice-generate-" + std::to_string(::getpid()));
  explicit Folder(const std::string& name = "hf_mamba") {
    fs::create_directories(path);
    for (const char* file : {"config.json", "model.safetensors"})
      fs::copy_file(golden / name / file, path / file, fs::copy_options::overwrite_existing);
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name, std::ios::binary) << text;
  }
  /// The golden config.json with one key changed.
  void set(const std::string& key, const std::string& value) const {
    auto config = nlohmann::json::parse(std::ifstream(golden / "hf_mamba" / "config.json"));
    config[key] = nlohmann::json::parse(value);
    write("config.json", config.dump());
  }
};

Ids row(const sluice::Tensor<std::int64_t, 2>& ids) {
  return {ids.data(), ids.data() + ids.dimension(1)};
}

/// 256 tokens of one byte do not fit the golden vocabularies of 96, so letters must do.
constexpr const char* letters = R"({
  "added_tokens": [{"id": 95, "content": "<end>", "special": true}],
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
  "decoder": {"type": "ByteLevel"},
  "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "Ġ": 4, "Ã": 5, "©": 6},
            "merges": ["a b"]}})";

}  // namespace

TEST_CASE("a person can ask for help", "[examples][program]") {
  const Answer answer = run("--help");
  CHECK(answer.code == 0);
  for (const char* word : {"--ids", "--text", "--tokens", "--temperature", "--top-k", "--top-p",
                           "--seed", "--threads", "--ignore-eos", "Example:", "Exit codes"})
    CHECK(answer.text.find(word) != std::string::npos);
}

TEST_CASE("out of the box it tells tokens and speed", "[examples][program]") {
  const Answer answer = run("");
  CAPTURE(answer.text);
  CHECK(answer.code == 0);
  for (const char* word :
       {"model    MambaForCausalLM, ", " parameters, ", "prompt   0 1 2 3 4 5 6 7\n", "then     ",
        "prefill  8 tokens, ", "decode   ", " tokens/s, ", " ms a token, ", " GB/s of weights"})
    CHECK(answer.text.find(word) != std::string::npos);
}

TEST_CASE("greedy continuations are those of the reference", "[examples][program]") {
  for (const std::string name : {"hf_mamba", "hf_mamba2"}) {
    const sluice::SafetensorsFile file(golden / name / "golden.safetensors");
    const Ids text = row(file.tensor<std::int64_t, 2>("in.input_ids"));
    const Ids generated = row(file.tensor<std::int64_t, 2>("out.generated"));
    const auto differs = std::mismatch(generated.begin(), generated.end(), text.begin());
    const Ids prompt(generated.begin(), differs.first), rest(differs.first, generated.end());
    REQUIRE(!prompt.empty());
    const std::string options = quoted(golden / name) + " --ignore-eos --ids " + join(prompt, ',') +
                                " -n " + std::to_string(rest.size());
    for (const char* more :
         {" -q --threads 1", " -q --threads 2", " -q --temperature 1 --top-k 1"}) {
      CAPTURE(name, more);
      const Answer answer = run(options + more);
      CHECK(answer.code == 0);
      CHECK(answer.text == join(rest, ' ') + "\n");
    }
    const Answer loud = run(options);
    CHECK(loud.text.find("\nprompt   " + join(prompt, ' ') + "\nthen     " + join(rest, ' ') +
                         "\nprefill  ") != std::string::npos);
  }
}

TEST_CASE("the most probable next tokens are those of the reference", "[examples][program]") {
  const sluice::SafetensorsFile file(golden / "hf_gla" / "golden.safetensors");
  const Ids text = row(file.tensor<std::int64_t, 2>("in.input_ids"));
  const auto logits = file.tensor<float, 3>("out.step_logits");
  const auto V = logits.dimension(2);
  for (const std::size_t length : {1u, 2u, 20u, 37u}) {
    const float* next = logits.data() + std::ptrdiff_t(length - 1) * V;
    const auto expected = std::max_element(next, next + V) - next;
    const Answer answer = run(quoted(golden / "hf_gla") + " -q -n 1 --ignore-eos --ids " +
                              join(Ids(text.begin(), text.begin() + std::ptrdiff_t(length)), ','));
    CHECK(answer.text == std::to_string(expected) + "\n");
  }
}

TEST_CASE("a seed stands for its tokens", "[examples][program]") {
  const std::string options =
      "-q -n 24 --ignore-eos --temperature 2 --top-k 60 --top-p 0.9 --seed ";
  const Answer one = run(options + "1");
  CHECK(one.code == 0);
  CHECK(run(options + "1").text == one.text);
  CHECK(run(options + "2").text != one.text);
}

TEST_CASE("a token that ends the text ends it", "[examples][program]") {
  const Folder folder;
  const std::string options = quoted(folder.path) + " -q -n 12 --ids 74,62,92,64,51";
  REQUIRE(run(options).text == "46 13 56 45 11 54 58 88 45 14 59 29\n");
  for (const char* eos : {"45", "[2, 45]"}) {
    folder.set("eos_token_id", eos);
    CHECK(run(options).text == "46 13 56\n");
    CHECK(run(options + " --ignore-eos").text == "46 13 56 45 11 54 58 88 45 14 59 29\n");
  }
  for (const char* none : {"null", "[]"}) {
    folder.set("eos_token_id", none);
    CHECK(run(options).text == "46 13 56 45 11 54 58 88 45 14 59 29\n");
  }
  folder.set("eos_token_id", "46");
  const Answer nothing = run(quoted(folder.path) + " --ids 74,62,92,64,51");
  CHECK(nothing.code == 0);
  CHECK(nothing.text.find("decode   no step") != std::string::npos);
}

TEST_CASE("text goes in and comes out where there is a tokenizer", "[examples][program]") {
  const Folder folder;
  folder.write("tokenizer.json", letters);
  const std::string options = quoted(folder.path) + " -n 4 --ignore-eos ";
  const Answer ids = run(options + "-q --ids 3,2,4,0,5,6,95");
  const Answer text = run(options + "-q --text 'abc a\xC3\xA9<end>'");
  CAPTURE(ids.text, text.text);
  CHECK(text.code == 0);
  CHECK(text.text == ids.text);
  const Answer loud = run(options + "--text 'abc a\xC3\xA9<end>'");
  CHECK(loud.text.find("prompt   abc a\xC3\xA9<end>\n") != std::string::npos);
  CHECK(loud.text.find("prefill  7 tokens") != std::string::npos);
  folder.write("prompt", "abc a\xC3\xA9<end>");
  CHECK(run(options + "-q --text - < " + quoted(folder.path / "prompt")).text == text.text);

  check_refused(options + "--text 'abd'", "--text: the vocabulary has no token for the byte 0x64");
  check_refused(options + "--text 'ab\xC3'", "--text: the text is not UTF-8: byte 2");
  check_refused(options + "--text ''", "--text: is empty");

  folder.write("tokenizer.json", R"({"model": {"type": "Unigram"}})");
  check_refused(options + "--text a",
                "tokenizer.json: key \"pre_tokenizer\" is missing (--ids works");
  const Answer note = run(options + "-q --ids 3,2,4,0,5,6,95");
  CHECK(note.code == 0);
  CHECK(note.text.find("generate: note: ids instead of text: ") == 0);
}

TEST_CASE("what cannot be used is refused with exit code 2", "[examples][program]") {
  check_refused("/none", "/none: there is no such folder");
  check_refused("--ids 1,x", "--help shows all options");
  check_refused("--ids -1", "--ids");
  check_refused("--ids 1,96", "token 96 of the prompt is unknown to the model: it has 96");
  check_refused("--text hello",
                "tokenizer.json: no such file, so --text means nothing (--ids works");
  check_refused("--text a --ids 1", "--text");
  check_refused("--temperature -1", "--temperature");
  check_refused("--top-p 1.5", "--top-p");
  check_refused("--top-k -1", "--top-k");
  check_refused("--top-k 5", "(try --temperature 1)");
  check_refused("--top-p 0.5", "(try --temperature 1)");
  check_refused("-n 0", "--tokens");
  check_refused("--threads 0", "--threads");
  check_refused("--colour", "--colour");

  const Folder folder;
  const std::string path = quoted(folder.path);
  folder.set("architectures", "[\"LlamaForCausalLM\"]");
  check_refused(path,
                "config.json: key \"architectures[0]\" is \"LlamaForCausalLM\", which is not known "
                "(GLAForCausalLM, MambaForCausalLM, Mamba2ForCausalLM would fit)");
  folder.set("architectures", "[\"GLAForCausalLM\"]");
  check_refused(path, "no tensor");
  folder.set("architectures", "[]");
  check_refused(path, "config.json: key \"architectures\" is empty");
  folder.set("architectures", "7");
  check_refused(path, "config.json: key \"architectures\" must be a list, got \"7\"");
  folder.set("eos_token_id", "\"two\"");
  check_refused(path, "config.json: key \"eos_token_id\" must be the number of a token");
  folder.set("eos_token_id", "[1, -2]");
  check_refused(path, "config.json: key \"eos_token_id[1]\" must be the number of a token");
  folder.set("hidden_size", "49");
  check_refused(path, "model.safetensors");
  folder.write("config.json", "{");
  check_refused(path, "config.json: not JSON");
  fs::remove(folder.path / "config.json");
  check_refused(path, "config.json: no such file");
  folder.set("hidden_size", "48");
  folder.write("model.safetensors", "short");
  check_refused(path, "model.safetensors: too short");
  fs::remove(folder.path / "model.safetensors");
  check_refused(path, "model.safetensors: no such file");
}
