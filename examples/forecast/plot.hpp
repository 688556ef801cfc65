// SPDX-License-Identifier: MIT
/// \file
/// The picture of a forecast, drawn by gnuplot: one panel a variate, with what was known, what came
/// and what was forecast.
#pragma once

#include "dates.hpp"
#include "output_file.hpp"
#include "units.hpp"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <sstream>
#include <vector>

namespace forecast {

/// One variate around the origin of a forecast, in its own unit.
struct Panel {
  Label label;
  std::vector<double> history;                       ///< the last value is the newest known
  std::vector<double> truth;                         ///< what came; may be empty
  std::vector<double> forecast, baseline;            ///< as long as the horizon
  std::vector<double> low90, low50, high50, high90;  ///< bounds of the intervals
};

struct Picture {
  std::string title, baseline;  ///< baseline: what its line is called
  Timeline time;
  std::int64_t origin = 0;  ///< row of the newest known value
  std::vector<Panel> panels;
};

namespace detail {

/// A gnuplot string: single quotes, with those inside doubled.
inline std::string gnuplot_quote(std::string_view s) {
  std::string out = "'";
  for (const char c : s) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}

/// A round distance between the tics of a panel that gives it at most five.
inline double tic_distance(const Panel& p) {
  double low = p.history.front(), high = low;
  for (const auto* x : {&p.history, &p.truth, &p.forecast, &p.baseline, &p.low90, &p.high90})
    for (const double v : *x) low = std::min(low, v), high = std::max(high, v);
  if (!(high > low)) return 1;
  const double least = (high - low) / 5, power = std::pow(10, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= least) return factor * power;
  return 10 * power;
}

/// Row, date, history, truth, forecast, bounds, baseline; "?" where there is no value. The lines of
/// the future begin at the newest known value.
inline void write_data(std::ostream& out, const Picture& picture, const Panel& p, std::size_t i) {
  const auto past = std::int64_t(p.history.size());
  out << "$panel" << i << " << END\n";
  out.precision(10);
  for (std::int64_t k = 1 - past; k <= std::int64_t(p.forecast.size()); ++k) {
    const std::int64_t row = picture.origin + k;
    const auto future = [&](const std::vector<double>& x) {
      if (k < 0 || (k > 0 && std::size_t(k) > x.size()))
        out << " ?";
      else
        out << ' ' << (k == 0 ? p.history.back() : x[std::size_t(k - 1)]);
    };
    out << (picture.time ? picture.time.seconds(row) : row + 1);
    if (k <= 0)
      out << ' ' << p.history[std::size_t(past - 1 + k)];
    else
      out << " ?";
    for (const auto* x :
         {&p.truth, &p.forecast, &p.low90, &p.low50, &p.high50, &p.high90, &p.baseline})
      future(*x);
    out << '\n';
  }
  out << "END\n";
}

}  // namespace detail

/// The gnuplot commands that draw `picture` to `file`; `terminal` is "pngcairo" or "svg".
inline std::string plot_script(const Picture& picture, const std::string& terminal,
                               const std::string& file) {
  using detail::gnuplot_quote;
  const std::size_t n = picture.panels.size(), columns = n > 4 ? 2 : 1;
  const std::size_t rows = (n + columns - 1) / columns;
  const double height = 118 + 190.0 * double(rows);  // pixels; the head takes 84, the foot 34
  const double left = columns == 1 ? 0.065 : 0.045, right = 0.98;
  std::ostringstream out;
  out << "set encoding utf8\nset datafile missing '?'\nset terminal " << terminal << " size "
      << (columns == 1 ? 1000 : 1600) << "," << height
      << " background '#ffffff' enhanced butt font 'DejaVu Sans,12'\nset output "
      << gnuplot_quote(file) << "\n";
  for (std::size_t i = 0; i < n; ++i) detail::write_data(out, picture, picture.panels[i], i);

  out << "set multiplot layout " << rows << "," << columns << " margins " << left << "," << right
      << "," << 34 / height << "," << 1 - 100 / height << " spacing 0.06," << 44 / height
      << "\nset label 1 " << gnuplot_quote(picture.title) << " noenhanced at screen " << left
      << ", screen " << 1 - 26 / height
      << " left font 'DejaVu Sans Bold,14' textcolor rgb '#111827'\n"
      << "set border 0\nset tics scale 0 nomirror textcolor rgb '#6b7280'\n"
         "set grid ytics linetype 1 linewidth 1 linecolor rgb '#e5e7eb'\n"
         "set grid xtics linetype 1 linewidth 1 linecolor rgb '#eef0f3'\n"
         "set style fill solid noborder\nset autoscale yfix\n"
         "set offsets 0, 0, graph 0.05, graph 0.05\n";
  const auto at = [&](std::int64_t row) {
    return "'" + std::to_string(picture.time ? picture.time.seconds(row) : row + 1) + "'";
  };
  std::string x_format = "'%.0f'";
  if (picture.time && n > 0) {
    const auto& p = picture.panels.front();
    const std::int64_t shown =
        picture.time.seconds(picture.origin + std::int64_t(p.forecast.size())) -
        picture.time.seconds(picture.origin - std::int64_t(p.history.size()) + 1);
    const std::int64_t day = 86400;
    x_format = shown < 2 * day ? "'%H:%M'" : shown < 200 * day ? "'%d %b'" : "'%b %Y'";
    out << "set xdata time\nset timefmt '%s'\n";
    if (shown >= 2 * day && shown < 12 * day) out << "set xtics 86400\n";
  }

  const std::string wide = "with lines linewidth 2.2 linecolor rgb ";
  for (std::size_t i = 0; i < n; ++i) {
    const auto& p = picture.panels[i];
    const std::string data = "$panel" + std::to_string(i) + " using ", origin = at(picture.origin);
    if (i == 0)
      out << "set key at screen " << right << ", screen " << 1 - 52 / height
          << " right vertical maxrows 2 noenhanced samplen 2.2 textcolor rgb "
             "'#374151'\n";
    else
      out << "set key off\nunset label 1\n";
    out << "set format x " << (i + columns < n ? "''" : x_format) << "\nset xrange ["
        << at(picture.origin - std::int64_t(p.history.size()) + 1) << ":"
        << at(picture.origin + std::int64_t(p.forecast.size())) << "]\nset label 2 "
        << gnuplot_quote(p.label.quantity + (p.label.unit.empty() ? "" : ", " + p.label.unit))
        << " noenhanced at graph 0, graph 1.08 left font 'DejaVu Sans Bold,12' textcolor rgb "
           "'#374151'\nset arrow 1 from "
        << origin << ", graph 0 to " << origin
        << ", graph 1 nohead front linewidth 1.2 dashtype 3 linecolor rgb '#9ca3af'\nset ytics "
        << detail::tic_distance(p) << "\nplot ";
    if (!p.low90.empty())
      out << data << "1:5:8 title '90 %' with filledcurves linecolor rgb '#dbeafe', " << data
          << "1:6:7 title '50 %' with filledcurves linecolor rgb '#b6d4fb', ";
    out << data << "1:2 title 'history' " << wide << "'#6b7280', ";
    if (!p.truth.empty()) out << data << "1:3 title 'truth' " << wide << "'#111827', ";
    out << data << "1:9 title " << gnuplot_quote(picture.baseline)
        << " with lines linewidth 1.8 dashtype 2 linecolor rgb '#d97706', " << data
        << "1:4 title 'forecast' " << wide << "'#2563eb'\n";
  }
  out << "unset multiplot\nunset output\n";
  return out.str();
}

/// Draws `picture` as PNG or SVG, by the ending of `path`. Answers whether that worked: gnuplot may
/// not be installed.
inline bool draw(const Picture& picture, const std::filesystem::path& path) {
  const std::string terminal = path.extension() == ".svg" ? "svg" : "pngcairo";
  try {
    write_whole(path, [&](const std::filesystem::path& temporary) {
      const std::string script = plot_script(picture, terminal, temporary.string());
      const auto before = std::signal(SIGPIPE, SIG_IGN);  // gnuplot may be missing or stop early
      std::FILE* gnuplot = ::popen("gnuplot >/dev/null 2>&1", "w");
      bool good = gnuplot != nullptr;
      if (good) good = std::fwrite(script.data(), 1, script.size(), gnuplot) == script.size();
      if (gnuplot) good = ::pclose(gnuplot) == 0 && good;
      std::signal(SIGPIPE, before);
      if (!good) throw std::runtime_error("gnuplot failed");
    });
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace forecast
