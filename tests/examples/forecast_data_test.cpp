// SPDX-License-Identifier: MIT
/// \file
/// Reading of CSV files by the forecaster: what just works, and what every complaint says.

#include "support/catch.hpp"

#include <forecast/series.hpp>
#include <forecast/units.hpp>

using namespace forecast;

namespace {

Series read(const std::string& text, const SeriesOptions& options = {}) {
  return to_series(parse_csv("a.csv", text, options.separator), options);
}

/// The complaint about a text, or nothing.
std::string complaint(const std::string& text, const SeriesOptions& options = {}) {
  try {
    read(text, options);
  } catch (const InputError& e) {
    return e.what();
  }
  return {};
}

const std::string plain = "date,a,b\n2013-01-01,1,2.5\n2013-01-02,-3e1,4\n2013-01-03,+5,.5\n";

}  // namespace

TEST_CASE("the same table in many spellings", "[examples][csv]") {
  const auto text = GENERATE(as<std::string>{}, plain,
                             "\xEF\xBB\xBF" + plain,             // BOM
                             plain.substr(0, plain.size() - 1),  // no last end
                             plain + "\n\n",                     // blank lines
                             "date;a;b\n2013-01-01;1;2.5\n2013-01-02;-30;4\n2013-01-03;5;0.5\n",
                             "date;a;b\n2013-01-01;1;2,5\n2013-01-02;-30;4\n2013-01-03;5,0;,5\n",
                             "date\ta\tb\r\n2013-01-01\t1\t2.5\r\n2013-01-02\t-30\t4\r\n"
                             "2013-01-03\t5\t0.5\r\n",
                             "\"date\",\"a\",\"b\"\n\"2013-01-01\",\"1\",\"2.5\"\n"
                             "2013-01-02, -30 ,4\n2013-01-03,5.0,5E-1",
                             "a,b,date\r1,2.5,2013-01-01\r-30,4,2013-01-02\r5,.5,2013-01-03\r");
  CAPTURE(text);
  const Series s = read(text);
  CHECK(s.names == std::vector<std::string>{"a", "b"});
  CHECK(s.date_name == "date");
  CHECK(s.time.text(3) == "2013-01-04");
  CHECK(s.notes.empty());
  Matrix expected(3, 2);
  expected << 1, 2.5, -30, 4, 5, .5;
  CHECK(s.values == expected);
}

TEST_CASE("quotes hold separators, quotes and line ends", "[examples][csv]") {
  const Csv csv = parse_csv("a.csv", "\"a,\"\"b\"\"\",\"c\nd\"\n1,2\n3,4\n");
  CHECK(csv.rows[0].cells == std::vector<std::string>{"a,\"b\"", "c\nd"});
  CHECK(csv.rows[1].line == 3);
  CHECK(csv.rows.size() == 3);
}

TEST_CASE("without header or dates", "[examples][csv]") {
  const Series s = read("1,2\n3,4\n5,6\n");
  CHECK(s.names == std::vector<std::string>{"column_1", "column_2"});
  CHECK(s.values.rows() == 3);
  CHECK(s.time.text(3) == "4");
  CHECK(s.notes == std::vector<std::string>{"no date column: rows are numbered"});
}

TEST_CASE("columns are chosen by name and order, words are left out", "[examples][csv]") {
  const std::string text = "a,sky,b\n1,rain,2\n3,sun,4\n";
  CHECK(read(text).names == std::vector<std::string>{"a", "b"});
  CHECK(read(text).notes.back() == "column 'sky' has no numbers: left out");
  CHECK(read(text, {.columns = {"b", "a"}}).values(0, 0) == 2);
  CHECK(complaint(text, {.columns = {"c"}}) == "a.csv: there is no column 'c' (it has a, sky, b)");
  CHECK(complaint(text, {.columns = {"sky"}})
            .starts_with("a.csv:2: column 'sky': 'rain' is not a number"));
}

TEST_CASE("gaps are filled by straight lines and counted", "[examples][csv]") {
  const Series s = read("a,b\n-,1\n2,NaN\nn/a,\n6,4\n,5\n");
  Matrix expected(5, 2);
  expected << 2, 1, 2, 2, 4, 3, 6, 4, 6, 5;
  CHECK(s.values == expected);
  CHECK(s.notes[1] == "column 'a': 3 gaps filled by straight lines");
  CHECK(s.notes[2] == "column 'b': 2 gaps filled by straight lines");
  CHECK(complaint("a,b\n1,1\n,2\n,3\n4,4\n", {.max_gap = 1}) ==
        "a.csv:3: column 'a': 2 rows without a value, at most 1 are filled (fill them, leave the "
        "column out with --columns, or raise --max-gap)");
}

TEST_CASE("rows that the dates miss are gaps", "[examples][csv]") {
  const Series s = read("t,a\n2013-01-01 00:00,1\n2013-01-01 01:00,2\n2013-01-01 03:00,4\n");
  CHECK(s.values.rows() == 4);
  CHECK(s.values(2, 0) == 3);
  CHECK(s.notes.front() == "1 missing rows were put in by their dates");
}

