// SPDX-License-Identifier: MIT
/// \file
/// The command line of `generate`.
#pragma once

#include "../common/command_line.hpp"
#include "options.hpp"

#include <optional>
#include <string>

namespace generate {

using examples::InputError;

/// Reads the command line. Nothing when the program has already answered (--help).
/// \throws InputError  if it makes no sense.
inline std::optional<Options> parse_options(int argc, const char* const* argv) {
  Options o;
  CLI::App app(
      "Continues a text with a language model from a checkpoint folder, and tells how fast that\n"
      "went. Without arguments: a tiny model of random weights, whose tokens mean nothing.",
      "generate");
  app.get_formatter()->column_width(34);
  app.footer(
      "Example:\n"
      "  generate mamba-130m-hf --text \"Once upon a time\" --temperature 0.8 --top-p 0.95\n"
      "A folder has config.json and model.safetensors, and for text a tokenizer.json of "
      "byte-level\n"
      "byte pairs, as published for GPT-2, GPT-NeoX or Llama 3; without one there are ids.\n"
      "Exit codes: 0 done, 1 failure, 2 the command line or the folder needs mending.");
  using examples::within;
  const std::int64_t most = 1'000'000'000;

  const char* text = "Text";
  app.add_option("folder,--folder", o.folder,
                 "Checkpoint folder: of GLAForCausalLM, MambaForCausalLM\nor Mamba2ForCausalLM")
      ->group(text);
  auto* ids = app.add_option("--ids", o.ids, "Token ids to begin with, as 1,2,3")
                  ->delimiter(',')
                  ->check(within(std::int64_t{0}, most))
                  ->group(text);
  app.add_option("--text", o.text, "Text to begin with; - reads it from standard input")
      ->excludes(ids)
      ->group(text);
  app.add_option("-n,--tokens", o.tokens, "Most tokens to add")
      ->check(within(std::int64_t{1}, most))
      ->capture_default_str()
      ->group(text);
  app.add_flag("--ignore-eos", o.ignore_eos, "Go on after a token that ends the text")->group(text);

  const char* choice = "Choice of tokens";
  app.add_option("--temperature", o.sampler.temperature,
                 "0: the most probable token; 1: as the model says")
      ->check(within(0.0, 1000.0))
      ->capture_default_str()
      ->group(choice);
  app.add_option("--top-k", o.sampler.top_k, "Choose among the k most probable tokens; 0: all")
      ->check(within(std::int64_t{0}, most))
      ->capture_default_str()
      ->group(choice);
  app.add_option("--top-p", o.sampler.top_p,
                 "Choose among the most probable tokens that have this\nprobability together")
      ->check(within(0.0, 1.0))
      ->capture_default_str()
      ->group(choice);
  app.add_option("--seed", o.seed, "Same seed, same tokens")->capture_default_str()->group(choice);

  const char* program = "Program";
  app.add_option("--threads", o.threads,
                 "Share the work of reading the prompt; they change no\ntoken (default: all)")
      ->check(within(1, 1024))
      ->group(program);
  app.add_flag("-q,--quiet", o.quiet, "Only the tokens")->group(program);

  if (!examples::parse(app, argc, argv)) return {};
  if (o.sampler.temperature == 0 && (o.sampler.top_k > 0 || o.sampler.top_p < 1))
    throw InputError(
        "--top-k, --top-p: without a --temperature the most probable token is taken"
        " (try --temperature 1)");
  return o;
}

}  // namespace generate
