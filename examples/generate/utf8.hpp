// SPDX-License-Identifier: MIT
/// \file
/// Characters of UTF-8 text, and text whose pieces end anywhere.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace generate {

/// What stands at the beginning of a text.
struct Character {
  enum class Kind { whole, cut, wrong };
  Kind kind;
  std::size_t length;   ///< bytes it takes; at least 1
  char32_t code_point;  ///< if whole
};

/// The first character of a text that is not empty. A sequence that the end cuts short, but that
/// could still become a character, is `cut`; what never can is `wrong`.
inline Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  using enum Character::Kind;
  const unsigned lead = byte(0);
  if (lead < 0x80) return {whole, 1, lead};
  if (lead < 0xC2 || lead > 0xF4) return {wrong, 1, 0};
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // The second byte excludes overlong forms, surrogates, and what lies beyond U+10FFFF.
  const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  char32_t code_point = lead & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if (i == text.size()) return {cut, i, 0};
    if (byte(i) < (i == 1 ? low : 0x80) || byte(i) > (i == 1 ? high : 0xBF)) return {wrong, i, 0};
    code_point = code_point << 6 | (byte(i) & 0x3F);
  }
  return {whole, length, code_point};
}

/// The place of the first byte that belongs to no character, or npos.
inline std::size_t invalid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const Character c = first_character(text.substr(i));
    if (c.kind != Character::Kind::whole) return i;
    i += c.length;
  }
  return std::string_view::npos;
}

/// The UTF-8 form of a character.
inline std::string to_utf8(char32_t c) {
  const auto tail = [&](int shift) { return char(0x80 | ((c >> shift) & 0x3F)); };
  if (c < 0x80) return {char(c)};
  if (c < 0x800) return {char(0xC0 | c >> 6), tail(0)};
  if (c < 0x10000) return {char(0xE0 | c >> 12), tail(6), tail(0)};
  return {char(0xF0 | c >> 18), tail(12), tail(6), tail(0)};
}

/// Puts bytes together to whole characters. What is none becomes U+FFFD.
class CharacterStream {
 public:
  /// The characters that `bytes` completes.
  std::string push(std::string_view bytes) {
    rest_ += bytes;
    std::string out;
    std::size_t i = 0;
    while (i < rest_.size()) {
      const Character c = first_character(std::string_view(rest_).substr(i));
      if (c.kind == Character::Kind::cut) break;
      if (c.kind == Character::Kind::whole)
        out.append(rest_, i, c.length);
      else
        out += replacement;
      i += c.length;
    }
    rest_.erase(0, i);
    return out;
  }

  /// What is left when no more bytes come.
  std::string finish() {
    const bool cut = !rest_.empty();
    rest_.clear();
    return cut ? replacement : "";
  }

 private:
  static constexpr const char* replacement = "\xEF\xBF\xBD";
  std::string rest_;
};

}  // namespace generate
