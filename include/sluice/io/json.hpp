// SPDX-License-Identifier: MIT
/// \file
/// JSON files as the public hubs have them, which is not always JSON.
#pragma once

#include <sluice/io/error.hpp>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>

#include <nlohmann/json.hpp>

namespace sluice::detail {

/// The text with the words by which Python writes what JSON has no number for, Infinity, -Infinity
/// and NaN, as the objects that newer files have in their place.
inline std::string with_python_numbers(const std::string& text) {
  std::string out;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size();) {
    const auto word = [&]() -> std::string_view {
      for (const std::string_view w : {"-Infinity", "Infinity", "NaN"})
        if (!in_string && text.compare(i, w.size(), w) == 0) return w;
      return {};
    }();
    if (!word.empty()) {
      out.append(R"({"__float__": ")").append(word).append("\"}");
      i += word.size();
      continue;
    }
    if (in_string && text[i] == '\\' && i + 1 < text.size())
      out += text[i++];
    else if (text[i] == '"')
      in_string = !in_string;
    out += text[i++];
  }
  return out;
}

/// Reads a JSON file whose outermost value is an object.
/// \param largest  in bytes; published configurations have a few thousand.
inline nlohmann::json read_json_object(const std::filesystem::path& path,
                                       std::uintmax_t largest = 16u << 20) {
  constexpr int deepest = 64;
  const auto fail = [&](const std::string& what) {
    throw CheckpointError(path.string() + ": " + what);
  };
  std::error_code error;
  if (!std::filesystem::exists(path, error)) fail("no such file");
  if (!std::filesystem::is_regular_file(path, error)) fail("not a regular file");
  if (std::filesystem::file_size(path, error) > largest || error)
    fail("larger than " + std::to_string(largest >> 20) + " MiB");
  std::ifstream in(path, std::ios::binary);
  if (!in) fail("cannot be opened");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(with_python_numbers(text),
                                 [&](int depth, nlohmann::json::parse_event_t, auto&) {
                                   if (depth > deepest) fail("nested too deeply");
                                   return true;
                                 });
  } catch (const nlohmann::json::exception& e) {
    fail(std::string("not JSON: ") + e.what());
  }
  if (!json.is_object()) fail("must hold a JSON object");
  return json;
}

}  // namespace sluice::detail
