// SPDX-License-Identifier: MIT
/// \file
/// A golden case of the selective scan in the layout of the kernels: channels innermost.
#pragma once

#include "support/golden_case.hpp"

#include <sluice/core/tensor.hpp>
#include <sluice/kernels/ssm/types.hpp>

#include <array>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace sluice::testing::golden_ssm {

template <class Scalar, int Rank>
using Maybe = std::optional<Tensor<Scalar, Rank>>;

/// What the files of a family call things.
struct Names {
  std::string x = "u", dt = "delta", y = "y", final_state = "last_state";
};

/// Reads tensors of a case in the layout of the kernels; one that is absent is no tensor.
template <class Scalar>
struct Reader {
  const GoldenCase& c;
  std::string prefix;  ///< "in.", "out.", "cot." or "grad."
  bool elementwise, complex;
  Names names;

  Reader(const GoldenCase& golden, std::string part)
      : c(golden),
        prefix(std::move(part)),
        elementwise(c.family() == "hgrn"),
        complex(c.flag("complex", false)) {
    if (elementwise) names = {"x", "g", "o", "ht"};
  }

  /// [B, D, T] -> [B, T, D]; the files of hgrn have it so.
  Maybe<Scalar, 3> stream(const std::string& name) const {
    const auto x = c.optional<Scalar, 3>(prefix + name);
    if (!x || elementwise) return x;
    return x->shuffle(std::array<int, 3>{0, 2, 1});
  }
  Maybe<Scalar, 1> vector(const std::string& name) const {
    return c.optional<Scalar, 1>(prefix + name);
  }
  /// [D, N] -> [N, D], the imaginary parts behind the real ones.
  Maybe<Scalar, 2> matrix(const std::string& name) const {
    const auto turned = [&](const std::string& part) {
      return Tensor<Scalar, 2>(c.tensor<Scalar, 2>(part).shuffle(std::array<int, 2>{1, 0}));
    };
    if (c.has(prefix + name)) {
      if (c.rank(prefix + name) != 2) return {};
      return turned(prefix + name);
    }
    if (!c.has(prefix + name + "_re")) return {};
    const auto re = turned(prefix + name + "_re"), im = turned(prefix + name + "_im");
    return Tensor<Scalar, 2>(re.concatenate(im, 0));
  }
  /// [B, D, N] -> [B, N, D] likewise; of hgrn, [B, D] -> [B, 1, D].
  Maybe<Scalar, 3> state(const std::string& name) const {
    const auto turned = [&](const std::string& part) -> Tensor<Scalar, 3> {
      if (!elementwise) return c.tensor<Scalar, 3>(part).shuffle(std::array<int, 3>{0, 2, 1});
      const auto x = c.tensor<Scalar, 2>(part);
      return x.reshape(Shape<3>{x.dimension(0), 1, x.dimension(1)});
    };
    if (c.has(prefix + name)) return turned(prefix + name);
    if (!c.has(prefix + name + "_re")) return {};
    const auto re = turned(prefix + name + "_re"), im = turned(prefix + name + "_im");
    return Tensor<Scalar, 3>(re.concatenate(im, 1));
  }
  /// [B, N, T] or [B, G, N, T] -> [B, T, G, N]; complex numbers are pairs along T in the file.
  Maybe<Scalar, 4> coupling(const std::string& name) const {
    const std::string full = prefix + name;
    if (!c.has(full) || c.rank(full) == 2) return {};
    Tensor<Scalar, 4> x;
    if (c.rank(full) == 4) {
      x = c.tensor<Scalar, 4>(full);
    } else {
      const auto one = c.tensor<Scalar, 3>(full);
      x = one.reshape(Shape<4>{one.dimension(0), 1, one.dimension(1), one.dimension(2)});
    }
    const Index parts = complex ? 2 : 1, T = x.dimension(3) / parts, N = x.dimension(2);
    Tensor<Scalar, 4> out(x.dimension(0), T, x.dimension(1), N * parts);
    for (Index b = 0; b < x.dimension(0); ++b)
      for (Index g = 0; g < x.dimension(1); ++g)
        for (Index n = 0; n < N; ++n)
          for (Index t = 0; t < T; ++t)
            for (Index part = 0; part < parts; ++part)
              out(b, t, g, n + part * N) = x(b, g, n, t * parts + part);
    return out;
  }
};

