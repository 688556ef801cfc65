// SPDX-License-Identifier: MIT
/// \file
/// The parts of `tokenizer.json` that say which tokens there are: "model" and "added_tokens".
#pragma once

#include "byte_alphabet.hpp"
#include "json_place.hpp"
#include "tokenizer.hpp"

#include <array>
#include <string>
#include <utility>

namespace generate {

namespace detail {

inline void read_tokens(const JsonPlace& vocabulary, TokenizerParts& parts) {
  if (!vocabulary.value().is_object()) vocabulary.must_be("an object");
  for (const auto& item : vocabulary.value().items()) {
    const std::string& token = item.key();
    const std::int64_t id = vocabulary.at(token, item.value()).id();
    auto bytes = spelled_bytes(token);
    if (bytes) parts.pairs.vocabulary[*bytes] = id;
    parts.spellings[id] = bytes ? *std::move(bytes) : token;
  }
}

/// The two tokens of a merge, in the older form "a b" or the newer one, ["a", "b"].
inline std::array<std::string, 2> read_pair(const JsonPlace& merge) {
  if (merge.value().is_array()) {
    const auto tokens = merge.list();
    if (tokens.size() != 2) merge.must_be("a pair of tokens");
    return {tokens[0].text(), tokens[1].text()};
  }
  const std::string text = merge.text();
  const auto space = text.find(' ');
  if (space == text.npos || text.find(' ', space + 1) != text.npos)
    merge.must_be("two tokens with a space between");
  return {text.substr(0, space), text.substr(space + 1)};
}

inline void read_merges(const JsonPlace& merges, BytePairs& pairs) {
  std::size_t rank = 0;
  for (const JsonPlace& merge : merges.list()) {
    if (merge.value().is_string() && merge.text().starts_with("#version")) continue;
    const auto [left, right] = read_pair(merge);
    const auto id_of = [&](const std::string& token) {
      const auto bytes = spelled_bytes(token);
      const auto found = bytes ? pairs.vocabulary.find(*bytes) : pairs.vocabulary.end();
      if (found == pairs.vocabulary.end())
        merge.fail("needs the token " + sluice::detail::in_quotes(token) +
                   ", which the vocabulary lacks");
      return found->second;
    };
    const auto key = BytePairs::key(id_of(left), id_of(right));
    pairs.merges[key] = {rank++, id_of(left + right)};
  }
}

}  // namespace detail

/// Reads "model", which must be of byte pairs.
inline void read_byte_pairs(const JsonPlace& model, TokenizerParts& parts) {
  // The oldest files do not name their type; what has merges is of byte pairs.
  if (const auto type = model.find("type"); type ? type->text() != "BPE" : !model.find("merges"))
    (type ? *type : model.at("type")).unsupported();
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!model.text(key).empty()) model.at(key).unsupported();
  if (model.flag("byte_fallback", false)) model.at("byte_fallback").unsupported();
  if (const auto dropout = model.find("dropout"); dropout && dropout->value() != 0)
    dropout->unsupported();

  BytePairs& pairs = parts.pairs;
  pairs.ignore_merges = model.flag("ignore_merges", false);
  pairs.fuse_unknown = model.flag("fuse_unk", false);
  detail::read_tokens(model.at("vocab"), parts);
  detail::read_merges(model.at("merges"), pairs);
  if (const auto unknown = model.find("unk_token"))
    pairs.unknown = model.at("vocab").at(unknown->text()).id();
}

/// Reads an entry of "added_tokens".
inline void read_added_token(const JsonPlace& token, TokenizerParts& parts) {
  for (const char* key : {"single_word", "lstrip", "rstrip"})
    if (token.flag(key, false)) token.at(key).unsupported();
  const std::string content = token.at("content").text();
  const std::int64_t id = token.at("id").id();
  if (content.empty()) return;
  parts.spellings[id] = content;
  if (token.flag("normalized", !token.flag("special", false)))
    parts.as_normalized.add(parts.nfc ? to_nfc(content) : content, id);
  else
    parts.as_written.add(content, id);
}

}  // namespace generate
