// SPDX-License-Identifier: MIT
/// \file
/// What the file of a trained forecaster says of its model, besides the weights: enough to be used
/// again with nothing else.
#pragma once

#include "task.hpp"

#include <sluice/io/safetensors.hpp>

#include <nlohmann/json.hpp>

namespace forecast {

struct Description {
  std::string model;  ///< as --model takes it
  std::vector<std::string> columns;
  std::vector<double> mean, deviation;  ///< of the columns, by which the model reads them
  Index lookback = 0, season = 0, heads = 0;
  sluice::ForecasterConfig sizes = {};
};

/// The description of a model of `task`, as text.
inline std::string metadata(const Task& task, const std::string& model) {
  const auto list = [](const Eigen::RowVectorXd& x) {
    return std::vector<double>(x.data(), x.data() + x.size());
  };
  const auto& c = task.sizes;
  return nlohmann::json{{"model", model},
                        {"columns", task.series.names},
                        {"mean", list(task.scaler.mean)},
                        {"deviation", list(task.scaler.deviation)},
                        {"lookback", task.options.lookback},
                        {"season", task.season},
                        {"heads", task.heads},
                        {"horizon", c.horizon},
                        {"covariates", c.covariates},
                        {"recent", c.recent},
                        {"past", c.past},
                        {"width", c.width},
                        {"layers", c.layers}}
      .dump();
}

/// The description of a saved model that fits the series and the task.
/// \throws InputError  if the file is not of this program or not for them.
inline Description read_description(const std::filesystem::path& path, const Series& series,
                                    Index horizon, Index season) {
  const auto fail = [&](const std::string& what) { throw InputError(path.string() + ": " + what); };
  Description d;
  try {
    const sluice::SafetensorsFile file(path);
    const auto found = file.metadata().find("forecast");
    if (found == file.metadata().end()) fail("was not written by forecast (train and save one)");
    const auto about = nlohmann::json::parse(found->second);
    const auto number = [&](const char* key, Index most) {
      const auto n = about.at(key).get<std::int64_t>();
      if (n < 0 || n > most) fail(std::string(key) + " is out of range");
      return Index(n);
    };
    about.at("model").get_to(d.model);
    about.at("columns").get_to(d.columns);
    about.at("mean").get_to(d.mean);
    about.at("deviation").get_to(d.deviation);
    d.lookback = number("lookback", 1'000'000), d.season = number("season", 1'000'000);
    d.heads = number("heads", 4096);
    auto& c = d.sizes;
    c.variates = Index(d.columns.size()), c.horizon = number("horizon", 1'000'000);
    c.covariates = number("covariates", 4), c.recent = number("recent", 4096);
    c.past = number("past", 4096), c.width = number("width", 4096);
    c.layers = number("layers", 64);
  } catch (const nlohmann::json::exception& e) {
    fail(std::string("its metadata is damaged: ") + e.what());
  } catch (const sluice::CheckpointError& e) {
    throw InputError(e.what());
  }
  if (d.columns != series.names)
    fail("was trained on other columns: " + detail::list(d.columns) +
         " (choose them with --columns)");
  if (d.sizes.horizon != horizon)
    fail("forecasts " + std::to_string(d.sizes.horizon) + " rows (pass --horizon " +
         std::to_string(d.sizes.horizon) + ")");
  if (d.season != season)
    fail("was trained with a season of " + std::to_string(d.season) + " rows");
  if (d.mean.size() != series.names.size() || d.deviation.size() != series.names.size())
    fail("mean and deviation do not fit the columns");
  if (d.sizes.covariates != covariates_of(season)) fail("covariates do not fit the season");
  if (d.sizes.width == 0 || d.sizes.recent == 0) fail("sizes are out of range");
  if (d.heads == 0 || d.sizes.width % (2 * d.heads) != 0) fail("heads do not divide the width");
  return d;
}

}  // namespace forecast
