// SPDX-License-Identifier: MIT
// The operations that know no shape: one table, and what holds for all of them.
#include "ops/generic_check.hpp"
#include "support/catch.hpp"

#include <sluice/ops/arithmetic.hpp>
#include <sluice/ops/broadcast.hpp>
#include <sluice/ops/concat.hpp>
#include <sluice/ops/copy.hpp>
#include <sluice/ops/gather.hpp>
#include <sluice/ops/matmul.hpp>
#include <sluice/ops/pad.hpp>
#include <sluice/ops/permute.hpp>
#include <sluice/ops/reduce.hpp>
#include <sluice/ops/reshape.hpp>
#include <sluice/ops/slice.hpp>
#include <sluice/ops/softmax.hpp>
#include <sluice/ops/weighted_sum.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

using namespace sluice;
using namespace sluice::testing;

namespace {

const auto by_element = [](const auto& f) {
  return [f](const Sources& x, const Sizes& at) { return f(x[0].repeated(at), x[1].repeated(at)); };
};

/// The rows of a table for one operator with all ways of broadcasting.
template <class F, class G>
void add_broadcasting(std::vector<Row>& table, const std::string& name, const F& f,
                      const G& element, double low) {
  table.push_back({name,
                   op<3, 3>(f),
                   by_element(element),
                   {{{{2, 3, 19}, {2, 3, 19}}, {2, 3, 19}},
                    {{{2, 3, 5}, {1, 3, 5}}, {2, 3, 5}},
                    {{{2, 1, 5}, {2, 3, 5}}, {2, 3, 5}},
                    {{{2, 3, 5}, {2, 3, 1}}, {2, 3, 5}},
                    {{{1, 3, 1}, {2, 1, 5}}, {2, 3, 5}},
                    {{{2, 3, 1}, {1, 1, 1}}, {2, 3, 1}},
                    {{{2, 0, 5}, {2, 1, 5}}, {2, 0, 5}},
                    {{{2, 3, 0}, {1, 3, 1}}, {2, 3, 0}}},
                   low});
  table.push_back({name + ", rows and a row",
                   op<3, 1>(f),
                   by_element(element),
                   {{{{2, 3, 19}, {19}}, {2, 3, 19}},
                    {{{2, 3, 5}, {1}}, {2, 3, 5}},
                    {{{2, 3, 1}, {5}}, {2, 3, 5}},
                    {{{0, 3, 5}, {5}}, {0, 3, 5}}},
                   low});
  table.push_back({name + ", a number and a matrix",
                   op<0, 2>(f),
                   by_element(element),
                   {{{{}, {3, 19}}, {3, 19}}, {{{}, {3, 1}}, {3, 1}}, {{{}, {0, 2}}, {0, 2}}},
                   low});
}

std::vector<Row> arithmetic_table() {
  std::vector<Row> table;
  add_broadcasting(
      table, "a + b", [](auto a, auto b) { return a + b; }, std::plus<>{}, -2);
  add_broadcasting(
      table, "a - b", [](auto a, auto b) { return a - b; }, std::minus<>{}, -2);
  add_broadcasting(
      table, "a * b", [](auto a, auto b) { return a * b; }, std::multiplies<>{}, -2);
  add_broadcasting(
      table, "a / b", [](auto a, auto b) { return a / b; }, std::divides<>{}, 0.5);
  add_broadcasting(
      table, "maximum", [](auto a, auto b) { return maximum(a, b); },
      [](double a, double b) { return std::max(a, b); }, -2);
  const std::vector<Example> examples{{{{2, 3, 5}}, {2, 3, 5}}, {{{2, 0, 5}}, {2, 0, 5}}};
  const auto each = [](const auto& f) {
    return [f](const Sources& x, const Sizes& at) { return f(x[0](at)); };
  };
  table.push_back({"numbers on either side",
                   op<3>([](auto x) { return 2 - (3 + (-x) * 2 - 1) + 4 * x / 2; }),
                   each([](double x) { return 4 * x; }), examples});
  table.push_back({"1 / x", op<3>([](auto x) { return 1 / x; }),
                   each([](double x) { return 1 / x; }), examples, 0.5});
  table.push_back({"weighted_sum",
                   op<3, 3, 3>([](auto a, auto b, auto c) {
                     return weighted_sum({0.5, 0, -2}, {a, b, c});
                   }),
                   [](const Sources& x, const Sizes& at) { return 0.5 * x[0](at) - 2 * x[2](at); },
                   {{{{2, 3, 19}, {2, 3, 19}, {2, 3, 19}}, {2, 3, 19}},
                    {{{2, 3, 0}, {2, 3, 0}, {2, 3, 0}}, {2, 3, 0}}}});
  return table;
}

std::vector<Row> shape_table() {
  const std::vector<Example> same{{{{2, 3, 5}}, {2, 3, 5}}, {{{2, 0, 5}}, {2, 0, 5}}};
  std::vector<Row> table;
  table.push_back({"copy", op<3>([](auto x) { return copy(x); }),
                   [](const Sources& x, const Sizes& at) { return x[0](at); }, same});
  table.push_back({"reshape",
                   op<3>([](auto x) {
                     return reshape(x, {x.dim(2), x.dim(0) * x.dim(1)});
                   }),
                   [](const Sources& x, const Sizes& at) {
                     return x[0].data[std::size_t(at[0] * x[0].shape[0] * x[0].shape[1] + at[1])];
                   },
                   {{{{2, 3, 5}}, {5, 6}}, {{{2, 0, 5}}, {5, 0}}}});
  table.push_back({"reshape with the same rows",
                   op<3>([](auto x) {
                     return reshape(x, {x.dim(0) * x.dim(1), 1, x.dim(2)});
                   }),
                   [](const Sources& x, const Sizes& at) {
                     return x[0]({at[0] / x[0].shape[1], at[0] % x[0].shape[1], at[2]});
                   },
                   {{{{2, 3, 5}}, {6, 1, 5}}, {{{2, 3, 0}}, {6, 1, 0}}}});
  table.push_back({"permute, the last axis staying",
                   op<4>([](auto x) {
                     return permute(x, {0, 2, 1, 3});
                   }),
                   [](const Sources& x, const Sizes& at) {
                     return x[0]({at[0], at[2], at[1], at[3]});
                   },
                   {{{{2, 3, 4, 5}}, {2, 4, 3, 5}},
                    {{{2, 3, 1, 5}}, {2, 1, 3, 5}},
                    {{{2, 3, 0, 5}}, {2, 0, 3, 5}}}});
  table.push_back({"permute",
                   op<4>([](auto x) {
                     return permute(x, {3, 1, 0, 2});
                   }),
                   [](const Sources& x, const Sizes& at) {
                     return x[0]({at[2], at[1], at[3], at[0]});
                   },
                   {{{{2, 3, 4, 5}}, {5, 3, 2, 4}},
                    {{{1, 1, 17, 18}}, {18, 1, 1, 17}},
                    {{{2, 3, 4, 0}}, {0, 3, 2, 4}}}});
  table.push_back({"transpose",
                   op<2>([](auto x) { return transpose(x); }),
                   [](const Sources& x, const Sizes& at) {
                     return x[0]({at[1], at[0]});
                   },
                   {{{{3, 7}}, {7, 3}}, {{{0, 7}}, {7, 0}}}});
  for (const std::size_t axis : {0u, 1u, 2u}) {
    const std::string on = " on axis " + std::to_string(axis);
    const int a = int(axis);
    const auto with_axis = [axis](Index n) { return with({2, 3, 5}, axis, n); };
    table.push_back({"concat" + on,
                     op<3, 3, 3>([a](auto x, auto y, auto z) { return concat(a, x, y, z); }),
                     [axis](const Sources& x, const Sizes& at) {
                       Index i = at[axis];
                       std::size_t n = 0;
                       for (; i >= x[n].shape[axis]; ++n) i -= x[n].shape[axis];
                       return x[n](with(at, axis, i));
                     },
                     {{{with_axis(4), with_axis(0), with_axis(2)}, with_axis(6)},
                      {{with_axis(0), with_axis(0), with_axis(0)}, with_axis(0)}}});
    table.push_back({"pad" + on,
                     op<3>([a](auto x) { return pad(x, a, 2, 1, 0.5); }),
                     [axis](const Sources& x, const Sizes& at) {
                       const Index i = at[axis] - 2;
                       const bool inside = i >= 0 && i < x[0].shape[axis];
                       return inside ? x[0](with(at, axis, i)) : 0.5;
                     },
                     {{{with_axis(4)}, with_axis(7)}, {{with_axis(0)}, with_axis(3)}}});
    table.push_back(
        {"slice" + on,
         op<3>([a](auto x) { return slice(x, a, 1, x.dim(a) - 1); }),
         [axis](const Sources& x, const Sizes& at) { return x[0](with(at, axis, at[axis] + 1)); },
         {{{with_axis(4)}, with_axis(3)}, {{with_axis(1)}, with_axis(0)}}});
    table.push_back({"roll" + on,
                     op<3>([a](auto x) { return roll(x, a, -3); }),
                     [axis](const Sources& x, const Sizes& at) {
                       return x[0](with(at, axis, (at[axis] + 3) % x[0].shape[axis]));
                     },
                     {{{with_axis(4)}, with_axis(4)},
                      {{with_axis(2)}, with_axis(2)},
                      {{with_axis(0)}, with_axis(0)}}});
  }
  for (const std::size_t axis : {0u, 1u, 2u})
    table.push_back({"stack on axis " + std::to_string(axis),
                     op<2, 2>([axis](auto x, auto y) { return stack(int(axis), x, y); }),
                     [axis](const Sources& x, Sizes at) {
                       const auto n = std::size_t(at[axis]);
                       at.erase(at.begin() + Index(axis));
                       return x[n](at);
                     },
                     {{{{3, 5}, {3, 5}},
                       axis == 0   ? Sizes{2, 3, 5}
                       : axis == 1 ? Sizes{3, 2, 5}
                                   : Sizes{3, 5, 2}}}});
  table.push_back({"split",
                   op<3>([](auto x) {
                     return split(x, {2, x.dim(2) - 2})[1];
                   }),
                   [](const Sources& x, const Sizes& at) {
                     return x[0]({at[0], at[1], at[2] + 2});
                   },
                   {{{{2, 3, 5}}, {2, 3, 3}}, {{{2, 3, 2}}, {2, 3, 0}}}});
  table.push_back({"broadcast",
                   op<2>([](auto x) {
                     return broadcast(x, Shape<3>{2, 3, x.dim(1) == 0 ? 0 : 19});
                   }),
                   [](const Sources& x, const Sizes& at) { return x[0].repeated(at); },
                   {{{{3, 19}}, {2, 3, 19}},
                    {{{1, 19}}, {2, 3, 19}},
                    {{{3, 1}}, {2, 3, 19}},
                    {{{1, 1}}, {2, 3, 19}},
                    {{{3, 0}}, {2, 3, 0}}}});
  static const std::int64_t ids[] = {2, 0, 2, 1, 2, 2};
  table.push_back({"gather",
                   op<2>([](auto x) {
                     return gather(x, View<const std::int64_t, 2>(ids, {2, 3}));
                   }),
                   [](const Sources& x, const Sizes& at) {
                     return x[0]({Index(ids[at[0] * 3 + at[1]]), at[2]});
                   },
                   {{{{3, 5}}, {2, 3, 5}}, {{{3, 0}}, {2, 3, 0}}}});
  return table;
}

std::vector<Row> sum_table() {
  std::vector<Row> table;
  for (const std::size_t axis : {0u, 1u, 2u}) {
    const std::string on = " over axis " + std::to_string(axis);
    const auto sum_over = [axis](const Sources& x, Sizes at) {
      double total = 0;
      at.insert(at.begin() + Index(axis), 0);
      for (at[axis] = 0; at[axis] < x[0].shape[axis]; ++at[axis]) total += x[0](at);
      return total;
    };
    const auto without = [axis](Sizes shape) {
      shape.erase(shape.begin() + Index(axis));
      return Example{{}, shape};
    };
    const auto example = [&](const Sizes& shape) {
      return Example{{shape}, without(shape).result};
    };
    table.push_back({"sum" + on,
                     op<3>([axis](auto x) { return sum(x, int(axis)); }),
                     sum_over,
                     {example({3, 4, 5}), example(with({2, 2, 2}, axis, 150)),
                      example(with({2, 3, 5}, axis, 0)), example(with({0, 0, 0}, axis, 2))}});
    table.push_back({"mean" + on,
                     op<3>([axis](auto x) { return mean(x, int(axis)); }),
                     [=](const Sources& x, const Sizes& at) {
                       return sum_over(x, at) / double(x[0].shape[axis]);
                     },
                     {example({3, 4, 5}), example(with({0, 0, 0}, axis, 2))}});
  }
  const auto total = [](const Sources& x, const Sizes&) {
    double sum = 0;
    for (const double number : x[0].data) sum += number;
    return sum;
  };
  table.push_back(
      {"sum", op<3>([](auto x) { return sum(x); }), total, {{{{2, 3, 5}}, {}}, {{{2, 0, 5}}, {}}}});
  table.push_back(
      {"mean",
       op<2>([](auto x) { return mean(x); }),
       [=](const Sources& x, const Sizes& at) { return total(x, at) / double(x[0].data.size()); },
       {{{{3, 7}}, {}}}});
  table.push_back({"sum of a row",
                   op<1>([](auto x) { return sum(x, 0); }),
                   total,
                   {{{{19}}, {}}, {{{0}}, {}}}});
  for (const bool logarithm : {false, true})
    table.push_back({logarithm ? "log_softmax" : "softmax",
                     op<3>([=](auto x) { return logarithm ? log_softmax(x) : softmax(x); }),
                     [=](const Sources& x, const Sizes& at) {
                       double sum = 0;
                       for (Index i = 0; i < x[0].shape[2]; ++i)
                         sum += std::exp(x[0]({at[0], at[1], i}));
                       return logarithm ? x[0](at) - std::log(sum) : std::exp(x[0](at)) / sum;
                     },
                     {{{{2, 3, 37}}, {2, 3, 37}},
                      {{{2, 3, 1}}, {2, 3, 1}},
                      {{{2, 0, 5}}, {2, 0, 5}},
                      {{{2, 3, 0}}, {2, 3, 0}}}});
  return table;
}

std::vector<Row> matmul_table() {
  std::vector<Row> table;
  for (const bool ta : {false, true})
    for (const bool tb : {false, true}) {
      const std::string sides =
          std::string(ta ? ", a transposed" : "") + (tb ? ", b transposed" : "");
      const auto f = [=](auto a, auto b) {
        return matmul(a, b, {.transpose_a = ta, .transpose_b = tb});
      };
      const auto element = [=](const Sources& x, const Sizes& at) {
        const auto matrix = [&](const Source& of, Index i, Index j) {
          Sizes place(at.end() - Index(of.shape.size()), at.end());
          place[place.size() - 2] = i, place[place.size() - 1] = j;
          return of(place);
        };
        const Index i = at[at.size() - 2], j = at[at.size() - 1];
        const Index K = x[0].shape[x[0].shape.size() - (ta ? 2 : 1)];
        double sum = 0;
        for (Index k = 0; k < K; ++k)
          sum += (ta ? matrix(x[0], k, i) : matrix(x[0], i, k)) *
                 (tb ? matrix(x[1], j, k) : matrix(x[1], k, j));
        return sum;
      };
      const auto example = [=](const Sizes& outer_a, const Sizes& outer_b, Index M, Index K,
                               Index N) {
        const auto end = [](Sizes outer, Index rows, Index columns, bool exchanged) {
          outer.insert(outer.end(), {exchanged ? columns : rows, exchanged ? rows : columns});
          return outer;
        };
        return Example{{end(outer_a, M, K, ta), end(outer_b, K, N, tb)},
                       end(outer_a.empty() ? outer_b : outer_a, M, N, false)};
      };
      table.push_back(
          {"matmul of two" + sides,
           op<2, 2>(f),
           element,
           {example({}, {}, 3, 4, 5), example({}, {}, 9, 2, 17), example({}, {}, 1, 3, 4),
            example({}, {}, 3, 0, 2), example({}, {}, 0, 2, 3), example({}, {}, 3, 2, 0),
            // Few rows, several slices of K, more than one block of rows, and rows a
            // large power of two apart.
            example({}, {}, 5, 140, 150), example({}, {}, 13, 150, 140),
            example({}, {}, 256, 3, 130)}});
      table.push_back({"matmul of batches" + sides,
                       op<4, 4>(f),
                       element,
                       {example({2, 2}, {2, 2}, 3, 4, 5), example({1, 2}, {1, 2}, 1, 2, 3),
                        example({2, 0}, {2, 0}, 3, 4, 5)}});
      table.push_back(
          {"matmul by one b" + sides,
           op<3, 2>(f),
           element,
           {example({3}, {}, 3, 4, 5), example({2}, {}, 3, 4, 5), example({0}, {}, 3, 4, 5)}});
      table.push_back(
          {"matmul of one a" + sides,
           op<2, 3>(f),
           element,
           {example({}, {3}, 3, 4, 5), example({}, {2}, 3, 4, 5), example({}, {0}, 3, 4, 5)}});
    }
  return table;
}

}  // namespace

TEST_CASE("elementwise operations", "[generic]") { check_table(arithmetic_table()); }
TEST_CASE("operations on shapes", "[generic]") { check_table(shape_table()); }
TEST_CASE("sums and softmax", "[generic]") { check_table(sum_table()); }
TEST_CASE("products of matrices", "[generic]") { check_table(matmul_table()); }
