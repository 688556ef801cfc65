// SPDX-License-Identifier: MIT
/// \file
/// One file of golden numbers: inputs, references, options and tolerances. See golden/README.md.
#pragma once

#include <sluice/io/safetensors_reader.hpp>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include <nlohmann/json.hpp>

namespace sluice::testing {

/// Thrown for a case whose family there is nothing to check with.
struct NotAvailable : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class GoldenCase {
 public:
  explicit GoldenCase(const std::filesystem::path& path)
      : file_(path), name_(path.stem().string()) {
    const auto found = file_.metadata().find("params");
    if (found == file_.metadata().end()) file_.fail("the metadata lacks \"params\"");
    params_ = nlohmann::json::parse(found->second, nullptr, false);
    if (!params_.is_object()) file_.fail("the metadata \"params\" is no JSON object");
    if (family().empty()) file_.fail("\"params\" lacks \"family\"");
  }

  const std::string& name() const noexcept { return name_; }
  std::string family() const { return text("family", ""); }
  bool has(const std::string& tensor) const { return file_.contains(tensor); }
  [[noreturn]] void fail(const std::string& what) const { file_.fail(what); }

  /// Number of axes of a tensor.
  Index rank(const std::string& tensor) const {
    return static_cast<Index>(file_.info(tensor).shape.size());
  }

  template <class Scalar, int Rank>
  Tensor<Scalar, Rank> tensor(const std::string& name) const {
    return file_.tensor<Scalar, Rank>(name);
  }

  /// The tensor, or nothing if the file has none of that name.
  template <class Scalar, int Rank>
  std::optional<Tensor<Scalar, Rank>> optional(const std::string& name) const {
    if (!has(name)) return {};
    return tensor<Scalar, Rank>(name);
  }

  /// A tensor of any rank as rows of its last axis, [N, D].
  template <class Scalar>
  Tensor<Scalar, 2> rows(const std::string& name) const {
    const auto& shape = file_.info(name).shape;
    if (shape.empty()) file_.fail("tensor \"" + name + "\" has no axes");
    Index n = 1;
    for (std::size_t i = 0; i + 1 < shape.size(); ++i) n *= shape[i];
    Tensor<Scalar, 2> out(n, shape.back());
    file_.copy(name, out.data());
    return out;
  }

  /// All elements in order.
  std::vector<double> elements(const std::string& name) const {
    std::vector<double> out(file_.info(name).size());
    file_.copy(name, out.data());
    return out;
  }

  std::vector<Index> integers(const std::string& name) const {
    std::vector<std::int64_t> out(file_.info(name).size());
    file_.copy(name, out.data());
    return {out.begin(), out.end()};
  }

  double number(const char* key, double otherwise) const { return get(key, otherwise, "a number"); }
  bool flag(const char* key, bool otherwise) const { return get(key, otherwise, "true or false"); }
  std::string text(const char* key, const std::string& otherwise) const {
    return get(key, otherwise, "a text");
  }

  /// A list of numbers; what is no number in it is infinity.
  std::vector<double> numbers(const char* key, const std::vector<double>& otherwise) const {
    const auto found = params_.find(key);
    if (found == params_.end() || !found->is_array()) return otherwise;
    std::vector<double> out;
    for (const auto& x : *found)
      out.push_back(x.is_number() ? x.get<double>() : std::numeric_limits<double>::infinity());
    return out;
  }

  /// Whether the case mixes in decays strong enough to cost a chunked float32 form a digit.
  bool stress() const { return name_.find("stress") != std::string::npos; }

  /// Whether Scalar can be compared in double only: the references are no narrower themselves.
  template <class Scalar>
  bool wide() const {
    return std::is_same_v<Scalar, double> &&
           std::all_of(file_.tensors().begin(), file_.tensors().end(), [](const auto& t) {
             return !t.first.starts_with("out.") || t.second.dtype == Dtype::f64 ||
                    t.second.dtype == Dtype::i64;
           });
  }

  /// The largest error allowed: the common one, or the one the file states if that is larger.
  template <class Scalar>
  double limit(bool gradient) const {
    const bool wide = this->wide<Scalar>();
    const double common = wide ? (gradient ? 1e-11 : 1e-12) : (gradient ? 2e-5 : 2e-6);
    const auto found = file_.metadata().find("tolerance");
    if (found == file_.metadata().end()) return common;
    const std::string& all = found->second;
    const std::size_t narrow = all.find("float32"), begin = wide ? all.find("float64") : narrow;
    if (begin == std::string::npos) return common;
    const bool cut = wide && narrow != std::string::npos && narrow > begin;
    const std::string part = all.substr(begin, cut ? narrow - begin : std::string::npos);
    // The first such number is for outputs, the second for gradients; "<= 1e-12" is one.
    double stated[2] = {0, 0};
    std::size_t found_numbers = 0;
    for (std::size_t e = part.find("e-"); e != std::string::npos && found_numbers < 2;
         e = part.find("e-", e + 2)) {
      std::size_t first = e;
      while (first > 0 && (std::isdigit(static_cast<unsigned char>(part[first - 1])) != 0 ||
                           part[first - 1] == '.'))
        --first;
      if (first < e) stated[found_numbers++] = std::strtod(part.c_str() + first, nullptr);
    }
    return std::max(common, stated[gradient ? 1 : 0]);
  }

 private:
  template <class T>
  T get(const char* key, const T& otherwise, const char* kind) const {
    const auto found = params_.find(key);
    if (found == params_.end() || found->is_null()) return otherwise;
    try {
      return found->template get<T>();
    } catch (const nlohmann::json::exception&) {
      file_.fail(std::string("\"params\": ") + key + " must be " + kind);
    }
  }

  SafetensorsFile file_;
  std::string name_;
  nlohmann::json params_;
};

}  // namespace sluice::testing
