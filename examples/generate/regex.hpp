// SPDX-License-Identifier: MIT
/// \file
/// Regular expressions that know Unicode, by PCRE2.
#pragma once

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

namespace generate {

/// An expression is wrong, or takes too long on a text.
struct RegexError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Regex {
 public:
  /// \throws RegexError  if the pattern is wrong.
  explicit Regex(std::string_view pattern) {
    int error = 0;
    PCRE2_SIZE at = 0;
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                              PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &at,
                              nullptr));
    if (!code_) throw RegexError(message(error) + " at offset " + std::to_string(at));
    match_.reset(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
    if (!match_) throw std::bad_alloc();
  }

  /// Calls piece(text, matched) for the matches and what lies between them, in order; none is
  /// empty.
  /// \param text  valid UTF-8.
  /// \throws RegexError  if matching exceeds a limit.
  template <class Piece>
  void cut(std::string_view text, Piece&& piece) const {
    std::size_t done = 0;
    for (std::size_t from = 0; from < text.size();) {
      const int found = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()),
                                    text.size(), from, PCRE2_NO_UTF_CHECK, match_.get(), nullptr);
      if (found == PCRE2_ERROR_NOMATCH) break;
      if (found < 0) throw RegexError(message(found));
      const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(match_.get());
      const std::size_t begin = ends[0], end = ends[1];
      if (begin < from || begin > end) throw RegexError("\\K is not supported in lookarounds");
      if (begin > done) piece(text.substr(done, begin - done), false), done = begin;
      if (end > begin) piece(text.substr(begin, end - begin), true), done = end;
      from = end > begin ? end : after_character(text, end);
    }
    if (done < text.size()) piece(text.substr(done), false);
  }

 private:
  struct Free {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
    void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
  };

  static std::size_t after_character(std::string_view text, std::size_t i) {
    do ++i;
    while (i < text.size() && (text[i] & 0xC0) == 0x80);
    return i;
  }

  static std::string message(int error) {
    std::array<PCRE2_UCHAR, 256> text{};
    pcre2_get_error_message(error, text.data(), text.size());
    return reinterpret_cast<const char*>(text.data());
  }

  std::unique_ptr<pcre2_code, Free> code_;
  std::unique_ptr<pcre2_match_data, Free> match_;
};

}  // namespace generate
