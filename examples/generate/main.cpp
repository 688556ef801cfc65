// SPDX-License-Identifier: MIT
/// \file
/// Tokens in, tokens out: loads a language model, reads a prompt, continues it token by token.

#include "command_line.hpp"
#include "printer.hpp"
#include "prompt.hpp"
#include "report.hpp"

#include <sluice/parallel/thread_team.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <thread>

namespace {

using namespace generate;

/// Prints up to --tokens tokens that follow the prompt whose logits are given.
Pace continue_text(const Options& o, const Folder& folder, LanguageModel& model,
                   std::span<const float> logits, Printer& printer) {
  Sampler sample(o.sampler, o.seed);
  Pace pace;
  std::int64_t id = sample(logits);
  for (std::int64_t made = 1; o.ignore_eos || !folder.ends(id); ++made) {
    printer.print(id);
    if (made == o.tokens) break;
    const Clock clock;
    id = sample(model.step(id));
    pace.seconds += clock.seconds(), ++pace.tokens;
  }
  printer.end_line();
  return pace;
}

void run(const Options& o) {
  const int all = std::max(1, int(std::thread::hardware_concurrency()));
  sluice::ThreadTeam team(o.threads > 0 ? o.threads : all);
  const Folder folder = read_folder(o.folder);
  const auto tokenizer = open_tokenizer(folder, o);
  const Clock loading;
  const auto model = folder.architecture.open(folder.path, team);
  const LanguageModel::Size size = model->size();
  if (!o.quiet) std::fputs(model_line(folder, size, loading.seconds()).c_str(), stdout);

  const auto prompt = read_prompt(o, tokenizer, size.vocabulary);
  Printer printer(tokenizer);
  if (!o.quiet) std::fputs("prompt   ", stdout), printer.print_end(prompt);
  const Clock reading;
  const auto logits = model->read(prompt);
  const Pace prefill{std::int64_t(prompt.size()), reading.seconds()};
  if (!o.quiet) std::fputs("then     ", stdout);
  const Pace decode = continue_text(o, folder, *model, logits, printer);
  if (o.quiet) return;
  std::fputs(prefill_line(prefill).c_str(), stdout);
  std::fputs(decode_line(decode, size).c_str(), stdout);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (const auto options = generate::parse_options(argc, argv)) run(*options);
    return 0;
  } catch (const generate::InputError& e) {
    std::fprintf(stderr, "generate: %s\n", e.what());
    return 2;
  } catch (const sluice::CheckpointError& e) {
    std::fprintf(stderr, "generate: %s\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "generate: failed: %s\n", e.what());
    return 1;
  }
}
