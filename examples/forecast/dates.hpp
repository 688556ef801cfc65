// SPDX-License-Identifier: MIT
/// \file
/// Dates of the form 2013-01-15, 2013-01-15 06:00, 2013-01-15T06:00:00Z, 2013/01/15, 15.01.2013 or
/// 2013-01, and time lines with an even step that can be continued.
#pragma once

#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

namespace forecast {

/// A point in time, and enough of its spelling to write another one alike.
struct Date {
  std::int64_t seconds = 0;  ///< since 1970-01-01 00:00, as written (the offset is not applied)
  char order = '-';          ///< '-' and '/': year first; '.': day first; 'm': year and month only
  char between = 0;          ///< ' ' or 'T' before the time, 0 without time
  bool shows_seconds = false;
  std::string zone;  ///< "Z", "+01:00" or nothing
};

namespace detail {

/// Takes `digits` digits off the front.
inline bool take(std::string_view& s, std::size_t digits, int& value) {
  if (s.size() < digits) return false;
  const auto [end, error] = std::from_chars(s.data(), s.data() + digits, value);
  if (error != std::errc{} || end != s.data() + digits || value < 0) return false;
  s.remove_prefix(digits);
  return true;
}

inline bool take(std::string_view& s, char c) {
  if (!s.starts_with(c)) return false;
  s.remove_prefix(1);
  return true;
}

}  // namespace detail

/// Days and months are checked: 2013-02-30 is not a date.
inline std::optional<Date> parse_date(std::string_view s) {
  using detail::take;
  Date date;
  int year = 0, month = 0, day = 1, hour = 0, minute = 0, second = 0;
  if (s.size() >= 10 && s[2] == '.') {
    date.order = '.';
    if (!take(s, 2, day) || !take(s, '.') || !take(s, 2, month) || !take(s, '.')) return {};
    if (!take(s, 4, year)) return {};
  } else {
    if (!take(s, 4, year) || s.empty()) return {};
    date.order = s[0] == '/' ? '/' : '-';
    if (!take(s, date.order) || !take(s, 2, month)) return {};
    if (s.empty())
      date.order = date.order == '-' ? 'm' : 0;
    else if (!take(s, date.order) || !take(s, 2, day))
      return {};
    if (date.order == 0) return {};
  }
  if (!s.empty()) {
    date.between = s[0];
    if (!(take(s, ' ') || take(s, 'T'))) return {};
    if (!take(s, 2, hour) || !take(s, ':') || !take(s, 2, minute)) return {};
    date.shows_seconds = take(s, ':');
    if (date.shows_seconds && !take(s, 2, second)) return {};
    if (take(s, '.'))  // fractions of a second are dropped
      while (!s.empty() && s[0] >= '0' && s[0] <= '9') s.remove_prefix(1);
    if (!s.empty() && s != "Z" && s[0] != '+' && s[0] != '-') return {};
    date.zone = s;
  }
  namespace chrono = std::chrono;
  const chrono::year_month_day ymd{chrono::year{year}, chrono::month{unsigned(month)},
                                   chrono::day{unsigned(day)}};
  if (!ymd.ok() || hour > 24 || minute > 59 || second > 60) return {};
  date.seconds = std::int64_t{chrono::sys_days{ymd}.time_since_epoch().count()} * 86400 +
                 hour * 3600 + minute * 60 + second;
  return date;
}

/// The time `seconds` in the spelling of `like`.
inline std::string format_date(std::int64_t seconds, const Date& like) {
  namespace chrono = std::chrono;
  std::int64_t days = seconds / 86400, rest = seconds % 86400;
  if (rest < 0) --days, rest += 86400;
  const chrono::year_month_day ymd{chrono::sys_days{chrono::days{days}}};
  const int year = int(ymd.year());
  const unsigned month = unsigned(ymd.month()), day = unsigned(ymd.day());
  std::array<char, 64> text{};
  if (like.order == '.')
    std::snprintf(text.data(), text.size(), "%02u.%02u.%04d", day, month, year);
  else if (like.order == 'm')
    std::snprintf(text.data(), text.size(), "%04d-%02u", year, month);
  else
    std::snprintf(text.data(), text.size(), "%04d%c%02u%c%02u", year, like.order, month, like.order,
                  day);
  std::string out = text.data();
  if (like.between) {
    std::snprintf(text.data(), text.size(), "%c%02d:%02d", like.between, int(rest / 3600),
                  int(rest / 60 % 60));
    out += text.data();
    if (like.shows_seconds) {
      std::snprintf(text.data(), text.size(), ":%02d", int(rest % 60));
      out += text.data();
    }
  }
  return out + like.zone;
}

/// Months since year 0, for steps of months.
inline std::int64_t month_number(std::int64_t seconds) {
  namespace chrono = std::chrono;
  const chrono::year_month_day ymd{
      chrono::floor<chrono::days>(chrono::sys_seconds{chrono::seconds{seconds}})};
  return std::int64_t{int(ymd.year())} * 12 + unsigned(ymd.month()) - 1;
}

/// When the rows of a series were observed: row r at first + r steps.
struct Timeline {
  Date first;
  std::int64_t step = 0;  ///< in seconds, or in months when `months`; 0 without dates
  bool months = false;

  explicit operator bool() const noexcept { return step != 0; }

  std::int64_t seconds(std::int64_t row) const {
    if (!months) return first.seconds + row * step;
    namespace chrono = std::chrono;
    const auto day =
        chrono::floor<chrono::days>(chrono::sys_seconds{chrono::seconds{first.seconds}});
    const chrono::year_month_day from{day};
    const auto there = chrono::year_month{from.year(), from.month()} + chrono::months{row * step};
    const chrono::year_month_day last = there / chrono::last;
    const bool end_of_month = from == from.year() / from.month() / chrono::last;
    const auto to = end_of_month || from.day() > last.day() ? last : there / from.day();
    return (chrono::sys_days{to}.time_since_epoch() / chrono::seconds{1}) +
           (first.seconds - day.time_since_epoch() / chrono::seconds{1});
  }

  /// The date of a row in the file's own spelling, or its number when there are no dates.
  std::string text(std::int64_t row) const {
    return step == 0 ? std::to_string(row + 1) : format_date(seconds(row), first);
  }

  /// Rows after which a cycle that people live by comes round: a day for steps below one, a week
  /// for daily, a year for weekly and monthly rows; 1 when the step suggests none.
  std::int64_t season() const {
    if (months) return 12 % step == 0 ? 12 / step : 1;
    if (step <= 0) return 1;
    if (step < 86400) return 86400 % step == 0 ? 86400 / step : 1;
    return step == 86400 ? 7 : step == 7 * 86400 ? 52 : 1;
  }

  /// "1 h", "15 min", "1 day".
  std::string step_text() const {
    const auto n = [](std::int64_t k, const char* unit) { return std::to_string(k) + unit; };
    if (step == 0) return "row";
    if (months) return n(step, step == 1 ? " month" : " months");
    if (step % 86400 == 0) return n(step / 86400, step == 86400 ? " day" : " days");
    if (step % 3600 == 0) return n(step / 3600, " h");
    return step % 60 == 0 ? n(step / 60, " min") : n(step, " s");
  }
};

}  // namespace forecast
