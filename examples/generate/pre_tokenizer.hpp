// SPDX-License-Identifier: MIT
/// \file
/// Cuts text into the pieces, about words, inside which tokens are sought.
#pragma once

#include "regex.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace generate {

/// The expression by which byte-level pre-tokenizers cut where they name no other: contractions,
/// then letters, digits or signs with one space before them, then spaces, of which the last is
/// left to what follows.
///
/// Source: Radford et al., Language Models are Unsupervised Multitask Learners, 2019 (GPT-2).
inline constexpr std::string_view gpt2_words =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// A cut before the bytes are looked at.
struct Split {
  Regex regex;
  bool keep_matches;  ///< matches are pieces too; otherwise they vanish
};

class PreTokenizer {
 public:
  /// \param prefix_space  a piece that the splits leave begins with a space even if it has none.
  /// \param words         whether these are then cut by `gpt2_words`.
  PreTokenizer(std::vector<Split> splits, bool prefix_space, bool words)
      : splits_(std::move(splits)), prefix_space_(prefix_space), words_(words) {}

  /// Calls piece(text) for every piece, in order.
  template <class Piece>
  void operator()(std::string_view text, Piece&& piece) const {
    cut(0, text, piece);
  }

 private:
  template <class Piece>
  void cut(std::size_t level, std::string_view text, Piece& piece) const {
    if (level == splits_.size()) return cut_words(text, piece);
    const Split& split = splits_[level];
    split.regex.cut(text, [&](std::string_view part, bool matched) {
      if (!matched || split.keep_matches) cut(level + 1, part, piece);
    });
  }

  template <class Piece>
  void cut_words(std::string_view text, Piece& piece) const {
    std::string with_space;
    if (prefix_space_ && !text.starts_with(' ')) text = with_space.append(" ").append(text);
    if (!words_) return piece(text);
    gpt2_.cut(text, [&](std::string_view part, bool) { piece(part); });
  }

  std::vector<Split> splits_;
  Regex gpt2_{gpt2_words};
  bool prefix_space_, words_;
};

}  // namespace generate
