// SPDX-License-Identifier: MIT
/// \file
/// Gradient descent with momentum.
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/core/view.hpp>
#include <sluice/simd/batch.hpp>
#include <sluice/train/decay.hpp>
#include <sluice/train/learned.hpp>

#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

namespace sluice {

/// The numbers of gradient descent.
struct SGDOptions {
  double learning_rate = 1e-2;
  double momentum = 0;
  bool nesterov = false;  ///< look ahead by the momentum
  double weight_decay = 0;
};

/// Gradient descent with momentum, for the model it was made from or one of the same structure.
///
///     d = g + decay p,   m = momentum m + d
///     p = p - rate m,  or with Nesterov's look ahead  p - rate (d + momentum m)
///
/// Tensors of rank 1 are not decayed, nor are those that a predicate (name, tensor) -> bool given
/// by the caller refuses. `fields()` visits the momentum.
///
/// Source: Sutskever et al., On the importance of initialization and momentum in deep learning,
/// ICML 2013, in the form where the rate multiplies the velocity.
template <Visitable Model>
class SGD {
 public:
  explicit SGD(const Model& model, const SGDOptions& options = {})
      : SGD(model, options, MatricesDecay{}) {}

  /// With a rule of the caller's for which tensors decay.
  template <class Decays>
  SGD(const Model& model, const SGDOptions& options, const Decays& decays)
      : options_(options), momentum_(zeros_like(model)), decays_(detail::decided(model, decays)) {}

  static constexpr auto fields() { return std::tuple{field("momentum", &SGD::momentum_)}; }

  /// One step against `gradient`, at `factor` times the learning rate: what a schedule gives.
  template <class Arch = simd::DefaultArch>
  void step(Model& model, const Model& gradient, double factor = 1) {
    const double rate = options_.learning_rate * factor;
    const bool ahead = options_.nesterov;
    std::size_t tensor = 0;
    for_each_tensor(
        [&](std::string_view, auto& p, const auto& g, auto& m) {
          const double decay = decays_[tensor++] ? options_.weight_decay : 0;
          if constexpr (is_learned<decltype(p)>) {
            using Scalar = typename std::remove_cvref_t<decltype(p)>::Scalar;
            update<Arch, Scalar>(p.size(), p.data(), g.data(), m.data(), Scalar(decay),
                                 Scalar(options_.momentum), Scalar(-rate), ahead);
          }
        },
        model, gradient, momentum_);
  }

  double learning_rate() const noexcept { return options_.learning_rate; }
  void set_learning_rate(double rate) noexcept { options_.learning_rate = rate; }

 private:
  template <class Arch, class Scalar>
  static void update(Index n, Scalar* p, const Scalar* g, Scalar* m, Scalar decay, Scalar momentum,
                     Scalar rate, bool ahead) {
    simd::for_each_lane<Arch, Scalar>(n, [=]<class B>(std::type_identity<B>, Index i) {
      const B old = simd::load<B>(p + i);
      const B d = simd::madd(B(decay), old, simd::load<B>(g + i));
      const B velocity = simd::madd(B(momentum), simd::load<B>(m + i), d);
      simd::store(m + i, velocity);
      const B down = ahead ? simd::madd(B(momentum), velocity, d) : velocity;
      simd::store(p + i, simd::madd(B(rate), down, old));
    });
  }

  SGDOptions options_;
  Model momentum_;
  std::vector<char> decays_;
};

}  // namespace sluice
