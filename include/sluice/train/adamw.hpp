// SPDX-License-Identifier: MIT
/// \file
/// Adam with decoupled weight decay. Its two moments are models of the same type.
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/core/view.hpp>
#include <sluice/simd/batch.hpp>
#include <sluice/simd/sqrt.hpp>
#include <sluice/train/decay.hpp>
#include <sluice/train/learned.hpp>

#include <cmath>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

namespace sluice {

/// The numbers of AdamW, as the paper and most libraries call them.
struct AdamWOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.01;
};

/// AdamW, for the model it was made from or one of the same structure.
///
///     m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2
///     p = p - rate (decay p + m / (1 - beta1^n) / (sqrt(v / (1 - beta2^n)) + epsilon))
///
/// in step n. Tensors of rank 1 (biases, weights of norms, decay rates) are not decayed, nor are
/// those that a predicate (name, tensor) -> bool given by the caller refuses. Moments are kept in
/// the scalar of the tensor, bias corrections in double. `fields()` visits the moments, so that a
/// checkpoint can hold them, with `steps()` beside.
///
/// Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019, algorithm 2
/// (arXiv:1711.05101).
template <Visitable Model>
class AdamW {
 public:
  explicit AdamW(const Model& model, const AdamWOptions& options = {})
      : AdamW(model, options, MatricesDecay{}) {}

  /// With a rule of the caller's for which tensors decay.
  template <class Decays>
  AdamW(const Model& model, const AdamWOptions& options, const Decays& decays)
      : options_(options),
        first_(zeros_like(model)),
        second_(first_),
        decays_(detail::decided(model, decays)) {}

  static constexpr auto fields() {
    return std::tuple{field("exp_avg", &AdamW::first_), field("exp_avg_sq", &AdamW::second_)};
  }

  /// One step against `gradient`, at `factor` times the learning rate: what a schedule gives.
  template <class Arch = simd::DefaultArch>
  void step(Model& model, const Model& gradient, double factor = 1) {
    ++steps_;
    const double rate = options_.learning_rate * factor, n = double(steps_);
    const double first_size = 1 - std::pow(options_.beta1, n);
    const double second_size = 1 - std::pow(options_.beta2, n);
    std::size_t tensor = 0;
    for_each_tensor(
        [&](std::string_view, auto& p, const auto& g, auto& m, auto& v) {
          const double decay = decays_[tensor++] ? options_.weight_decay : 0;
          if constexpr (is_learned<decltype(p)>) {
            using Scalar = typename std::remove_cvref_t<decltype(p)>::Scalar;
            update<Arch, Scalar>(p.size(), p.data(), g.data(), m.data(), v.data(),
                                 {.beta1 = Scalar(options_.beta1),
                                  .rest1 = Scalar(1 - options_.beta1),
                                  .beta2 = Scalar(options_.beta2),
                                  .rest2 = Scalar(1 - options_.beta2),
                                  .keep = Scalar(1 - rate * decay),
                                  .rate = Scalar(-rate / first_size),
                                  .root = Scalar(1 / std::sqrt(second_size)),
                                  .epsilon = Scalar(options_.epsilon)});
          }
        },
        model, gradient, first_, second_);
  }

  double learning_rate() const noexcept { return options_.learning_rate; }
  void set_learning_rate(double rate) noexcept { options_.learning_rate = rate; }

  /// Steps taken so far; to be set when the moments come from a checkpoint.
  std::ptrdiff_t steps() const noexcept { return steps_; }
  void set_steps(std::ptrdiff_t steps) noexcept { steps_ = steps; }

 private:
  template <class Scalar>
  struct Factors {
    Scalar beta1, rest1, beta2, rest2, keep, rate, root, epsilon;
  };

  template <class Arch, class Scalar>
  static void update(Index n, Scalar* p, const Scalar* g, Scalar* m, Scalar* v,
                     const Factors<Scalar>& f) {
    simd::for_each_lane<Arch, Scalar>(n, [=]<class B>(std::type_identity<B>, Index i) {
      const B grad = simd::load<B>(g + i);
      const B first = simd::madd(B(f.beta1), simd::load<B>(m + i), B(B(f.rest1) * grad));
      const B second = simd::madd(B(f.beta2), simd::load<B>(v + i), B(B(f.rest2) * grad * grad));
      simd::store(m + i, first);
      simd::store(v + i, second);
      const B size = simd::madd(simd::sqrt(second), B(f.root), B(f.epsilon));
      simd::store(p + i, simd::madd(B(f.rate), simd::divide(first, size),
                                    B(B(f.keep) * simd::load<B>(p + i))));
    });
  }

  AdamWOptions options_;
  Model first_, second_;
  std::vector<char> decays_;
  std::ptrdiff_t steps_ = 0;
};

}  // namespace sluice
