// SPDX-License-Identifier: MIT
/// \file
/// The printable characters by which byte-level vocabularies spell bytes.
#pragma once

#include "utf8.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace generate {

namespace detail {

/// The byte of a character: the printable ones of Latin-1 stand for themselves, the others take
/// the code points from 256 on, in order.
inline std::array<int, 512> make_byte_table() {
  std::array<int, 512> bytes{};
  bytes.fill(-1);
  std::size_t next = 256;
  for (int b = 0; b < 256; ++b) {
    const bool printable = (b > 32 && b < 127) || (b > 160 && b != 173);
    bytes[printable ? std::size_t(b) : next++] = b;
  }
  return bytes;
}

}  // namespace detail

/// The bytes that a token of the vocabulary stands for; nothing if a character of it spells no
/// byte.
///
/// Source: Radford et al., Language Models are Unsupervised Multitask Learners, 2019 (GPT-2).
inline std::optional<std::string> spelled_bytes(std::string_view token) {
  static const auto table = detail::make_byte_table();
  std::string bytes;
  for (std::size_t i = 0; i < token.size();) {
    const Character c = first_character(token.substr(i));
    if (c.kind != Character::Kind::whole || c.code_point >= table.size()) return {};
    const int byte = table[c.code_point];
    if (byte < 0) return {};
    bytes += char(byte);
    i += c.length;
  }
  return bytes;
}

}  // namespace generate
