// SPDX-License-Identifier: MIT
/// \file
/// A trained forecaster as one safetensors file that needs nothing else to be used again.
#pragma once

#include "model.hpp"

#include <sluice/io/safetensors.hpp>

#include <nlohmann/json.hpp>

namespace forecast {

/// A model and the scale it reads rows in.
struct Trained {
  Model model;
  Scaler scaler;
};

inline void save(const std::filesystem::path& path, const Model& model, const Series& series,
                 const Scaler& scaler, Index lookback, Index season) {
  const auto list = [](const Eigen::RowVectorXd& x) {
    return std::vector<double>(x.data(), x.data() + x.size());
  };
  const auto& c = model.config;
  const nlohmann::json about{
      {"columns", series.names}, {"mean", list(scaler.mean)}, {"deviation", list(scaler.deviation)},
      {"lookback", lookback},    {"season", season},          {"covariates", c.covariates},
      {"horizon", c.horizon},    {"recent", c.recent},        {"past", c.past},
      {"width", c.width},        {"layers", c.layers},        {"heads", c.heads}};
  sluice::save_safetensors(path, model, {{"forecast", about.dump()}});
}

/// \throws InputError  if the file is not of this program or not for this series and task.
inline Trained load(const std::filesystem::path& path, const Series& series, Scaler scaler,
                    Index horizon, Index season) {
  const auto fail = [&](const std::string& what) { throw InputError(path.string() + ": " + what); };
  try {
    const sluice::SafetensorsFile file(path);
    const auto found = file.metadata().find("forecast");
    if (found == file.metadata().end()) fail("was not written by forecast (train and save one)");
    const auto about = nlohmann::json::parse(found->second);
    if (about.at("columns").get<std::vector<std::string>>() != series.names)
      fail("was trained on other columns: " +
           detail::list(about.at("columns").get<std::vector<std::string>>()) +
           " (choose them with --columns)");
    const auto number = [&](const char* key) {
      const auto n = about.at(key).get<std::int64_t>();
      if (n < 0 || n > 1'000'000) fail(std::string(key) + " is out of range");
      return Index(n);
    };
    if (number("horizon") != horizon)
      fail("forecasts " + std::to_string(number("horizon")) + " rows (pass --horizon " +
           std::to_string(number("horizon")) + ")");
    if (number("season") != season)
      fail("was trained with a season of " + std::to_string(number("season")) + " rows");
    const auto vector = [&](const char* key, Eigen::RowVectorXd& to) {
      const auto x = about.at(key).get<std::vector<double>>();
      if (Index(x.size()) != to.size()) fail(std::string(key) + " does not fit the columns");
      for (std::size_t i = 0; i < x.size(); ++i) to[Index(i)] = x[i];
    };
    vector("mean", scaler.mean);
    vector("deviation", scaler.deviation);
    sluice::ForecasterConfig c;
    c.variates = Index(series.names.size()), c.horizon = horizon;
    c.covariates = number("covariates"), c.recent = number("recent"), c.past = number("past");
    c.width = number("width"), c.layers = number("layers"), c.heads = number("heads");
    if (c.covariates != covariates_of(season)) fail("covariates do not fit the season");
    if (c.width > 4096 || c.layers > 64 || c.recent > 4096 || c.past > 4096)
      fail("sizes are out of range");
    sluice::Rng rng(0);
    Trained trained{Model(c, rng), scaler};
    sluice::load_safetensors(file, trained.model);
    return trained;
  } catch (const nlohmann::json::exception& e) {
    fail(std::string("its metadata is damaged: ") + e.what());
  } catch (const sluice::CheckpointError& e) {
    throw InputError(e.what());
  } catch (const std::invalid_argument& e) {
    fail(std::string("its metadata does not describe a model: ") + e.what());
  }
  throw std::logic_error("unreachable");
}

}  // namespace forecast
