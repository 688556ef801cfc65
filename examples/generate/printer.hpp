// SPDX-License-Identifier: MIT
/// \file
/// Tokens on the screen: as text where there is a tokenizer, else as ids.
#pragma once

#include "tokenizer.hpp"
#include "utf8.hpp"

#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace generate {

class Printer {
 public:
  explicit Printer(const std::optional<Tokenizer>& tokenizer) : tokenizer_(tokenizer) {}

  /// Prints a token at once, but for characters that are not complete yet.
  void print(std::int64_t id) {
    put(text_of(id));
    std::fflush(stdout);
  }

  /// Prints a whole text; of a long one the end.
  void print_end(std::span<const std::int64_t> ids) {
    constexpr std::size_t most = 64;
    if (ids.size() > most) put("... "), ids = ids.last(most);
    for (const std::int64_t id : ids) put(text_of(id));
    end_line();
  }

  void end_line() {
    std::fputs((characters_.finish() + "\n").c_str(), stdout);
    first_ = true;
  }

 private:
  std::string text_of(std::int64_t id) {
    const std::string number = std::to_string(id);
    if (!tokenizer_) return std::exchange(first_, false) ? number : " " + number;
    const auto bytes = tokenizer_->bytes(id);
    // Models may know more tokens than their tokenizer.
    return characters_.push(bytes.empty() ? "<" + number + ">" : std::string(bytes));
  }

  static void put(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

  const std::optional<Tokenizer>& tokenizer_;
  CharacterStream characters_;
  bool first_ = true;
};

}  // namespace generate
