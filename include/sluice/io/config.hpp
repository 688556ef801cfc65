// SPDX-License-Identifier: MIT
/// \file
/// Reading the `config.json` of a checkpoint folder into a plain struct, by the struct's own lists.
///
/// A configuration knows nothing of JSON. It names its members as `fields()` does, with
/// `field(key, member)` of core/fields.hpp, in two lists:
///
///     struct Config {
///       Index hidden_size = 0;
///       float norm_eps = 1e-6f;
///       std::optional<Index> num_kv_heads;
///       static constexpr auto required() {   // keys the file must have
///         return std::tuple{field("hidden_size", &Config::hidden_size)};
///       }
///       static constexpr auto options() {    // keys that may be absent or null
///         return std::tuple{field("norm_eps", &Config::norm_eps),
///                           field("num_kv_heads", &Config::num_kv_heads)};
///       }
///     };
///
/// A configuration nests that of its layers, which list the keys that are theirs, in the same file:
/// `field("", &Config::mixer)`.
///
/// An option that is absent, null, or "auto" where a text does not belong, keeps the member's
/// initial value. Members are bool, integers,
/// floating-point numbers, std::string, std::array of these, or std::optional of them. Keys in
/// neither list are ignored; a key whose value the model cannot honour belongs in `options()`, and
/// the model's constructor throws ArgumentError about it.
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/core/view.hpp>
#include <sluice/io/error.hpp>
#include <sluice/io/json.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

namespace sluice {

/// A struct that lists its keys as above.
template <class T>
concept Configuration = std::default_initializable<T> && requires {
  T::required();
  T::options();
};

namespace detail {

template <class T>
inline constexpr bool is_array = false;
template <class T, std::size_t N>
inline constexpr bool is_array<std::array<T, N>> = true;

template <class T>
std::string kind_name() {
  if constexpr (is_array<T>)
    return "a list of " + std::to_string(std::tuple_size_v<T>) + ", each " +
           kind_name<typename T::value_type>();
  else if constexpr (std::same_as<T, bool>)
    return "true or false";
  else if constexpr (std::integral<T>)
    return "an integer of at most 32 bits";
  else if constexpr (std::floating_point<T>)
    return "a number";
  else
    return "a text";
}

/// Reads a value into a member; false if it is of another kind.
template <class T>
bool read_value(const nlohmann::json& json, T& to) {
  if constexpr (is_optional<T>) {
    return read_value(json, to.emplace());
  } else if constexpr (is_array<T>) {
    if (!json.is_array() || json.size() != to.size()) return false;
    for (std::size_t i = 0; i < to.size(); ++i)
      if (!read_value(json[i], to[i])) return false;
  } else if constexpr (std::same_as<T, bool>) {
    if (!json.is_boolean()) return false;
    to = json.get<bool>();
  } else if constexpr (std::integral<T>) {
    // Sizes are multiplied with each other; a product of two of 32 bits still fits an Index.
    if (!json.is_number_integer() ||
        (json.is_number_unsigned() && json.get<std::uint64_t>() > INT32_MAX))
      return false;
    const auto value = json.get<std::int64_t>();
    if (value < INT32_MIN || !std::in_range<T>(value)) return false;
    to = static_cast<T>(value);
  } else if constexpr (std::floating_point<T>) {
    constexpr T infinity = std::numeric_limits<T>::infinity();
    if (json.is_object() && json.size() == 1 && json.contains("__float__")) {
      if (json["__float__"] != "Infinity" && json["__float__"] != "-Infinity") return false;
      to = json["__float__"] == "Infinity" ? infinity : -infinity;
      return true;
    }
    if (!json.is_number()) return false;
    to = json.get<T>();
  } else {
    static_assert(std::same_as<T, std::string>, "a kind of member that cannot be read");
    if (!json.is_string()) return false;
    to = json.get<std::string>();
  }
  return true;
}

template <class T>
struct ValueOf {
  using type = T;
};
template <class T>
struct ValueOf<std::optional<T>> {
  using type = T;
};

/// Reads one key of a JSON object that came from `file` into a member of `config`, or all keys of a
/// member that lists its own.
template <class Config, class Key>
void read_key(const nlohmann::json& json, const std::string& file, Config& config, const Key& key,
              bool needed) {
  auto& member = config.*key.pointer;
  using Member = std::remove_cvref_t<decltype(member)>;
  if constexpr (requires { Member::options(); }) {
    std::apply([&](const auto&... keys) { (read_key(json, file, member, keys, false), ...); },
               Member::options());
  } else {
    using T = typename ValueOf<Member>::type;
    const auto found = json.find(std::string(key.name));
    const auto name = "key " + in_quotes(key.name);
    const bool automatic =
        !needed && !std::same_as<T, std::string> && found != json.end() && *found == "auto";
    if (found == json.end() || found->is_null() || automatic) {
      if (needed) throw CheckpointError(file + ": " + name + " is missing");
      return;
    }
    if (!read_value(*found, member))
      throw CheckpointError(file + ": " + name + " must be " + kind_name<T>() + ", got " +
                            in_quotes(found->dump(-1, ' ', true)));
  }
}

/// Fills a configuration from a JSON object that came from `file`.
template <Configuration Config>
Config read_config(const nlohmann::json& json, const std::string& file) {
  Config config;
  std::apply([&](const auto&... keys) { (read_key(json, file, config, keys, true), ...); },
             Config::required());
  std::apply([&](const auto&... keys) { (read_key(json, file, config, keys, false), ...); },
             Config::options());
  return config;
}

}  // namespace detail

/// Reads a configuration from a JSON file.
/// \throws CheckpointError  naming the file and the key that is missing or of the wrong type.
template <Configuration Config>
Config load_config(const std::filesystem::path& path) {
  return detail::read_config<Config>(detail::read_json_object(path), path.string());
}

}  // namespace sluice
