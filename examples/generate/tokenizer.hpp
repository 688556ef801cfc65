// SPDX-License-Identifier: MIT
/// \file
/// Text to token ids and back, for vocabularies whose tokens are made of bytes.
#pragma once

#include "../common/input_error.hpp"
#include "added_tokens.hpp"
#include "byte_pairs.hpp"
#include "normalizer.hpp"
#include "pre_tokenizer.hpp"
#include "utf8.hpp"

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace generate {

using examples::InputError;

/// What a tokenizer is made of.
struct TokenizerParts {
  BytePairs pairs;
  PreTokenizer pre_tokenizer;
  AddedTokens as_written, as_normalized;    ///< sought before and after normalisation
  bool nfc;                                 ///< whether there is a normalisation, to form C
  std::vector<std::int64_t> before, after;  ///< ids around every text
  std::unordered_map<std::int64_t, std::string> spellings;  ///< bytes of every token
};

class Tokenizer {
 public:
  using Id = std::int64_t;

  explicit Tokenizer(TokenizerParts parts) : parts_(std::move(parts)) {}

  /// \throws InputError  if the text is not UTF-8, or the vocabulary has no token for a byte of it.
  std::vector<Id> encode(std::string_view text) const {
    if (const auto at = invalid_utf8(text); at != std::string_view::npos)
      throw InputError("the text is not UTF-8: byte " + std::to_string(at) +
                       " belongs to no character");
    std::vector<Id> ids = parts_.before;
    const auto add = [&](Id id) { ids.push_back(id); };
    parts_.as_written.cut(
        text,
        [&](std::string_view part) {
          parts_.as_normalized.cut(
              parts_.nfc ? to_nfc(part) : std::string(part),
              [&](std::string_view words) { encode_words(words, ids); }, add);
        },
        add);
    ids.insert(ids.end(), parts_.after.begin(), parts_.after.end());
    return ids;
  }

  /// The bytes of a token, which need not be whole characters; none if there is no such token.
  std::string_view bytes(Id id) const {
    const auto found = parts_.spellings.find(id);
    return found == parts_.spellings.end() ? std::string_view{} : found->second;
  }

 private:
  void encode_words(std::string_view words, std::vector<Id>& ids) const try {
    parts_.pre_tokenizer(words, [&](std::string_view piece) {
      const auto missing = parts_.pairs.encode(piece, ids);
      if (!missing) return;
      char byte[8];
      std::snprintf(byte, sizeof byte, "0x%02X", unsigned(*missing));
      throw InputError(std::string("the vocabulary has no token for the byte ") + byte +
                       " of the text");
    });
  } catch (const RegexError& e) {
    throw InputError(std::string("the text cannot be cut into words: ") + e.what());
  }

  TokenizerParts parts_;
};

}  // namespace generate
