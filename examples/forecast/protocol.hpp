// SPDX-License-Identifier: MIT
/// \file
/// How a forecaster is judged: which rows may be learned from, how numbers are scaled, which
/// windows are scored. Published tables follow the same rules.
#pragma once

#include "series.hpp"

#include <string_view>

namespace forecast {

/// Rows [begin, end).
struct Range {
  Index begin = 0, end = 0;
  Index size() const noexcept { return end - begin; }
  bool operator==(const Range&) const = default;
};

/// Who may see which rows. Validation and test begin `lookback` rows before their first target, so
/// that the first target is the row at the border; only inputs overlap, targets never do.
struct Split {
  Range train, validation, test;
};

enum class Borders { ratio, ett_hourly, ett_quarter_hourly };

/// The ETT files have borders of their own (12, 4 and 4 months of 30 days), told by their names.
inline Borders borders_of(std::string_view file) {
  const auto slash = file.find_last_of("/\\");
  if (slash != file.npos) file.remove_prefix(slash + 1);
  if (file.starts_with("ETTh")) return Borders::ett_hourly;
  if (file.starts_with("ETTm")) return Borders::ett_quarter_hourly;
  return Borders::ratio;
}

/// 70 % of the rows train, 20 % test, the rest validates; ETT by months.
inline Split split(Index rows, Index lookback, Borders borders = Borders::ratio) {
  if (borders == Borders::ratio) {
    const Index train = rows * 7 / 10, test = rows * 2 / 10;
    return {{0, train}, {train - lookback, rows - test}, {rows - test - lookback, rows}};
  }
  const Index month = 30 * 24 * (borders == Borders::ett_hourly ? 1 : 4);
  return {
      {0, 12 * month}, {12 * month - lookback, 16 * month}, {16 * month - lookback, 20 * month}};
}

/// Windows of `lookback` inputs and `horizon` targets inside a range, one at every row.
inline Index windows(const Range& range, Index lookback, Index horizon) {
  return std::max<Index>(0, range.size() - lookback - horizon + 1);
}

/// Says what is lacking when a file is too short for its split.
inline void require_enough_rows(const Series& series, const Split& split, Index lookback,
                                Index horizon) {
  const Index rows = series.values.rows();
  const bool enough = split.test.end <= rows && windows(split.train, lookback, horizon) > 0 &&
                      windows(split.validation, lookback, horizon) > 0 &&
                      windows(split.test, lookback, horizon) > 0;
  if (enough) return;
  const Index needed = std::max((10 * (lookback + horizon) + 6) / 7, 10 * (horizon + 1));
  throw InputError(series.file + ": has " + std::to_string(rows) + " rows; --lookback " +
                   std::to_string(lookback) + " and --horizon " + std::to_string(horizon) +
                   " need about " + std::to_string(needed) +
                   " for training, validation and test (lower --lookback or --horizon, or bring "
                   "more rows)");
}

/// Mean and standard deviation (population) of every variate over the training rows.
struct Scaler {
  Eigen::RowVectorXd mean, deviation;

  Scaler(const Matrix& values, const Range& train) {
    const auto rows = values.middleRows(train.begin, train.size());
    mean = rows.colwise().mean();
    deviation = ((rows.rowwise() - mean).array().square().colwise().mean()).sqrt();
    for (Index c = 0; c < deviation.size(); ++c) {
      const bool constant = (rows.col(c).array() == rows(0, c)).all();
      if (constant) mean[c] = rows(0, c);
      if (constant || !(deviation[c] > 0)) deviation[c] = 1;
    }
  }

  Matrix scale(const Matrix& values) const {
    return (values.rowwise() - mean).array().rowwise() / deviation.array();
  }
  Matrix unscale(const Matrix& values) const {
    return (values.array().rowwise() * deviation.array()).matrix().rowwise() + mean;
  }
};

}  // namespace forecast
