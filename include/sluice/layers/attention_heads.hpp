// SPDX-License-Identifier: MIT
/// \file
/// How the layers of the attention family divide their widths into heads.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/layers/linear.hpp>
#include <sluice/ops/heads.hpp>

#include <string>
#include <string_view>

namespace sluice::detail {

/// Widths of one layer, from a configuration with the members
///
///     width           of input and output
///     num_heads       heads of q
///     num_kv_heads    heads of k and v, shared by groups; 0: num_heads
///     expand_k        total width of q over that of the layer
///     expand_v        total width of v over that of the layer
struct AttentionHeads {
  Index heads, kv_heads;
  Index key_width, value_width;  ///< of all heads of q, of the output

  template <class Config>
  explicit AttentionHeads(const Config& c)
      : heads(c.num_heads),
        kv_heads(c.num_kv_heads == 0 ? c.num_heads : c.num_kv_heads),
        key_width(Index(double(c.width) * c.expand_k)),
        value_width(Index(double(c.width) * c.expand_v)) {}

  /// Throws ArgumentError unless everything divides; a head of q has a multiple of `unit` channels.
  void check(std::string_view where, Index unit = 1) const {
    require(heads > 0, where, "num_heads", "at least 1", std::to_string(heads));
    require(kv_heads > 0 && heads % kv_heads == 0, where, "num_kv_heads",
            "a divisor of num_heads = " + std::to_string(heads), std::to_string(kv_heads));
    require_multiple(where, "width * expand_k", key_width, unit);
    require_multiple(where, "width * expand_v", value_width, 1);
  }

  Index K() const noexcept { return key_width / heads; }    ///< channels of a head of q and k
  Index V() const noexcept { return value_width / heads; }  ///< channels of a head of v

  /// x [B, T, kv_heads X], a projection to k or v, as [B, T, heads, X].
  template <class Scalar>
  Variable<Scalar, 4> shared(const Variable<Scalar, 3>& x) const {
    return repeat_heads(split_heads(x, kv_heads), heads / kv_heads);
  }

 private:
  void require_multiple(std::string_view where, std::string_view what, Index width,
                        Index unit) const {
    const std::string times = unit == 1 ? "" : std::to_string(unit) + " * ";
    require(width > 0 && width % (unit * heads) == 0, where, what,
            "a multiple of " + times + "num_heads = " + std::to_string(unit * heads),
            std::to_string(width));
  }
};

/// The same, checked.
template <class Config>
AttentionHeads attention_heads(std::string_view where, const Config& c, Index unit = 1) {
  const AttentionHeads h(c);
  h.check(where, unit);
  return h;
}

}  // namespace sluice::detail
