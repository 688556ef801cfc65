// SPDX-License-Identifier: MIT
// The operations that know no shape: one table, and what holds for all of them.
#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "support/gradient_check.hpp"
#include "support/tensor.hpp"

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
#include <sluice/ops/stop_gradient.hpp>
#include <sluice/ops/weighted_sum.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

using namespace sluice;
using testing::check_gradients;
using testing::relative_error;
using testing::uniform;

namespace {

using Sizes = std::vector<Index>;

Index product(const Sizes& sizes, std::size_t from = 0) {
  Index n = 1;
  for (std::size_t i = from; i < sizes.size(); ++i) n *= sizes[i];
  return n;
}

/// How an operand lies in memory.
enum class Layout {
  whole,   ///< in one piece
  wide,    ///< part of wider rows, which one stride walks
  ragged,  ///< part of wider rows and of a longer axis: no one stride walks them
};

/// Where an operand begins in its buffer, and its strides.
struct Place {
  Index begin = 0, size = 0;
  Sizes stride;

  Place(const Sizes& shape, Layout layout) : stride(shape.size()) {
    Index next = 1;
    for (std::size_t i = shape.size(); i-- > 0;) {
      stride[i] = next;
      next *= shape[i];
      if (layout != Layout::whole && i + 1 == shape.size()) next += 3;
      if (layout == Layout::ragged && i > 0 && i + 2 == shape.size()) next += stride[i];
    }
    begin = layout == Layout::whole ? 0 : 2;
    size = next + begin;
  }
};

/// Up to three operands, each a buffer; an operation makes a flat result from them.
constexpr std::size_t most = 3;
template <class S>
using Buffers = std::array<Variable<S, 1>, most>;
template <class S>
using Flat = std::function<Variable<S, 1>(const std::vector<Sizes>&, Layout, const Buffers<S>&)>;

struct Op {
  Flat<float> in_float;
  Flat<double> in_double;
  template <class S>
  const Flat<S>& of() const {
    if constexpr (sizeof(S) == 4)
      return in_float;
    else
      return in_double;
  }
};

template <int Rank, class S>
Variable<S, Rank> part(const Variable<S, 1>& buffer, const Sizes& sizes, Layout layout) {
  const Place place(sizes, layout);
  Shape<Rank> shape{}, stride{};
  std::copy_n(sizes.begin(), Rank, shape.begin());
  std::copy_n(place.stride.begin(), Rank, stride.begin());
  S* const gradient = buffer.gradient ? buffer.gradient.data() + place.begin : nullptr;
  return {
      buffer.tape, {buffer.value.data() + place.begin, shape, stride}, {gradient, shape, stride}};
}

template <class S, int Rank>
Variable<S, 1> flat(const Variable<S, Rank>& y) {
  const auto whole = copy(y);
  const Shape<1> shape{whole.value.size()};
  return {whole.tape, {whole.value.data(), shape}, {whole.gradient.data(), shape}};
}

template <class S, int... Ranks, class F>
Flat<S> flat_function(const F& f) {
  return [f](const std::vector<Sizes>& shapes, Layout layout, const Buffers<S>& buffers) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return flat(f(part<Ranks>(buffers[I], shapes[I], layout)...));
    }
    (std::make_index_sequence<sizeof...(Ranks)>{});
  };
}

/// An operation on variables of these ranks.
template <int... Ranks, class F>
Op op(const F& f) {
  return {flat_function<float, Ranks...>(f), flat_function<double, Ranks...>(f)};
}

/// What the loops below read.
struct Operand {
  Sizes shape;
  std::vector<double> data;

  double operator()(const Sizes& at) const {
    Index n = 0;
    for (std::size_t i = 0; i < shape.size(); ++i) n = n * shape[i] + at[i];
    return data[std::size_t(n)];
  }
  /// With the axes of `at` matched from the last, and those of length 1 repeated.
  double repeated(const Sizes& at) const {
    Sizes mine(shape.size());
    for (std::size_t i = 0; i < shape.size(); ++i)
      mine[i] = shape[i] == 1 ? 0 : at[i + at.size() - shape.size()];
    return (*this)(mine);
  }
};
using Operands = std::vector<Operand>;

