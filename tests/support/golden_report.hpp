// SPDX-License-Identifier: MIT
/// \file
/// The errors of one golden case, form by form.
#pragma once

#include <sluice/core/view.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

namespace sluice::testing {

/// "f32" or "f64".
template <class Scalar>
constexpr const char* scalar_name = std::is_same_v<Scalar, double> ? "f64" : "f32";

/// Gathers the worst error of every form and Scalar.
class Report {
 public:
  /// err = max|x - ref| / max(1, max|ref|); infinite where x is not a number.
  template <class Scalar>
  static double error(const Scalar* x, const double* reference, std::size_t n) {
    double worst = 0, largest = 1;
    for (std::size_t i = 0; i < n; ++i) {
      const double d = std::abs(double(x[i]) - reference[i]);
      worst = std::isnan(d) ? std::numeric_limits<double>::infinity() : std::max(worst, d);
      largest = std::max(largest, std::abs(reference[i]));
    }
    return worst / largest;
  }

  /// Adds one tensor of one form, such as "chunkwise(16)".
  template <class Actual, class Reference>
  void add(const std::string& form, const std::string& tensor, const Actual& x,
           const Reference& reference, double limit) {
    using Scalar = std::remove_cvref_t<decltype(*x.data())>;
    const auto n = static_cast<std::size_t>(reference.size());
    const std::string group = form + "/" + scalar_name<Scalar>;
    if constexpr (requires { x.dimensions() == reference.dimensions(); }) {
      if (x.dimensions() != reference.dimensions()) {
        add_error(group, tensor + " has another shape", std::numeric_limits<double>::infinity(),
                  limit);
        return;
      }
    }
    if (static_cast<std::size_t>(x.size()) != n) {
      add_error(group,
                tensor + " has " + std::to_string(x.size()) + " elements, not " + std::to_string(n),
                std::numeric_limits<double>::infinity(), limit);
      return;
    }
    add_error(group, tensor, error(x.data(), reference.data(), n), limit);
  }

  void add_error(const std::string& group, const std::string& tensor, double error, double limit) {
    auto found = std::find_if(groups_.begin(), groups_.end(),
                              [&](const Group& g) { return g.name == group; });
    if (found == groups_.end()) found = groups_.insert(groups_.end(), {group, "", 0, 1});
    // The worst is the one that uses most of its limit.
    if (found->tensor.empty() || !(error / limit <= found->error / found->limit))
      *found = {group, tensor, error, limit};
  }

  bool passed() const {
    return !groups_.empty() && std::all_of(groups_.begin(), groups_.end(), within);
  }

  /// "naive/f64 o 1.1e-15, ..."; what exceeds its limit comes first and says so.
  std::string text() const {
    if (groups_.empty()) return "nothing to compare";
    std::string bad, good;
    for (const Group& g : groups_) {
      std::string& out = within(g) ? good : bad;
      out += (out.empty() ? "" : ", ") + g.name + " " + g.tensor + " " + short_number(g.error);
      if (!within(g)) out += " > " + short_number(g.limit);
    }
    return bad + (bad.empty() || good.empty() ? "" : "; within limits: ") + good;
  }

 private:
  struct Group {
    std::string name, tensor;
    double error, limit;
  };

  static bool within(const Group& g) { return g.error <= g.limit; }

  static std::string short_number(double x) {
    char out[32];
    std::snprintf(out, sizeof out, "%.1e", x);
    return out;
  }

  std::vector<Group> groups_;
};

}  // namespace sluice::testing
