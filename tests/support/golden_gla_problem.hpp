// SPDX-License-Identifier: MIT
/// \file
/// A golden case of the diagonal-decay family in the layout of the kernels: the operands, and what
/// a form makes of them.
#pragma once

#include "support/golden_case.hpp"
#include "support/golden_functions.hpp"

#include <sluice/core/tensor.hpp>
#include <sluice/kernels/activation/activation.hpp>
#include <sluice/kernels/gla/types.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sluice::testing::golden_gla {

template <class Scalar, int Rank>
using Maybe = std::optional<Tensor<Scalar, Rank>>;

/// [B, H, T, X] from [B, T, H, X], and back.
template <class Scalar>
Tensor<Scalar, 4> swap_time_and_heads(const Tensor<Scalar, 4>& x) {
  const Index B = x.dimension(0), S = x.dimension(1), R = x.dimension(2), N = x.dimension(3);
  Tensor<Scalar, 4> out(B, R, S, N);
  for (Index b = 0; b < B; ++b)
    for (Index s = 0; s < S; ++s)
      for (Index r = 0; r < R; ++r)
        for (Index i = 0; i < N; ++i) out(b, r, s, i) = x(b, s, r, i);
  return out;
}

/// What the files of a family call things; a name that a file lacks is an absent option.
struct Names {
  std::string gate, state = "h0", final_state = "ht";
};

inline Names names_of(const GoldenCase& c) {
  Names names;
  for (const char* gate : {"gk", "g", "g_gamma", "w"})
    if (names.gate.empty() && c.has(std::string("in.") + gate)) names.gate = gate;
  if (c.has("in.s0") || c.has("out.st")) names.state = "s0", names.final_state = "st";
  return names;
}

/// Reads tensors of a case in the layout [B, T, H, X].
template <class Scalar>
struct Reader {
  const GoldenCase& c;
  bool head_first = false;

  explicit Reader(const GoldenCase& golden)
      : c(golden),
        head_first(c.flag("head_first", c.family() == "retention" || c.family() == "rwkv6")) {}

  Tensor<Scalar, 4> stream(const std::string& name) const {
    auto x = c.tensor<Scalar, 4>(name);
    return head_first ? swap_time_and_heads(x) : x;
  }
  Maybe<Scalar, 4> optional_stream(const std::string& name) const {
    if (!c.has(name)) return {};
    return stream(name);
  }
  /// A scalar gate [B, T, H].
  Tensor<Scalar, 3> gate(const std::string& name) const {
    const auto x = c.tensor<Scalar, 3>(name);
    Tensor<Scalar, 4> wide(x.dimension(0), x.dimension(1), x.dimension(2), 1);
    std::copy_n(x.data(), x.size(), wide.data());
    if (head_first) wide = swap_time_and_heads(wide);
    Tensor<Scalar, 3> out(wide.dimension(0), wide.dimension(1), wide.dimension(2));
    std::copy_n(wide.data(), wide.size(), out.data());
    return out;
  }
};

/// The operands of one case. A normaliser is one more column of values that is 1, and of the state.
template <class Scalar>
struct Problem {
  Tensor<Scalar, 4> q, k, v, state;
  Maybe<Scalar, 1> constant_gate;
  Maybe<Scalar, 3> scalar_gate;
  Maybe<Scalar, 4> vector_gate;
  Maybe<Scalar, 2> u;
  std::vector<Index> cu_seqlens;
  Scalar scale = 1, eps = 0;
  bool normalize = false;
  std::string feature_map;        ///< of queries and keys
  Maybe<Scalar, 4> raw_q, raw_k;  ///< before the feature map, if there is one

  explicit Problem(const GoldenCase& c) {
    const Reader<Scalar> read(c);
    const Names names = names_of(c);
    if (c.has("in.gv")) throw NotAvailable("there is no gate of value channels yet");
    q = read.stream("in.q"), k = read.stream("in.k"), v = read.stream("in.v");
    feature_map = c.text("feature_map", "identity");
    if (feature_map == "elu") feature_map = "elu_plus_one";
    if (feature_map != "identity") {
      raw_q = q, raw_k = k;
      with_function(feature_map, [&](const auto& f) {
        for (auto* x : {&q, &k}) kernels::activation(f, View<const Scalar, 4>(*x), *x);
      });
    }
    const Index K = q.dimension(3), HV = v.dimension(2), V = v.dimension(3);
    scale = Scalar(c.number("scale", 1 / std::sqrt(double(std::max<Index>(K, 1)))));
    const std::string gate = "in." + names.gate;
    if (!names.gate.empty()) {
      const Index rank = c.rank(gate);
      if (rank == 1)
        constant_gate = c.tensor<Scalar, 1>(gate);
      else if (rank == 3)
        scalar_gate = read.gate(gate);
      else
        vector_gate = read.stream(gate);
    } else if (c.family() == "retention") {
      constant_gate.emplace(HV);
      for (Index h = 0; h < HV; ++h)
        (*constant_gate)(h) = Scalar(std::log1p(-std::exp2(-5 - double(h))));
    }
    u = c.optional<Scalar, 2>("in.u");
    if (c.family() == "rwkv6" && !u)
      u = zeros<Scalar>(Shape<2>{HV, K});  // the output still reads the state before
    if (c.has("in.cu_seqlens")) cu_seqlens = c.integers("in.cu_seqlens");
    if (const auto initial = c.optional<Scalar, 4>("in." + names.state))
      state = *initial;
    else
      state = zeros<Scalar>(Shape<4>{inputs().sequences(), HV, K, V});
    normalize = c.flag("normalize", false);
    if (!normalize) return;
    eps = Scalar(c.number("eps", 1e-10));
    v = with_column(v, Scalar(1));
    state = with_column(state, Scalar(0));
    if (c.has("in.z0")) put_normaliser(c.elements("in.z0"), state, true);
  }

