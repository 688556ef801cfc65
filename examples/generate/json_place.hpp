// SPDX-License-Identifier: MIT
/// \file
/// A value inside a JSON file that knows where it stands, so that complaints can name the key.
#pragma once

#include "../common/input_error.hpp"

#include <sluice/io/error.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace generate {

using examples::InputError;

class JsonPlace {
 public:
  /// The outermost value of a file; `value` must outlive the places.
  JsonPlace(const nlohmann::json& value, std::string file)
      : value_(&value), file_(std::move(file)) {}

  const nlohmann::json& value() const noexcept { return *value_; }

  /// The value of a key, if it is there and not null.
  std::optional<JsonPlace> find(const std::string& key) const {
    if (!value_->is_object()) must_be("an object");
    const auto found = value_->find(key);
    if (found == value_->end() || found->is_null()) return {};
    return JsonPlace(*found, file_, path_of(key));
  }

  JsonPlace at(const std::string& key) const {
    if (auto found = find(key)) return *std::move(found);
    throw InputError(file_ + ": key " + in_quotes(path_of(key)) + " is missing");
  }

  /// The place of a value of this object that has been found already.
  JsonPlace at(const std::string& key, const nlohmann::json& value) const {
    return {value, file_, path_of(key)};
  }

  std::vector<JsonPlace> list() const {
    if (!value_->is_array()) must_be("a list");
    std::vector<JsonPlace> places;
    for (const auto& item : *value_)
      places.push_back({item, file_, path_ + "[" + std::to_string(places.size()) + "]"});
    return places;
  }

  std::string text() const {
    if (!value_->is_string()) must_be("a text");
    return value_->get<std::string>();
  }

  bool flag() const {
    if (!value_->is_boolean()) must_be("true or false");
    return value_->get<bool>();
  }

  /// The number of a token: an integer from 0 on that fits 31 bits.
  std::int64_t id() const {
    constexpr std::uint64_t largest = std::numeric_limits<std::int32_t>::max();
    if (!value_->is_number_unsigned() || value_->get<std::uint64_t>() > largest)
      must_be("the number of a token");
    return value_->get<std::int64_t>();
  }

  /// The flag of a key, or what it means if it is absent.
  bool flag(const std::string& key, bool absent) const {
    const auto found = find(key);
    return found ? found->flag() : absent;
  }

  /// The text of a key; empty if it is absent.
  std::string text(const std::string& key) const {
    const auto found = find(key);
    return found ? found->text() : "";
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw InputError(file_ + ": " + (path_.empty() ? "" : "key " + in_quotes(path_) + " ") + what);
  }
  [[noreturn]] void must_be(std::string_view what) const {
    fail("must be " + std::string(what) + ", got " + in_quotes(value_->dump(-1, ' ', true)));
  }
  [[noreturn]] void unsupported() const {
    fail("is " + in_quotes(value_->is_string() ? text() : value_->dump(-1, ' ', true)) +
         ", which is not supported");
  }

 private:
  JsonPlace(const nlohmann::json& value, std::string file, std::string path)
      : value_(&value), file_(std::move(file)), path_(std::move(path)) {}

  std::string path_of(const std::string& key) const {
    return path_.empty() ? key : path_ + "." + key;
  }
  static std::string in_quotes(std::string_view text) { return sluice::detail::in_quotes(text); }

  const nlohmann::json* value_;
  std::string file_, path_;
};

}  // namespace generate