Sizes with(Sizes at, std::size_t axis, Index i) {
  at[axis] = i;
  return at;
}

struct Example {
  std::vector<Sizes> operands;
  Sizes result;
};

struct Row {
  std::string name;
  Op op;
  /// The element of the result at a place, by a plain loop.
  std::function<double(const Operands&, const Sizes&)> element;
  std::vector<Example> examples;
  double low = -2;  ///< operands are uniform in [low, 2)
};

/// All that is known of one layout: the result, and the gradients of sum(c y), c fixed.
template <class S>
struct Outcome {
  std::vector<S> y;
  std::array<std::vector<S>, most> gradients;
};

struct Problem {
  const Row& row;
  const Example& example;
  Operands operands;
  std::vector<double> expected;

  Problem(const Row& r, const Example& e) : row(r), example(e) {
    Rng rng(7);
    for (const Sizes& shape : e.operands) {
      Operand x{shape, std::vector<double>(std::size_t(product(shape)))};
      // Numbers of float, so that float and double begin with the same.
      for (double& number : x.data) number = double(float(r.low + (2 - r.low) * rng.uniform<double>()));
      operands.push_back(x);
    }
    Sizes at(e.result.size());
    for (Index n = 0; n < product(e.result); ++n) {
      for (Index rest = n, i = Index(at.size()); i-- > 0; rest /= e.result[std::size_t(i)])
        at[std::size_t(i)] = rest % e.result[std::size_t(i)];
      expected.push_back(r.element(operands, at));
    }
  }

  /// Buffers around the operands, everything else NaN: nobody may read it.
  template <class S>
  std::array<Tensor<S, 1>, most> buffers(Layout layout) const {
    std::array<Tensor<S, 1>, most> all;
    for (std::size_t i = 0; i < most; ++i) {
      all[i].resize(i < operands.size() ? Place(operands[i].shape, layout).size : 0);
      all[i].setConstant(std::numeric_limits<S>::quiet_NaN());
      if (i < operands.size())
        for_each(operands[i].shape, layout, [&](std::size_t n, Index at) {
          all[i].data()[at] = static_cast<S>(operands[i].data[n]);
        });
    }
    return all;
  }

  /// Calls f(number, place in the buffer) for every element.
  template <class F>
  static void for_each(const Sizes& shape, Layout layout, const F& f) {
    const Place place(shape, layout);
    for (Index n = 0; n < product(shape); ++n) {
      Index at = place.begin, rest = n;
      for (std::size_t i = shape.size(); i-- > 0; rest /= shape[i])
        at += rest % shape[i] * place.stride[i];
      f(std::size_t(n), at);
    }
  }

  /// Which operands have a gradient is told by bits of `wanted`.
  template <class S>
  Outcome<S> run(Layout layout, unsigned wanted, Executor executor = {}) const {
    const auto values = buffers<S>(layout);
    std::array<Tensor<S, 1>, most> gradients;
    Tape<S> tape(executor);
    tape.record();
    Buffers<S> in;
    for (std::size_t i = 0; i < most; ++i) {
      gradients[i].resize(values[i].size());
      gradients[i].setZero();
      const bool has = wanted >> i & 1;
      const Shape<1> shape{values[i].size()};
      in[i] = tape.input(View<const S, 1>(values[i].data(), shape),
                         View<S, 1>(has ? gradients[i].data() : nullptr, shape));
    }
    const auto y = row.op.template of<S>()(example.operands, layout, in);
    Outcome<S> out{{y.value.data(), y.value.data() + y.value.size()}, {}};
    if (!y.gradient) return out;
    Rng rng(3);
    for (Index n = 0; n < y.value.size(); ++n)
      y.gradient.data()[n] = static_cast<S>(2 * rng.uniform<float>() - 1);
    tape.backward();
    for (std::size_t i = 0; i < operands.size(); ++i) {
      double outside = 0;
      for (Index n = 0; n < gradients[i].size(); ++n) outside += std::abs(gradients[i].data()[n]);
      for_each(operands[i].shape, layout, [&](std::size_t, Index at) {
        out.gradients[i].push_back(gradients[i].data()[at]);
        outside -= std::abs(gradients[i].data()[at]);
      });
      CHECK(outside == Approx(0).margin(1e-9));  // but for the order of this very sum
    }
    return out;
  }
};

