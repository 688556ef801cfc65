// SPDX-License-Identifier: MIT
/// \file
/// Reads a CSV file into cells of text, and turns cells into numbers. Every complaint names file
/// and line, and says what to do.
#pragma once

#include "../common/input_error.hpp"

#include <charconv>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace forecast {

using examples::InputError;

/// A row of a CSV file and the line on which it begins, counted from 1.
struct CsvRow {
  std::size_t line = 0;
  std::vector<std::string> cells;
};

/// The cells of a CSV file. The first row is still among `rows`, be it a header or not.
struct Csv {
  std::string file;      ///< as messages name it
  char separator = ',';  ///< found in the first line, or given
  char decimal = '.';    ///< as the file writes it; cells hold a point
  std::vector<CsvRow> rows = {};
};

/// "weather.csv:118: ".
inline std::string place(const Csv& csv, const CsvRow& row) {
  return csv.file + ":" + std::to_string(row.line) + ": ";
}

inline std::string_view trim(std::string_view s) {
  const auto from = s.find_first_not_of(" \t");
  if (from == s.npos) return {};
  return s.substr(from, s.find_last_not_of(" \t") - from + 1);
}

/// The number in a cell, written with a decimal point; nothing if it is not one, infinite numbers
/// included. Does not depend on the locale.
inline std::optional<double> parse_number(std::string_view cell) {
  cell = trim(cell);
  if (cell.starts_with('+') && !cell.starts_with("+-")) cell.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc{} || end != cell.data() + cell.size()) return {};
  if (!(value - value == 0)) return {};
  return value;
}

/// Whether a cell says that there is no value.
inline bool is_gap(std::string_view cell) {
  std::string small(trim(cell));
  for (char& c : small)
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  for (const std::string_view gap : {"", "na", "n/a", "nan", "null", "none", "-", "?"})
    if (small == gap) return true;
  return false;
}

namespace detail {

/// Tab or semicolon if the first line has one outside quotes, else comma: a comma may also be a
/// part of a number, the others may not.
inline char detect_separator(std::string_view text) {
  char found = ',';
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if (c == '\t') return c;
    if (c == ';') found = c;
    if (c == '\n' || c == '\r') break;
  }
  return found;
}

/// Where semicolons stand between fields, commas stand in numbers: 1,5 becomes 1.5.
inline void take_decimal_commas(Csv& csv) {
  for (auto& row : csv.rows)
    for (auto& cell : row.cells) {
      const auto comma = cell.find(',');
      if (comma == cell.npos || cell.find('.') != cell.npos) continue;
      std::string with_point = cell;
      with_point[comma] = '.';
      if (parse_number(with_point)) cell = with_point, csv.decimal = ',';
    }
}

inline std::string read_text(const std::filesystem::path& path) {
  const std::string file = path.string();
  if (!std::filesystem::exists(path))
    throw InputError(file + ": there is no such file (check the path; --help shows an example)");
  if (std::filesystem::is_directory(path))
    throw InputError(file + ": is a folder (name a CSV file inside it)");
  std::ifstream in(path, std::ios::binary);
  if (!in) throw InputError(file + ": cannot be opened (check its permissions)");
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"))
    throw InputError(file + ": is UTF-16 (save it as CSV UTF-8)");
  if (text.find('\0') != text.npos)
    throw InputError(file + ": is not a text file (export it as CSV UTF-8)");
  return text;
}

}  // namespace detail

/// Cuts the text of a CSV file, in UTF-8, into cells: quoted fields with doubled quotes, LF, CRLF
/// or CR, a last line with or without its end, blank lines left out, decimal commas between
/// semicolons. All rows must have as many fields as the first. `separator` 0 stands for the one
/// found.
inline Csv parse_csv(std::string file, std::string_view text, char separator = 0) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // UTF-8's byte order mark
  Csv csv{std::move(file), separator ? separator : detail::detect_separator(text)};
  CsvRow row{1, {}};
  std::string cell;
  std::size_t line = 1, opened = 0;
  bool quoted = false, was_quoted = false;

  const auto end_cell = [&] {
    row.cells.push_back(was_quoted ? cell : std::string(trim(cell)));
    cell.clear();
    was_quoted = false;
  };
  const auto end_row = [&] {
    if (row.cells.empty() && !was_quoted && trim(cell).empty()) {
      cell.clear();
    } else {
      end_cell();
      if (!csv.rows.empty() && row.cells.size() != csv.rows.front().cells.size())
        throw InputError(place(csv, row) + "expected " +
                         std::to_string(csv.rows.front().cells.size()) + " fields as in line " +
                         std::to_string(csv.rows.front().line) + ", found " +
                         std::to_string(row.cells.size()) +
                         " (mend or delete this line, or name the --separator)");
      csv.rows.push_back(std::move(row));
    }
    row = {line + 1, {}};
  };

  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\n') ++line;
      if (c != '"')
        cell += c;
      else if (i + 1 < text.size() && text[i + 1] == '"')
        cell += text[++i];
      else
        quoted = false;
    } else if (c == '"' && trim(cell).empty()) {
      quoted = was_quoted = true;
      opened = line;
      cell.clear();
    } else if (c == csv.separator) {
      end_cell();
    } else if (c == '\n' || c == '\r') {
      if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') ++i;
      end_row();
      ++line;
    } else if (!was_quoted || (c != ' ' && c != '\t')) {
      cell += c;
    }
  }
  if (quoted)
    throw InputError(csv.file + ":" + std::to_string(opened) +
                     ": a quote is opened and never closed (add the closing \")");
  end_row();
  if (csv.rows.empty()) throw InputError(csv.file + ": is empty (it needs a header and rows)");
  if (csv.separator == ';') detail::take_decimal_commas(csv);
  return csv;
}

inline Csv read_csv(const std::filesystem::path& path, char separator = 0) {
  return parse_csv(path.string(), detail::read_text(path), separator);
}

}  // namespace forecast
