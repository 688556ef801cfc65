// SPDX-License-Identifier: MIT
/// \file
/// What the name of a column says about its unit: temp_c, wind_kt, "level (m)".
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace forecast {

/// A column name taken apart, for people to read.
struct Label {
  std::string quantity;  ///< "wind"
  std::string unit;      ///< "kt"; empty when the name carries none
};

/// "wind_kt" is wind in kt, "level (m)" level in m. Endings that are no known unit stay in the
/// name.
inline Label label_of(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 34> units{{
      {"c", "°C"},      {"degc", "°C"}, {"f", "°F"},    {"degf", "°F"},   {"kelvin", "K"},
      {"kt", "kt"},     {"kts", "kt"},  {"hpa", "hPa"}, {"mbar", "mbar"}, {"pa", "Pa"},
      {"kpa", "kPa"},   {"ms", "m/s"},  {"mps", "m/s"}, {"kmh", "km/h"},  {"mph", "mph"},
      {"mm", "mm"},     {"cm", "cm"},   {"m", "m"},     {"km", "km"},     {"pct", "%"},
      {"percent", "%"}, {"ppm", "ppm"}, {"w", "W"},     {"kw", "kW"},     {"mw", "MW"},
      {"kwh", "kWh"},   {"mwh", "MWh"}, {"v", "V"},     {"hz", "Hz"},     {"eur", "EUR"},
      {"usd", "USD"},   {"kg", "kg"},   {"s", "s"},     {"min", "min"},
  }};
  Label label{std::string(name), {}};
  const auto open = name.find_last_of("([");
  if (open != name.npos && open > 0 && (name.ends_with(')') || name.ends_with(']'))) {
    label.quantity = name.substr(0, name.find_last_not_of(" _", open - 1) + 1);
    label.unit = name.substr(open + 1, name.size() - open - 2);
  } else if (const auto cut = name.rfind('_'); cut != name.npos && cut > 0) {
    std::string ending(name.substr(cut + 1));
    for (char& c : ending)
      if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
    for (const auto& [spelling, unit] : units)
      if (ending == spelling) label = {std::string(name.substr(0, cut)), std::string(unit)};
  }
  for (char& c : label.quantity)
    if (c == '_') c = ' ';
  return label;
}

}  // namespace forecast
