// SPDX-License-Identifier: MIT
/// \file
/// Chunkwise gated linear attention as one would write it with Eigen: a rival, not a reference.
#pragma once

#include "agreement.hpp"
#include "gla_problem.hpp"
#include "linear_problem.hpp"
#include "race.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace sluice::bench {

/// All temporaries are kept, all products are without aliasing. Decays are taken relative to the
/// start of a chunk, so gates must be mild.
class EigenGla {
 public:
  EigenGla(GlaProblem<float>& problem, Index chunk)
      : p_(problem),
        C_(chunk),
        states_(std::size_t(p_.shape.H), M::Zero(p_.shape.K, p_.shape.V)),
        decay_(C_, p_.shape.K),
        q_(C_, p_.shape.K),
        k_(C_, p_.shape.K),
        scores_(C_, C_),
        o_(p_.shape.T, p_.shape.H * p_.shape.V) {}

  /// For B = 1 and a vector gate; T is a multiple of the chunk.
  void operator()() {
    const auto& s = p_.shape;
    for (Index t = 0; t < s.T; t += C_)  // as ours: chunks outside, so that rows are read in order
      for (Index h = 0; h < s.H; ++h) {
        const Rows q = rows(p_.q, t, h), k = rows(p_.k, t, h), v = rows(p_.v, t, h),
                   g = rows(p_.g, t, h);
        M& state = states_[std::size_t(h)];
        decay_.row(0) = g.row(0);
        for (Index i = 1; i < C_; ++i) decay_.row(i) = decay_.row(i - 1) + g.row(i);
        decay_ = decay_.array().exp();
        q_ = p_.scale * q.array() * decay_.array();
        k_ = k.array() / decay_.array();
        scores_.noalias() = q_ * k_.transpose();
        scores_.triangularView<Eigen::StrictlyUpper>().setZero();
        auto o = o_.block(t, h * s.V, C_, s.V);
        o.noalias() = q_ * state;
        o.noalias() += scores_ * v;
        state.noalias() += k_.transpose() * v;
        state.array().colwise() *= decay_.row(C_ - 1).transpose().array();
      }
  }

  const Matrix<float>& output() const { return o_; }

 private:
  using M = Matrix<float>;
  using Rows = Eigen::Map<const M, 0, Eigen::OuterStride<>>;

  /// Those of one head in one chunk.
  Rows rows(const Tensor<float, 4>& x, Index t, Index h) const {
    const Index heads = x.dimension(2), width = x.dimension(3);
    return {x.data() + (t * heads + h) * width, C_, width, heads * width};
  }

  GlaProblem<float>& p_;
  Index C_;
  std::vector<M> states_;
  M decay_, q_, k_, scores_, o_;
};

/// Eigen's form with the chunk that suits it best.
/// \throws std::runtime_error  if it computes something else than we do.
inline std::function<void()> eigen_gla(GlaProblem<float>& problem) {
  std::vector<std::function<void()>> candidates;
  for (const Index chunk : {16, 32, 64}) {
    const auto theirs = std::make_shared<EigenGla>(problem, chunk);
    (*theirs)();
    problem.state.setZero();
    problem.blocked();
    require_agreement("Eigen's chunkwise form", theirs->output().data(), problem.o.data(),
                      problem.o.size());
    candidates.push_back([theirs] { (*theirs)(); });
  }
  return fastest(candidates);
}

}  // namespace sluice::bench
