// SPDX-License-Identifier: MIT
/// \file
/// Rows of a table of operations: what is computed, what a plain loop gives, and for which shapes.
///
/// Ranks, names and layouts are forgotten at once, so that all that is done with a row is compiled
/// once and not once an operation.
#pragma once

#include <sluice/ops/copy.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace sluice::testing {

using Sizes = std::vector<Index>;

inline Index product(const Sizes& sizes, std::size_t from = 0) {
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
struct Source {
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
using Sources = std::vector<Source>;

inline Sizes with(Sizes at, std::size_t axis, Index i) {
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
  std::function<double(const Sources&, const Sizes&)> element;
  std::vector<Example> examples;
  double low = -2;  ///< operands are uniform in [low, 2)
};

}  // namespace sluice::testing
