// SPDX-License-Identifier: MIT
/// \file
/// Tables on the console: first column to the left, numbers to the right.
#pragma once

#include "../common/numbers.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace forecast {

using examples::fixed;
using examples::grouped;
using examples::readable;

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
