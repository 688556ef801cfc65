// SPDX-License-Identifier: MIT
/// \file
/// The command line of `forecast`.
#pragma once

#include "../common/command_line.hpp"
#include "options.hpp"

#include <optional>
#include <string>

namespace forecast {

namespace detail {

inline char parse_separator(const std::string& text) {
  if (text.empty()) return 0;
  if (text == "\\t" || text == "tab") return '\t';
  if (text.size() == 1) return text[0];
  throw InputError("--separator: '" + text + "' is not one character (write ';', ',' or tab)");
}

}  // namespace detail

/// Reads the command line. Nothing when the program has already answered (--help).
/// \throws InputError  if it makes no sense.
inline std::optional<Options> parse_options(int argc, const char* const* argv) {
  Options o;
  std::string separator;
  bool no_plot = false;
  CLI::App app(
      "Learns from a CSV file with a causal model that streams, and forecasts the rows that\n"
      "follow. Without arguments: four weather variates of New York, 24 hours ahead.",
      "forecast");
  app.get_formatter()->column_width(34);
  app.footer(
      "Example:\n"
      "  forecast sales.csv --columns units,price --lookback 56 --horizon 14 --out result\n"
      "Writes forecast.csv, forecast.png, forecast.svg and model.safetensors to the --out folder.\n"
      "Exit codes: 0 done, 1 failure, 2 the command line or the data needs mending.");

  using examples::within;
  const auto positive = within(Index{1}, Index{1'000'000});
  const char* data = "Data";
  app.add_option("data,--data", o.data, "CSV file: one row a time step, one column a variate")
      ->group(data);
  app.add_option("--columns", o.series.columns, "Variates, by name (default: all with numbers)")
      ->delimiter(',')
      ->group(data);
  app.add_option("--date", o.series.date, "Date column, or 'none' (default: found)")->group(data);
  app.add_option("--separator", separator, "Between fields: ',' ';' or tab (default: found)")
      ->group(data);
  app.add_option("--max-gap", o.series.max_gap, "Longest run of missing rows that is filled")
      ->check(within(Index{0}, Index{1'000'000}))
      ->capture_default_str()
      ->group(data);

  const char* task = "Task";
  app.add_option("-H,--horizon", o.horizon, "Rows to forecast")
      ->check(positive)
      ->capture_default_str()
      ->group(task);
  app.add_option("-L,--lookback", o.lookback, "Rows in a window of training")
      ->check(positive)
      ->capture_default_str()
      ->group(task);
  app.add_option("--season", o.season, "Rows in a season, for the baseline (default: by the dates)")
      ->check(positive)
      ->group(task);

  const char* model = "Model";
  app.add_option("--model", o.model,
                 "gla, mamba, mamba2, retention, linear, or all of them\ncompared (default: gla)")
      ->check(
          CLI::IsMember({"gla", "mamba", "mamba2", "retention", "linear", "all"}).description(""))
      ->group(model);
  app.add_option("--width", o.width, "Numbers that describe a time step inside the model")
      ->check(positive)
      ->capture_default_str()
      ->group(model);
  app.add_option("--layers", o.layers, "Blocks of mixer and feed-forward layer")
      ->check(within(Index{0}, Index{64}))
      ->capture_default_str()
      ->group(model);
  app.add_option("--heads", o.heads,
                 "Heads of a mixer that has some; twice as many divide the width")
      ->check(positive)
      ->capture_default_str()
      ->group(model);
  app.add_option("--dropout", o.dropout, "Part of the activations left out while training")
      ->check(within(0.0, 0.9))
      ->capture_default_str()
      ->group(model);

  const char* training = "Training";
  app.add_option("--epochs", o.epochs, "Most passes over the training rows")
      ->check(within(0, 100'000))
      ->capture_default_str()
      ->group(training);
  app.add_option("--patience", o.patience, "Epochs without a better validation before stopping")
      ->check(within(1, 100'000))
      ->capture_default_str()
      ->group(training);
  app.add_option("--minutes", o.minutes, "Most minutes of training (default: no limit)")
      ->check(within(0.0, 1e6))
      ->group(training);
  app.add_option("--batch", o.batch, "Windows in a training step")
      ->check(positive)
      ->capture_default_str()
      ->group(training);
  app.add_option("--learning-rate", o.learning_rate, "Largest step of AdamW")
      ->check(within(1e-9, 10.0))
      ->capture_default_str()
      ->group(training);
  app.add_option("--weight-decay", o.weight_decay, "Pull of the weights towards zero")
      ->check(within(0.0, 10.0))
      ->capture_default_str()
      ->group(training);
  app.add_option("--seed", o.seed, "Same seed, same result")
      ->capture_default_str()
      ->group(training);
  app.add_option("--threads", o.threads, "Does not change the result")
      ->check(within(1, 1024))
      ->capture_default_str()
      ->group(training);

  const char* output = "Output";
  app.add_option("-o,--out", o.out, "Folder for the results")->capture_default_str()->group(output);
  app.add_option("--load", o.load, "Use this model.safetensors instead of training")->group(output);
  app.add_flag("--no-plot", no_plot, "Leave the pictures out")->group(output);
  app.add_flag("-q,--quiet", o.quiet, "Only the table at the end")->group(output);

  if (!examples::parse(app, argc, argv)) return {};
  o.plot = !no_plot;
  o.series.separator = detail::parse_separator(separator);
  if (o.width % (2 * o.heads) != 0)
    throw InputError("--width " + std::to_string(o.width) +
                     " must be a multiple of twice --heads " + std::to_string(o.heads) +
                     " (try --heads 2 --width 32)");
  return o;
}

}  // namespace forecast