/// Relative RMS of b against a.
template <class A, class B>
double error(const std::vector<A>& a, const std::vector<B>& b) {
  if (a.size() != b.size()) return HUGE_VAL;
  struct Numbers {
    const void* p;
  };
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!std::isfinite(b[i])) return HUGE_VAL;
    const double d = double(b[i]) - double(a[i]);
    difference += d * d, norm += double(a[i]) * double(a[i]);
  }
  return std::sqrt(difference / (norm + 1e-30));
}

const auto by_element = [](const auto& f) {
  return [f](const Operands& x, const Sizes& at) {
    return f(x[0].repeated(at), x[1].repeated(at));
  };
};

/// The rows of a table for one operator with all ways of broadcasting.
template <class F, class G>
void add_broadcasting(std::vector<Row>& table, const std::string& name, const F& f, const G& element,
                      double low) {
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
    return [f](const Operands& x, const Sizes& at) { return f(x[0](at)); };
  };
  table.push_back({"numbers on either side",
                   op<3>([](auto x) { return 2 - (3 + (-x) * 2 - 1) + 4 * x / 2; }),
                   each([](double x) { return 4 * x; }),
                   examples});
  table.push_back({"1 / x",
                   op<3>([](auto x) { return 1 / x; }),
                   each([](double x) { return 1 / x; }),
                   examples,
                   0.5});
  table.push_back({"weighted_sum",
                   op<3, 3, 3>([](auto a, auto b, auto c) {
                     return weighted_sum({0.5, 0, -2}, {a, b, c});
                   }),
                   [](const Operands& x, const Sizes& at) { return 0.5 * x[0](at) - 2 * x[2](at); },
                   {{{{2, 3, 19}, {2, 3, 19}, {2, 3, 19}}, {2, 3, 19}},
                    {{{2, 3, 0}, {2, 3, 0}, {2, 3, 0}}, {2, 3, 0}}}});
  return table;
}

