// SPDX-License-Identifier: MIT
/// \file
/// Numbers as people read them.
#pragma once

#include <cstddef>
#include <cstdio>
#include <string>

namespace examples {

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

}  // namespace examples
