// SPDX-License-Identifier: MIT
/// \file
/// A series of numbers from a CSV file: which columns, when, and what to do about gaps. Whatever
/// is done to the data is written down in `notes`, to be told to the user.
#pragma once

#include "csv.hpp"
#include "dates.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace forecast {

using Eigen::Index;
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

struct SeriesOptions {
  char separator = 0;                     ///< 0: found in the file
  std::vector<std::string> columns = {};  ///< empty: every column with numbers
  std::string date = {};  ///< empty: found by its content; "none": rows are numbered
  Index max_gap = 24;     ///< longest run of missing rows that is filled
};

struct Series {
  std::string file;
  char separator = ',', decimal = '.';
  std::string date_name;           ///< header of the date column; empty without one
  std::vector<std::string> names;  ///< of the variates
  Timeline time;
  Matrix values;  ///< [rows, variates], finite, in the units of the file
  std::vector<std::string> notes;
};

namespace detail {

inline std::string quote(std::string_view s) { return "'" + std::string(s) + "'"; }

inline std::string list(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

/// Takes the header off `csv`, or makes one up when the first row is already data.
inline std::vector<std::string> take_header(Csv& csv) {
  auto& first = csv.rows.front().cells;
  const bool data = std::all_of(first.begin(), first.end(), [](const std::string& cell) {
    return parse_number(cell) || parse_date(cell) || is_gap(cell);
  });
  std::vector<std::string> names;
  for (std::size_t i = 0; i < first.size(); ++i) {
    const bool unnamed = data || trim(first[i]).empty();
    names.push_back(unnamed ? "column_" + std::to_string(i + 1) : std::string(trim(first[i])));
  }
  if (!data) csv.rows.erase(csv.rows.begin());
  if (csv.rows.empty())
    throw InputError(csv.file + ": has a header but no rows (add the data below the header)");
  return names;
}

inline std::size_t find_column(const Csv& csv, const std::vector<std::string>& names,
                               const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
    throw InputError(csv.file + ": there is no column " + quote(name) + " (it has " + list(names) +
                     ")");
  return std::size_t(found - names.begin());
}

inline std::size_t find_date(const Csv& csv, const std::vector<std::string>& names,
                             const std::string& wanted) {
  if (wanted == "none") return names.size();
  if (!wanted.empty()) return find_column(csv, names, wanted);
  const auto& cells = csv.rows.front().cells;
  const auto found = std::find_if(cells.begin(), cells.end(),
                                  [](const std::string& cell) { return parse_date(cell); });
  return std::size_t(found - cells.begin());
}

/// The time line of the rows, and for each row its place on it: rows may be missing.
inline std::pair<Timeline, std::vector<std::int64_t>> time_line(const Csv& csv, std::size_t column,
                                                                const std::string& name) {
  const std::string cure = " (mend the dates, or ignore them with --date none)";
  std::vector<std::int64_t> seconds;
  Timeline time;
  for (const auto& row : csv.rows) {
    const auto date = parse_date(row.cells[column]);
    const std::string where = place(csv, row) + "column " + quote(name) + ": ";
    if (!date)
      throw InputError(where + quote(row.cells[column]) +
                       " is not a date such as 2013-01-15 06:00" + cure);
    if (seconds.empty())
      time.first = *date;
    else if (date->seconds <= seconds.back())
      throw InputError(where + row.cells[column] +
                       (date->seconds == seconds.back() ? " comes twice" : " goes back in time") +
                       cure);
    seconds.push_back(date->seconds);
  }

  std::map<std::int64_t, Index> steps;
  for (std::size_t i = 1; i < seconds.size(); ++i) ++steps[seconds[i] - seconds[i - 1]];
  const auto common = std::max_element(steps.begin(), steps.end(),
                                       [](auto& a, auto& b) { return a.second < b.second; });
  time.step = common == steps.end() ? 86400 : common->first;
  if (time.step >= 28 * 86400 && time.step <= 366 * 86400) {  // perhaps the calendar's steps
    const Timeline by_month{time.first, month_number(seconds[1]) - month_number(seconds[0]), true};
    bool fits = by_month.step > 0;
    for (std::size_t i = 0; fits && i < seconds.size(); ++i)
      fits = by_month.seconds(std::int64_t(i)) == seconds[i];
    if (fits) time = by_month;
  }

  std::vector<std::int64_t> rows;
  for (std::size_t i = 0; i < seconds.size(); ++i) {
    const std::int64_t passed = seconds[i] - seconds.front();
    if (!time.months && passed % time.step != 0)
      throw InputError(place(csv, csv.rows[i]) + "column " + quote(name) +
                       ": steps are uneven: " + csv.rows[i - 1].cells[column] + " is followed by " +
                       csv.rows[i].cells[column] + ", most rows are " + time.step_text() +
                       " apart (resample the file to even steps, or ignore the dates with "
                       "--date none)");
    rows.push_back(time.months ? std::int64_t(i) : passed / time.step);
  }
  return {time, std::move(rows)};
}

/// Fills runs of NaN by straight lines, at the ends by the nearest value.
inline Index fill_gaps(Eigen::Ref<Eigen::VectorXd, 0, Eigen::InnerStride<>> x, Index max_gap,
                       const auto& too_long) {
  Index filled = 0;
  for (Index from = 0; from < x.size(); ++from) {
    if (!std::isnan(x[from])) continue;
    Index to = from;
    while (to < x.size() && std::isnan(x[to])) ++to;
    if (to - from > max_gap) too_long(from, to - from);
    const double left = from > 0 ? x[from - 1] : x[to];
    const double right = to < x.size() ? x[to] : left;
    for (Index i = from; i < to; ++i)
      x[i] = left + (right - left) * double(i - from + 1) / double(to - from + 1);
    filled += to - from;
    from = to;
  }
  return filled;
}

}  // namespace detail

/// Picks the columns, checks every cell and the dates, and fills short gaps.
/// \throws InputError  naming file, line, column and cure.
inline Series to_series(Csv csv, const SeriesOptions& options = {}) {
  using detail::quote;
  Series series;
  series.file = csv.file;
  series.separator = csv.separator, series.decimal = csv.decimal;
  const auto header = detail::take_header(csv);
  const std::size_t date = detail::find_date(csv, header, options.date);

  std::vector<std::int64_t> place_of(csv.rows.size());
  if (date < header.size()) {
    series.date_name = header[date];
    std::tie(series.time, place_of) = detail::time_line(csv, date, header[date]);
  } else {
    for (std::size_t i = 0; i < place_of.size(); ++i) place_of[i] = std::int64_t(i);
    if (options.date.empty()) series.notes.push_back("no date column: rows are numbered");
  }

  std::vector<std::size_t> columns;
  for (const auto& name : options.columns)
    columns.push_back(detail::find_column(csv, header, name));
  if (columns.empty()) {
    for (std::size_t c = 0; c < header.size(); ++c) {
      if (c == date) continue;
      if (std::any_of(csv.rows.begin(), csv.rows.end(),
                      [&](const CsvRow& row) { return bool(parse_number(row.cells[c])); }))
        columns.push_back(c);
      else
        series.notes.push_back("column " + quote(header[c]) + " has no numbers: left out");
    }
  }
  if (columns.empty())
    throw InputError(csv.file + ": no column has numbers (it has " + detail::list(header) +
                     "; is the separator " + quote(std::string(1, csv.separator)) +
                     "? --separator names another)");

  const Index rows = Index(place_of.back()) + 1;
  const Index missing = rows - Index(csv.rows.size());
  if (missing > rows / 2)
    throw InputError(csv.file + ": " + std::to_string(missing) + " of " + std::to_string(rows) +
                     " rows are missing by the dates (resample the file to even steps, or ignore "
                     "the dates with --date none)");
  if (missing > 0)
    series.notes.push_back(std::to_string(missing) + " missing rows were put in by their dates");
  series.values.setConstant(rows, Index(columns.size()), std::numeric_limits<double>::quiet_NaN());

  for (std::size_t j = 0; j < columns.size(); ++j) {
    const std::size_t c = columns[j];
    series.names.push_back(header[c]);
    bool any = false;
    for (std::size_t i = 0; i < csv.rows.size(); ++i) {
      const auto& row = csv.rows[i];
      const auto& cell = row.cells[c];
      if (const auto number = parse_number(cell)) {
        series.values(Index(place_of[i]), Index(j)) = *number;
        any = true;
      } else if (!is_gap(cell)) {
        std::string with_point = cell;
        std::replace(with_point.begin(), with_point.end(), ',', '.');
        const bool comma = with_point != cell && parse_number(with_point);
        throw InputError(place(csv, row) + "column " + quote(header[c]) + ": " + quote(cell) +
                         " is not a number (" +
                         (comma ? "write " + with_point + ", with a decimal point"
                                : "mend it, leave it empty, or use --columns to leave this column "
                                  "out") +
                         ")");
      }
    }
    if (!any)
      throw InputError(csv.file + ": column " + quote(header[c]) +
                       " has no numbers (leave it out of --columns)");
  }

  for (Index j = 0; j < series.values.cols(); ++j) {
    const auto& name = series.names[std::size_t(j)];
    const Index filled =
        detail::fill_gaps(series.values.col(j), options.max_gap, [&](Index from, Index length) {
          const auto next = std::upper_bound(place_of.begin(), place_of.end(), from - 1);
          throw InputError(place(csv, csv.rows[std::size_t(next - place_of.begin())]) + "column " +
                           quote(name) + ": " + std::to_string(length) +
                           " rows without a value, at most " + std::to_string(options.max_gap) +
                           " are filled (fill them, leave the column out with --columns, or raise "
                           "--max-gap)");
        });
    if (filled > 0)
      series.notes.push_back("column " + quote(name) + ": " + std::to_string(filled) +
                             (filled == 1 ? " gap" : " gaps") + " filled by straight lines");
    if ((series.values.col(j).array() == series.values(0, j)).all())
      series.notes.push_back("column " + quote(name) +
                             " is constant: kept, its forecast is that constant");
  }
  return series;
}

}  // namespace forecast