/// The operands of one case, or the gradients by them.
template <class Scalar>
struct Problem {
  Maybe<Scalar, 3> x, dt, z;
  Maybe<Scalar, 2> A, B_constant, C_constant;
  Maybe<Scalar, 4> B, C;
  Maybe<Scalar, 1> D, bias;
  Tensor<Scalar, 3> state;
  std::vector<Index> cu_seqlens;
  bool has_state = false, elementwise, softplus, complex;
  Scalar dt_min, dt_max;

  Problem(const GoldenCase& c, const std::string& prefix) {
    const Reader<Scalar> read(c, prefix);
    x = read.stream(read.names.x), dt = read.stream(read.names.dt), z = read.stream("z");
    A = read.matrix("A"), B_constant = read.matrix("B"), C_constant = read.matrix("C");
    B = read.coupling("B"), C = read.coupling("C");
    D = read.vector("D"), bias = read.vector("delta_bias");
    elementwise = read.elementwise, complex = read.complex;
    softplus = c.flag("delta_softplus", false);
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const auto limits = c.numbers("dt_limit", {-infinity, infinity});
    dt_min = Scalar(limits.at(0)), dt_max = Scalar(limits.at(1));
    if (c.has("in.cu_seqlens")) cu_seqlens = c.integers("in.cu_seqlens");
    const auto initial = read.state("h0");
    has_state = initial.has_value();
    if (has_state) state = *initial;
    if (has_state || !x) return;
    const Index sequences = cu_seqlens.empty() ? x->dimension(0) : Index(cu_seqlens.size()) - 1;
    state = zeros<Scalar>(Shape<3>{sequences, A ? A->dimension(0) : 1, x->dimension(2)});
  }

  Problem zeros_like() const {
    Problem zero = *this;
    const auto clear = [](auto&... tensors) {
      ((tensors ? void(tensors->setZero()) : void()), ...);
    };
    clear(zero.x, zero.dt, zero.z, zero.A, zero.B_constant, zero.C_constant, zero.B, zero.C, zero.D,
          zero.bias);
    zero.state.setZero();
    return zero;
  }

  ssm::Inputs<Scalar> inputs() const {
    ssm::Inputs<Scalar> in{.x = *x, .dt = *dt};
    if (A) in.A = *A;
    if (B) in.B = *B;
    if (C) in.C = *C;
    if (B_constant) in.B = *B_constant;
    if (C_constant) in.C = *C_constant;
    if (D) in.D = *D;
    if (z) in.z = *z;
    if (bias) in.dt_bias = *bias;
    in.softplus = softplus, in.complex = complex, in.dt_scales_x = !elementwise;
    in.dt_min = dt_min, in.dt_max = dt_max;
    in.cu_seqlens = cu_seqlens;
    return in;
  }

  /// Token t of every sequence.
  ssm::Inputs<Scalar> token(Index t) const {
    ssm::Inputs<Scalar> in = inputs();
    in.x = slice(in.x, 1, t, 1), in.dt = slice(in.dt, 1, t, 1);
    if (in.z) in.z = slice(in.z, 1, t, 1);
    if (B) in.B = slice(View<const Scalar, 4>(*B), 1, t, 1);
    if (C) in.C = slice(View<const Scalar, 4>(*C), 1, t, 1);
    return in;
  }

  /// As gradients: where they go.
  ssm::Gradients<Scalar> targets() {
    ssm::Gradients<Scalar> g{.dx = *x, .ddt = *dt};
    if (A) g.dA = *A;
    if (B) g.dB = *B;
    if (C) g.dC = *C;
    if (B_constant) g.dB = *B_constant;
    if (C_constant) g.dC = *C_constant;
    if (D) g.dD = *D;
    if (z) g.dz = *z;
    if (bias) g.ddt_bias = *bias;
    return g;
  }
};

}  // namespace sluice::testing::golden_ssm
