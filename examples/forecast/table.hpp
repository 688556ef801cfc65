// SPDX-License-Identifier: MIT
/// \file
/// Tables on the console: first column to the left, numbers to the right.
#pragma once

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace forecast {

/// A number with so many digits after the point.
inline std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

/// A number with about so many significant digits and no exponent: 0.0123, 1.23, 1016.
inline std::string readable(double value, int significant = 3) {
  int digits = significant - 1;
  for (double size = value < 0 ? -value : value; size >= 10 && digits > 0; size /= 10) --digits;
  for (double size = value < 0 ? -value : value; size < 1 && size > 0 && digits < 6; size *= 10)
    ++digits;
  return fixed(value, digits);
}

/// 1234567 as "1 234 567".
inline std::string grouped(long long n) {
  std::string text = std::to_string(n);
  for (int i = int(text.size()) - 3; i > (n < 0 ? 1 : 0); i -= 3)
    text.insert(std::size_t(i), 1, ' ');
  return text;
}

/// Characters that UTF-8 text takes on the screen, combining marks aside.
inline std::size_t width_of(std::string_view text) {
  return std::size_t(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }

  void add(std::vector<std::string> row) {
    row.resize(rows_.front().size());
    rows_.push_back(std::move(row));
  }

  std::string text() const {
    std::vector<std::size_t> widths(rows_.front().size());
    for (const auto& row : rows_)
      for (std::size_t c = 0; c < row.size(); ++c)
        widths[c] = std::max(widths[c], width_of(row[c]));

    std::string out;
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      std::string line = "  ";
      for (std::size_t c = 0; c < widths.size(); ++c) {
        const std::string space(widths[c] - width_of(rows_[r][c]), ' ');
        line += (c ? "  " : "") + (c ? space + rows_[r][c] : rows_[r][c] + space);
      }
      out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
      if (r == 0) {
        out += "  ";
        for (std::size_t c = 0; c < widths.size(); ++c)
          out += (c ? "  " : "") + std::string(widths[c], '-');
        out += "\n";
      }
    }
    return out;
  }

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace forecast