TEST_CASE("a constant column is kept with a warning", "[examples][csv]") {
  const Series s = read("a,b\n7,1\n7,2\n7,3\n");
  CHECK(s.names.size() == 2);
  CHECK(s.notes.back() == "column 'a' is constant: kept, its forecast is that constant");
}

TEST_CASE("complaints name file, line, column and cure", "[examples][csv]") {
  CHECK(complaint("") == "a.csv: is empty (it needs a header and rows)");
  CHECK(complaint("a,b\n") == "a.csv: has a header but no rows (add the data below the header)");
  CHECK(complaint("a,b\n1,2\n3\n") ==
        "a.csv:3: expected 2 fields as in line 1, found 1 (mend or delete this line, or name the "
        "--separator)");
  CHECK(complaint("wind_kt,b\n1,2\ncalm,3\n") ==
        "a.csv:3: column 'wind_kt': 'calm' is not a number (mend it, leave it empty, or use "
        "--columns to leave this column out)");
  CHECK(complaint("a,b\n1,2\n\"1,5\",3\n") ==
        "a.csv:3: column 'a': '1,5' is not a number (write 1.5, with a decimal point)");
  CHECK(complaint("a,b\n1,2\ninf,3\n").starts_with("a.csv:3: column 'a': 'inf' is not a number"));
  CHECK(complaint("a b\nx\ny\n").starts_with("a.csv: no column has numbers (it has a b;"));
  CHECK(complaint("a,b\n1,\"2\n3,4\n") ==
        "a.csv:2: a quote is opened and never closed (add the closing \")");
}

TEST_CASE("complaints about dates", "[examples][csv]") {
  const std::string cure = " (mend the dates, or ignore them with --date none)";
  CHECK(complaint("t,a\n2013-01-01,1\n2013-01-01,2\n") ==
        "a.csv:3: column 't': 2013-01-01 comes twice" + cure);
  CHECK(complaint("t,a\n2013-01-02,1\n2013-01-01,2\n") ==
        "a.csv:3: column 't': 2013-01-01 goes back in time" + cure);
  CHECK(complaint("t,a\n2013-01-02,1\n2013-02-30,2\n") ==
        "a.csv:3: column 't': '2013-02-30' is not a date such as 2013-01-15 06:00" + cure);
  CHECK(complaint("t,a\n2013-01-01 00:00,1\n2013-01-01 01:00,2\n2013-01-01 02:00,3\n"
                  "2013-01-01 02:40,4\n") ==
        "a.csv:5: column 't': steps are uneven: 2013-01-01 02:00 is followed by 2013-01-01 02:40, "
        "most rows are 1 h apart (resample the file to even steps, or ignore the dates with "
        "--date none)");
  CHECK(read("t,a\n2013-01-02,1\n2013-01-01,2\n", {.date = "none"}).names ==
        std::vector<std::string>{"a"});
}

TEST_CASE("dates keep their spelling when continued", "[examples][dates]") {
  struct Case {
    std::string first, second, fourth;
    std::int64_t season;
  };
  const auto c = GENERATE(values<Case>({
      {"2012-02-28", "2012-02-29", "2012-03-02", 7},
      {"2013-12-31 23:00", "2014-01-01 00:00", "2014-01-01 02:00", 24},
      {"2013-01-01T00:00:00Z", "2013-01-01T00:15:00Z", "2013-01-01T00:45:00Z", 96},
      {"2013/01/01", "2013/01/08", "2013/01/22", 52},
      {"31.01.2013", "28.02.2013", "30.04.2013", 12},
      {"2013-11", "2013-12", "2014-02", 12},
      {"1968-12-30", "1968-12-31", "1969-01-02", 7},
  }));
  const Series s = read("t,a\n" + c.first + ",1\n" + c.second + ",2\n");
  CHECK(s.time.text(0) == c.first);
  CHECK(s.time.text(1) == c.second);
  CHECK(s.time.text(3) == c.fourth);
  CHECK(s.time.season() == c.season);
  CHECK_FALSE(parse_date("2013-13-01"));
  CHECK_FALSE(parse_date("20130101"));
}

TEST_CASE("files that are none", "[examples][csv]") {
  const auto folder = std::filesystem::temp_directory_path();
  CHECK_THROWS_AS(read_csv(folder), InputError);
  CHECK_THROWS_AS(read_csv(folder / "no such file.csv"), InputError);
}

TEST_CASE("units in names", "[examples]") {
  CHECK(label_of("temp_c").quantity == "temp");
  CHECK(label_of("temp_c").unit == "°C");
  CHECK(label_of("pressure_hpa").unit == "hPa");
  CHECK(label_of("sea level (m)").quantity == "sea level");
  CHECK(label_of("sea level (m)").unit == "m");
  CHECK(label_of("NYC_tmax").quantity == "NYC tmax");
  CHECK(label_of("NYC_tmax").unit.empty());
}