std::vector<Row> shape_table() {
  const std::vector<Example> same{{{{2, 3, 5}}, {2, 3, 5}}, {{{2, 0, 5}}, {2, 0, 5}}};
  std::vector<Row> table;
  table.push_back({"copy", op<3>([](auto x) { return copy(x); }),
                   [](const Operands& x, const Sizes& at) { return x[0](at); }, same});
  table.push_back({"reshape",
                   op<3>([](auto x) { return reshape(x, {x.dim(2), x.dim(0) * x.dim(1)}); }),
                   [](const Operands& x, const Sizes& at) {
                     return x[0].data[std::size_t(at[0] * x[0].shape[0] * x[0].shape[1] + at[1])];
                   },
                   {{{{2, 3, 5}}, {5, 6}}, {{{2, 0, 5}}, {5, 0}}}});
  table.push_back({"reshape with the same rows",
                   op<3>([](auto x) { return reshape(x, {x.dim(0) * x.dim(1), 1, x.dim(2)}); }),
                   [](const Operands& x, const Sizes& at) {
                     return x[0]({at[0] / x[0].shape[1], at[0] % x[0].shape[1], at[2]});
                   },
                   {{{{2, 3, 5}}, {6, 1, 5}}, {{{2, 3, 0}}, {6, 1, 0}}}});
  table.push_back({"permute, the last axis staying",
                   op<4>([](auto x) { return permute(x, {0, 2, 1, 3}); }),
                   [](const Operands& x, const Sizes& at) {
                     return x[0]({at[0], at[2], at[1], at[3]});
                   },
                   {{{{2, 3, 4, 5}}, {2, 4, 3, 5}},
                    {{{2, 3, 1, 5}}, {2, 1, 3, 5}},
                    {{{2, 3, 0, 5}}, {2, 0, 3, 5}}}});
  table.push_back({"permute",
                   op<4>([](auto x) { return permute(x, {3, 1, 0, 2}); }),
                   [](const Operands& x, const Sizes& at) {
                     return x[0]({at[2], at[1], at[3], at[0]});
                   },
                   {{{{2, 3, 4, 5}}, {5, 3, 2, 4}},
                    {{{1, 1, 17, 18}}, {18, 1, 1, 17}},
                    {{{2, 3, 4, 0}}, {0, 3, 2, 4}}}});
  table.push_back({"transpose", op<2>([](auto x) { return transpose(x); }),
                   [](const Operands& x, const Sizes& at) { return x[0]({at[1], at[0]}); },
                   {{{{3, 7}}, {7, 3}}, {{{0, 7}}, {7, 0}}}});
  for (const std::size_t axis : {0u, 1u, 2u}) {
    const std::string on = " on axis " + std::to_string(axis);
    const int a = int(axis);
    const auto with_axis = [axis](Index n) { return with({2, 3, 5}, axis, n); };
    table.push_back({"concat" + on,
                     op<3, 3, 3>([a](auto x, auto y, auto z) { return concat(a, x, y, z); }),
                     [axis](const Operands& x, const Sizes& at) {
                       Index i = at[axis];
                       std::size_t n = 0;
                       for (; i >= x[n].shape[axis]; ++n) i -= x[n].shape[axis];
                       return x[n](with(at, axis, i));
                     },
                     {{{with_axis(4), with_axis(0), with_axis(2)}, with_axis(6)},
                      {{with_axis(0), with_axis(0), with_axis(0)}, with_axis(0)}}});
    table.push_back({"pad" + on, op<3>([a](auto x) { return pad(x, a, 2, 1, 0.5); }),
                     [axis](const Operands& x, const Sizes& at) {
                       const Index i = at[axis] - 2;
                       const bool inside = i >= 0 && i < x[0].shape[axis];
                       return inside ? x[0](with(at, axis, i)) : 0.5;
                     },
                     {{{with_axis(4)}, with_axis(7)}, {{with_axis(0)}, with_axis(3)}}});
    table.push_back({"slice" + on, op<3>([a](auto x) { return slice(x, a, 1, x.dim(a) - 1); }),
                     [axis](const Operands& x, const Sizes& at) {
                       return x[0](with(at, axis, at[axis] + 1));
                     },
                     {{{with_axis(4)}, with_axis(3)}, {{with_axis(1)}, with_axis(0)}}});
    table.push_back({"roll" + on, op<3>([a](auto x) { return roll(x, a, -3); }),
                     [axis](const Operands& x, const Sizes& at) {
                       return x[0](with(at, axis, (at[axis] + 3) % x[0].shape[axis]));
                     },
                     {{{with_axis(4)}, with_axis(4)},
                      {{with_axis(2)}, with_axis(2)},
                      {{with_axis(0)}, with_axis(0)}}});
  }
  for (const std::size_t axis : {0u, 1u, 2u})
    table.push_back({"stack on axis " + std::to_string(axis),
                     op<2, 2>([axis](auto x, auto y) { return stack(int(axis), x, y); }),
                     [axis](const Operands& x, Sizes at) {
                       const auto n = std::size_t(at[axis]);
                       at.erase(at.begin() + Index(axis));
                       return x[n](at);
                     },
                     {{{{3, 5}, {3, 5}}, axis == 0 ? Sizes{2, 3, 5}
                                         : axis == 1 ? Sizes{3, 2, 5}
                                                     : Sizes{3, 5, 2}}}});
  table.push_back({"split",
                   op<3>([](auto x) { return split(x, {2, x.dim(2) - 2})[1]; }),
                   [](const Operands& x, const Sizes& at) {
                     return x[0]({at[0], at[1], at[2] + 2});
                   },
                   {{{{2, 3, 5}}, {2, 3, 3}}, {{{2, 3, 2}}, {2, 3, 0}}}});
  table.push_back({"broadcast",
                   op<2>([](auto x) {
                     return broadcast(x, Shape<3>{2, 3, x.dim(1) == 0 ? 0 : 19});
                   }),
                   [](const Operands& x, const Sizes& at) { return x[0].repeated(at); },
                   {{{{3, 19}}, {2, 3, 19}},
                    {{{1, 19}}, {2, 3, 19}},
                    {{{3, 1}}, {2, 3, 19}},
                    {{{1, 1}}, {2, 3, 19}},
                    {{{3, 0}}, {2, 3, 0}}}});
  static const std::int64_t ids[] = {2, 0, 2, 1, 2, 2};
  table.push_back({"gather",
                   op<2>([](auto x) { return gather(x, View<const std::int64_t, 2>(ids, {2, 3})); }),
                   [](const Operands& x, const Sizes& at) {
                     return x[0]({Index(ids[at[0] * 3 + at[1]]), at[2]});
                   },
                   {{{{3, 5}}, {2, 3, 5}}, {{{3, 0}}, {2, 3, 0}}}});
  return table;
}

