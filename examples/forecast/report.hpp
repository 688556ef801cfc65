// SPDX-License-Identifier: MIT
/// \file
/// What the user gets to see: a description of the data, the table of scores, the forecast as CSV
/// and as a picture.
#pragma once

#include "baseline_set.hpp"
#include "intervals.hpp"
#include "plot.hpp"
#include "table.hpp"

namespace forecast {

/// File, rows, dates, split and everything that was done to the data.
inline std::string describe(const Series& series, const Split& split, Index lookback,
                            Index horizon) {
  const Index rows = series.values.rows();
  std::string text =
      series.file + "\n  " + grouped(rows) + " rows, one every " + series.time.step_text();
  if (series.time) text += ", " + series.time.text(0) + " to " + series.time.text(rows - 1);
  text += "\n  variates: " + detail::list(series.names) + "\n";
  for (const auto& note : series.notes) text += "  note: " + note + "\n";
  const Index validation = split.validation.begin + lookback, test = split.test.begin + lookback;
  text += "  train " + grouped(validation) + ", validation " + grouped(test - validation) +
          ", test " + grouped(split.test.end - test) + " rows; look-back " + grouped(lookback) +
          ", horizon " + grouped(horizon) + "\n\n";
  return text;
}

/// Errors on the standardised scale and mean absolute errors in the units of the file; where models
/// are compared, what they cost.
inline std::string score_table(const std::vector<Contender>& contenders, const Series& series,
                               const Scaler& scaler) {
  std::vector<std::string> header{"", "MSE", "MAE"};
  for (const auto& name : series.names) {
    const Label label = label_of(name);
    header.push_back(label.quantity + (label.unit.empty() ? "" : " " + label.unit));
  }
  const bool compare = std::count_if(contenders.begin(), contenders.end(),
                                     [](const auto& c) { return c.cost.has_value(); }) > 1;
  if (compare)
    for (const char* name : {"numbers", "training s", "step us"}) header.push_back(name);
  Table table(header);
  for (const auto& c : contenders) {
    std::vector<std::string> row{c.name, fixed(c.scores.mse(), 4), fixed(c.scores.mae(), 4)};
    for (Index v = 0; v < Index(series.names.size()); ++v)
      row.push_back(readable(c.scores.mae(v) * scaler.deviation[v]));
    if (compare && c.cost)
      for (const auto& cell : {grouped(c.cost->parameters), fixed(c.cost->training_seconds, 1),
                               fixed(c.cost->step_microseconds, 1)})
        row.push_back(cell);
    table.add(row);
  }
  return table.text();
}

/// The rows after the end of the file: date,variable,mean,q05,q25,q50,q75,q95 in the file's units
/// and spelling.
inline std::string forecast_csv(const Series& series, const Scaler& scaler,
                                const Intervals& intervals, const Predictor& predict,
                                Index horizon) {
  const Index rows = series.values.rows();
  Forecasts ahead(horizon, series.values.cols());
  predict(rows, 1, ahead);
  const Matrix mean = scaler.unscale(ahead);
  std::array<Matrix, levels.size()> bounds;
  for (std::size_t i = 0; i < levels.size(); ++i) bounds[i] = scaler.unscale(ahead + intervals[i]);

  const std::string sep(1, series.separator);
  const auto quoted = [&](const std::string& cell) {
    if (cell.find_first_of(sep + "\"\r\n") == cell.npos) return cell;
    std::string out = "\"";
    for (const char c : cell) out += c == '"' ? std::string("\"\"") : std::string(1, c);
    return out + "\"";
  };
  const auto number = [&](double value) {
    std::string text = readable(value, 6);
    std::replace(text.begin(), text.end(), '.', series.decimal);
    return text;
  };
  std::string csv;
  for (const char* name : {"variable", "mean", "q05", "q25", "q50", "q75", "q95"})
    csv +=
        (csv.empty() ? (series.date_name.empty() ? "row" : quoted(series.date_name)) + sep : sep) +
        name;
  csv += "\n";
  for (Index h = 0; h < horizon; ++h)
    for (Index c = 0; c < mean.cols(); ++c) {
      csv += series.time.text(rows + h) + sep + quoted(series.names[std::size_t(c)]) + sep +
             number(mean(h, c));
      for (const auto& bound : bounds) csv += sep + number(bound(h, c));
      csv += "\n";
    }
  return csv;
}

/// The last rows of the file, forecast from the rows before them: history, truth, forecast with
/// intervals, and a baseline.
inline Picture last_window(const Series& series, const Scaler& scaler, const Matrix& rows,
                           const Intervals& intervals, const Predictor& predict,
                           const Contender& baseline, Index horizon) {
  constexpr std::size_t most_panels = 12;
  const Index first = rows.rows() - horizon, shown = std::min(first, 4 * horizon);
  Forecasts model(horizon, rows.cols()), other(horizon, rows.cols());
  predict(first, 1, model);
  baseline.predict(first, 1, other);
  std::array<Matrix, levels.size()> bounds;
  for (std::size_t i = 0; i < levels.size(); ++i) bounds[i] = scaler.unscale(model + intervals[i]);
  model = scaler.unscale(model);
  other = scaler.unscale(other);

  const auto slash = series.file.find_last_of('/');
  Picture picture{series.file.substr(slash == std::string::npos ? 0 : slash + 1) + ": the last " +
                      std::to_string(horizon) + " rows, forecast from those before",
                  baseline.name,
                  series.time,
                  first - 1,
                  {}};
  const auto column = [](const auto& m, Index c) {
    std::vector<double> x;
    for (Index i = 0; i < m.rows(); ++i) x.push_back(m(i, c));
    return x;
  };
  for (Index c = 0; c < rows.cols() && picture.panels.size() < most_panels; ++c)
    picture.panels.push_back({label_of(series.names[std::size_t(c)]),
                              column(series.values.middleRows(first - shown, shown), c),
                              column(series.values.bottomRows(horizon), c), column(model, c),
                              column(other, c), column(bounds[0], c), column(bounds[1], c),
                              column(bounds[3], c), column(bounds[4], c)});
  return picture;
}

}  // namespace forecast
