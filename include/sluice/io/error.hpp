// SPDX-License-Identifier: MIT
/// \file
/// What goes wrong with files, and how it is told.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace sluice {

/// A file cannot be read, is malformed, or does not fit the model. The message begins with the
/// file and names the tensor or key.
struct CheckpointError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

namespace detail {

/// A name in quotes, cut to a length that a message bears: names come from untrusted files.
inline std::string in_quotes(std::string_view name) {
  constexpr std::size_t longest = 120;
  std::string out = "\"";
  for (const char c : name.substr(0, longest))
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return out + (name.size() > longest ? "...\"" : "\"");
}

}  // namespace detail

}  // namespace sluice