std::vector<Row> sum_table() {
  std::vector<Row> table;
  for (const std::size_t axis : {0u, 1u, 2u}) {
    const std::string on = " over axis " + std::to_string(axis);
    const auto sum_over = [axis](const Operands& x, Sizes at) {
      double total = 0;
      at.insert(at.begin() + Index(axis), 0);
      for (at[axis] = 0; at[axis] < x[0].shape[axis]; ++at[axis]) total += x[0](at);
      return total;
    };
    const auto without = [axis](Sizes shape) {
      shape.erase(shape.begin() + Index(axis));
      return Example{{}, shape};
    };
    const auto example = [&](const Sizes& shape) { return Example{{shape}, without(shape).result}; };
    table.push_back({"sum" + on, op<3>([axis](auto x) { return sum(x, int(axis)); }), sum_over,
                     {example({3, 4, 5}), example(with({2, 2, 2}, axis, 150)),
                      example(with({2, 3, 5}, axis, 0)), example(with({0, 0, 0}, axis, 2))}});
    table.push_back({"mean" + on, op<3>([axis](auto x) { return mean(x, int(axis)); }),
                     [=](const Operands& x, const Sizes& at) {
                       return sum_over(x, at) / double(x[0].shape[axis]);
                     },
                     {example({3, 4, 5}), example(with({0, 0, 0}, axis, 2))}});
  }
  const auto total = [](const Operands& x, const Sizes&) {
    double sum = 0;
    for (const double number : x[0].data) sum += number;
    return sum;
  };
  table.push_back({"sum", op<3>([](auto x) { return sum(x); }), total,
                   {{{{2, 3, 5}}, {}}, {{{2, 0, 5}}, {}}}});
  table.push_back({"mean", op<2>([](auto x) { return mean(x); }),
                   [=](const Operands& x, const Sizes& at) {
                     return total(x, at) / double(x[0].data.size());
                   },
                   {{{{3, 7}}, {}}}});
  table.push_back({"sum of a row", op<1>([](auto x) { return sum(x, 0); }), total,
                   {{{{19}}, {}}, {{{0}}, {}}}});
  for (const bool logarithm : {false, true})
    table.push_back({logarithm ? "log_softmax" : "softmax",
                     op<3>([=](auto x) { return logarithm ? log_softmax(x) : softmax(x); }),
                     [=](const Operands& x, const Sizes& at) {
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
      const std::string sides = std::string(ta ? ", a transposed" : "") + (tb ? ", b transposed" : "");
      const auto f = [=](auto a, auto b) {
        return matmul(a, b, {.transpose_a = ta, .transpose_b = tb});
      };
      const auto element = [=](const Operands& x, const Sizes& at) {
        const auto matrix = [&](const Operand& of, Index i, Index j) {
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
      table.push_back({"matmul of two" + sides, op<2, 2>(f), element,
                       {example({}, {}, 3, 4, 5), example({}, {}, 9, 2, 17),
                        example({}, {}, 1, 3, 4), example({}, {}, 3, 0, 2),
                        example({}, {}, 0, 2, 3), example({}, {}, 3, 2, 0)}});
      table.push_back({"matmul of batches" + sides, op<4, 4>(f), element,
                       {example({2, 2}, {2, 2}, 3, 4, 5), example({1, 2}, {1, 2}, 1, 2, 3),
                        example({2, 0}, {2, 0}, 3, 4, 5)}});
      table.push_back({"matmul by one b" + sides, op<3, 2>(f), element,
                       {example({3}, {}, 3, 4, 5), example({0}, {}, 3, 4, 5)}});
      table.push_back({"matmul of one a" + sides, op<2, 3>(f), element,
                       {example({}, {3}, 3, 4, 5), example({}, {0}, 3, 4, 5)}});
    }
  return table;
}

/// Sums of up to 150 terms, and quotients: some ten roundings.
constexpr double double_tolerance = 1e-14, float_tolerance = 2e-6;

/// A pool that runs everything at once, backwards.
struct Backwards {
  Index threads;
  Index concurrency() const { return threads; }
  void run(Index n, Executor::Function f, void* context) {
    while (n-- > 0) f(context, n);
  }
};

void check(const std::vector<Row>& table) {
  for (const Row& row : table)
    for (const Example& example : row.examples) {
      std::string shapes;
      for (const Sizes& shape : example.operands) {
        shapes += " [";
        for (const Index n : shape) shapes += std::to_string(n) + " ";
        shapes += "]";
      }
      INFO(row.name << " of" << shapes);
      const Problem problem(row, example);
      const unsigned all = (1u << problem.operands.size()) - 1;
      const auto whole = problem.run<double>(Layout::whole, all);
      CHECK(error(problem.expected, whole.y) <= double_tolerance);

      const auto narrow = problem.run<float>(Layout::whole, all);
      CHECK(error(whole.y, narrow.y) <= float_tolerance);
      for (std::size_t i = 0; i < most; ++i)
        CHECK(error(whole.gradients[i], narrow.gradients[i]) <= float_tolerance);

      for (const Layout layout : {Layout::wide, Layout::ragged}) {
        CAPTURE(int(layout));
        const auto parts = problem.run<double>(layout, all);
        CHECK(parts.y == whole.y);
        CHECK(parts.gradients == whole.gradients);
      }
      for (std::size_t i = 0; i < problem.operands.size(); ++i) {
        CAPTURE(i);
        const auto alone = problem.run<double>(Layout::whole, 1u << i);
        CHECK(alone.y == whole.y);
        CHECK(alone.gradients[i] == whole.gradients[i]);
      }
      CHECK(problem.run<double>(Layout::whole, 0).y == whole.y);
      Backwards two{2}, many{16};
      for (Backwards* pool : {&two, &many}) {
        const auto shared = problem.run<double>(Layout::whole, all, *pool);
        CHECK(shared.y == whole.y);
        CHECK(shared.gradients == whole.gradients);
      }

      if (std::max({whole.gradients[0].size(), whole.gradients[1].size(),
                    whole.gradients[2].size()}) > 150)
        continue;  // of large ones the differences take long
      const auto x = problem.buffers<double>(Layout::whole);
      check_gradients(
          [&](const auto& a, const auto& b, const auto& c) {
            return row.op.in_double(example.operands, Layout::whole, {a, b, c});
          },
          x[0], x[1], x[2]);
    }
}

}  // namespace

TEST_CASE("elementwise operations", "[generic]") { check(arithmetic_table()); }
TEST_CASE("operations on shapes", "[generic]") { check(shape_table()); }
TEST_CASE("sums and softmax", "[generic]") { check(sum_table()); }
TEST_CASE("products of matrices", "[generic]") { check(matmul_table()); }
