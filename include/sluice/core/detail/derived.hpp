// SPDX-License-Identifier: MIT
/// \file
/// Values that follow from parameters alone, kept from pass to pass.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

namespace sluice::detail {

/// A value is kept with a copy of the parameter that it was computed from, and used while the
/// parameter equals that copy to the bit: comparing costs a fraction of what the value does, and
/// nobody can change a model, assign it, or build another in its place, without being noticed.
template <class Scalar>
class DerivedValues {
 public:
  /// The value of `size` scalars that `fill(Scalar* to)` computes from `source[0 .. n)`.
  template <class Fill>
  const Scalar* get(const Scalar* source, std::size_t n, const void* kind, std::size_t size,
                    const Fill& fill) {
    for (Value& v : values_)
      if (v.kind == kind && v.source == source && v.from.size() == n && v.to.size() == size &&
          (n == 0 || std::memcmp(v.from.data(), source, n * sizeof(Scalar)) == 0)) {
        v.last_pass = pass_;
        return v.to.data();
      }
    Value& v = unused();
    v.source = source, v.kind = kind, v.last_pass = pass_;
    v.from.assign(source, source + n);
    v.to.resize(size);
    fill(v.to.data());
    return v.to.data();
  }

  /// Nothing handed out before is looked at any more.
  void next_pass() noexcept { ++pass_; }

 private:
  struct Value {
    const Scalar* source;
    const void* kind;
    std::size_t last_pass;
    std::vector<Scalar> from, to;
  };

  /// A place that neither this pass nor the last has used, or a new one.
  Value& unused() {
    for (Value& v : values_)
      if (v.last_pass + 1 < pass_) return v;
    return values_.emplace_back();
  }

  std::vector<Value> values_;
  std::size_t pass_ = 0;
};

}  // namespace sluice::detail
