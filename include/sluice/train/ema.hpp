// SPDX-License-Identifier: MIT
/// \file
/// The exponential moving average of a model in training, which often predicts better than it.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/fields.hpp>
#include <sluice/core/view.hpp>
#include <sluice/simd/batch.hpp>
#include <sluice/train/learned.hpp>

#include <algorithm>
#include <string_view>
#include <tuple>
#include <type_traits>

namespace sluice {

/// A shadow of a model, beginning as its copy.
///
///     average = average + (1 - decay) (model - average)    at every update
///
/// Integers of the model are copied.
template <Visitable Model>
class Ema {
 public:
  Ema(const Model& model, double decay) : average_(model), decay_(decay) {
    require(decay >= 0 && decay <= 1, "Ema", "decay", "in [0, 1]", decay);
  }

  static constexpr auto fields() { return std::tuple{field("", &Ema::average_)}; }

  template <class Arch = simd::DefaultArch>
  void update(const Model& model) {
    for_each_tensor(
        [&](std::string_view, auto& average, const auto& x) {
          if constexpr (is_learned<decltype(x)>) {
            using Scalar = typename std::remove_cvref_t<decltype(x)>::Scalar;
            approach<Arch, Scalar>(x.size(), Scalar(1 - decay_), x.data(), average.data());
          } else {
            std::copy_n(x.data(), x.size(), average.data());
          }
        },
        average_, model);
  }

  const Model& model() const noexcept { return average_; }

 private:
  template <class Arch, class Scalar>
  static void approach(Index n, Scalar part, const Scalar* x, Scalar* average) {
    simd::for_each_lane<Arch, Scalar>(n, [=]<class B>(std::type_identity<B>, Index i) {
      const B old = simd::load<B>(average + i);
      simd::store(average + i, simd::madd(B(part), B(simd::load<B>(x + i) - old), old));
    });
  }

  Model average_;
  double decay_;
};

}  // namespace sluice