  gla::Inputs<Scalar> inputs() const {
    gla::Inputs<Scalar> in{.q = q, .k = k, .v = v};
    if (constant_gate) in.g = *constant_gate;
    if (scalar_gate) in.g = *scalar_gate;
    if (vector_gate) in.g = *vector_gate;
    if (u) in.u = *u;
    in.cu_seqlens = cu_seqlens;
    return in;
  }

  static Tensor<Scalar, 4> with_column(const Tensor<Scalar, 4>& x, Scalar value) {
    auto shape = shape_of(x);
    const Index n = shape[3]++;
    Tensor<Scalar, 4> out(shape);
    for (Index row = 0; row * (n + 1) < out.size(); ++row) {
      std::copy_n(x.data() + row * n, n, out.data() + row * (n + 1));
      out.data()[row * (n + 1) + n] = value;
    }
    return out;
  }

  /// z [B, 1, H, K] becomes the last column of a state [B, HV, K, V + 1]: of all value heads that
  /// share a key head, or of the first of them.
  template <class Elements>
  void put_normaliser(const Elements& z, Tensor<Scalar, 4>& wide, bool all) const {
    const Index N = wide.dimension(0), HV = wide.dimension(1), K = q.dimension(3);
    const Index H = q.dimension(2), group = H == 0 ? 1 : HV / H, last = wide.dimension(3) - 1;
    if (Index(z.size()) != N * H * K || HV != H * group || wide.dimension(2) != K)
      throw CheckpointError("the normaliser does not match the state");
    for (Index n = 0; n < N; ++n)
      for (Index h = 0; h < HV; h += all ? 1 : group)
        for (Index i = 0; i < K; ++i)
          wide(n, h, i, last) = Scalar(z.data()[(n * H + h / group) * K + i]);
  }

  /// A column [B, HV, K, 1] as z: the sum over value heads that share a key head, or the first.
  Tensor<Scalar, 4> normaliser_of(const Tensor<Scalar, 4>& column, bool sum) const {
    const Index N = column.dimension(0), HV = column.dimension(1), K = column.dimension(2);
    const Index H = q.dimension(2), group = H == 0 ? 1 : HV / H;
    auto z = zeros<Scalar>(Shape<4>{N, 1, H, K});
    for (Index n = 0; n < N; ++n)
      for (Index h = 0; h < HV; h += sum ? 1 : group)
        for (Index i = 0; i < K; ++i) z(n, 0, h / group, i) += column(n, h, i, 0);
    return z;
  }

  /// The gradient at what the feature map was given, from that at what it made.
  Tensor<Scalar, 4> before_map(const Maybe<Scalar, 4>& raw, const Tensor<Scalar, 4>& dy) const {
    if (!raw) return dy;
    auto dx = zeros<Scalar>(shape_of(dy));
    with_function(feature_map, [&](const auto& f) {
      kernels::activation_backward(f, View<const Scalar, 4>(*raw), dy, dx);
    });
    return dx;
  }
};

/// What a form made of a problem: as the file stores it.
template <class Scalar>
struct Answer {
  Tensor<Scalar, 4> o, state, z;
  Tensor<Scalar, 4> denominator;  ///< [B, T, H, 1], of a normaliser
};

/// The last column of x, and x without it.
template <class Scalar>
void split_column(const Tensor<Scalar, 4>& x, Tensor<Scalar, 4>& rest, Tensor<Scalar, 4>& last) {
  auto shape = shape_of(x);
  const Index n = --shape[3];
  rest.resize(shape);
  shape[3] = 1;
  last.resize(shape);
  for (Index row = 0; row < last.size(); ++row) {
    std::copy_n(x.data() + row * (n + 1), n, rest.data() + row * n);
    last.data()[row] = x.data()[row * (n + 1) + n];
  }
}

template <class Scalar>
Answer<Scalar> finish(const Problem<Scalar>& p, Tensor<Scalar, 4> o, Tensor<Scalar, 4> state) {
  Answer<Scalar> a;
  if (!p.normalize) {
    a.o = std::move(o), a.state = std::move(state);
    return a;
  }
  split_column(o, a.o, a.denominator);
  split_column(state, a.state, a.z);
  a.z = p.normaliser_of(a.z, false);
  const Index V = a.o.dimension(3);
  for (Index row = 0; row < a.denominator.size(); ++row) {
    a.denominator.data()[row] += p.eps;
    for (Index j = 0; j < V; ++j) a.o.data()[row * V + j] /= a.denominator.data()[row];
  }
  return a;
}

/// Runs a form of the kernel on outputs that begin as NaN.
template <class Scalar, class Kernel>
Answer<Scalar> solve(const Problem<Scalar>& p, Kernel&& kernel) {
  Tensor<Scalar, 4> o(shape_of(p.v)), state = p.state;
  o.setConstant(std::numeric_limits<Scalar>::quiet_NaN());
  kernel(p.inputs(), p.scale, View<Scalar, 4>(state), View<Scalar, 4>(o));
  return finish(p, std::move(o), std::move(state));
}

}  // namespace sluice::testing::golden_gla
