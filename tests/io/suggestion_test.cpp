// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <sluice/io/error.hpp>
#include <sluice/io/suggestion.hpp>

#include <string>
#include <string_view>
#include <vector>

using namespace sluice::detail;

TEST_CASE("the distance of two texts", "[io]") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("", "ab") == 2);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("sitting", "kitten") == 3);
  CHECK(edit_distance("ab", "ba") == 2);
  CHECK(edit_distance("weight", "weight") == 0);
  CHECK(edit_distance("flaw", "lawn") == 2);
}

TEST_CASE("the candidate that was meant", "[io]") {
  const auto nearest = [](std::string_view wanted, const std::vector<std::string_view>& from) {
    return nearest_name(wanted, from);
  };
  CHECK(nearest("weight", {"bias", "weigth", "weights"}) == "weights");
  CHECK(nearest("weight", {"bias", "offset"}).empty());
  // A third of the letters may differ, and the first of equals is taken.
  CHECK(nearest("abcdef", {"abcdxy"}) == "abcdxy");
  CHECK(nearest("abcdef", {"abcxyz"}).empty());
  CHECK(nearest("abcdef", {"abcdxf", "abcdef.x", "xbcdef"}) == "abcdxf");
  // A lost or an added prefix wins over letters.
  CHECK(nearest("model.a.weight", {"model.b.weight", "a.weight"}) == "a.weight");
  CHECK(nearest("a.weight", {"b.weight", "model.a.weight"}) == "model.a.weight");
  CHECK(nearest("eight", {"weight.eight_", "w.weight"}).empty());  // not from a dot on
  CHECK(is_tail("a.b", "b"));
  CHECK_FALSE(is_tail(".b", ".b"));
  CHECK_FALSE(is_tail("ab", "b"));

  CHECK(nearest("", {"a"}).empty());
  CHECK(nearest("a", {""}).empty());
  const std::string longest(200, 'a'), longer(201, 'a'), other = std::string(199, 'a') + 'b';
  CHECK(nearest(longest, {other}) == other);
  CHECK(nearest(longest, {longer}).empty());
  CHECK(nearest(longer, {longest}).empty());

  // Only so many are looked at.
  std::vector<std::string_view> many(1999, "zzzzzzzz");
  many.push_back("weights");
  CHECK(nearest("weight", many) == "weights");
  many.insert(many.begin(), "zzzzzzzz");
  CHECK(nearest("weight", many).empty());
}

TEST_CASE("names in messages are cut and made readable", "[io]") {
  CHECK(in_quotes("a b") == "\"a b\"");
  CHECK(in_quotes("a\nb\x7f\x1f\xff") == "\"a?b??\xff\"");
  CHECK(in_quotes(std::string(120, 'x')) == '"' + std::string(120, 'x') + '"');
  CHECK(in_quotes(std::string(121, 'x')) == '"' + std::string(120, 'x') + "...\"");
}
