// SPDX-License-Identifier: MIT
/// \file
/// Byte-level tokenizers from `tokenizer.json`, as the public hubs have it beside a checkpoint.
#pragma once

#include "tokenizer_steps.hpp"
#include "tokenizer_vocabulary.hpp"

#include <sluice/io/json.hpp>

#include <filesystem>
#include <utility>

namespace generate {

/// The tokenizer of a file. Trusts nothing in it.
/// \throws InputError  naming the file and the key, if something is missing, malformed, or of a
///     kind that would need more than byte pairs of bytes.
inline Tokenizer read_tokenizer(const std::filesystem::path& path) {
  constexpr std::uintmax_t largest = 256u << 20;  // bytes; of published ones the largest have 30e6
  nlohmann::json json;
  try {
    json = sluice::detail::read_json_object(path, largest);
  } catch (const sluice::CheckpointError& e) {
    throw InputError(e.what());
  }
  const JsonPlace root(json, path.string());
  TokenizerParts parts{.pairs = {},
                       .pre_tokenizer = read_pre_tokenizer(root.at("pre_tokenizer")),
                       .as_written = {},
                       .as_normalized = {},
                       .nfc = read_normalizer(root.find("normalizer")),
                       .before = {},
                       .after = {},
                       .spellings = {}};
  read_decoder(root.at("decoder"));
  read_byte_pairs(root.at("model"), parts);
  if (const auto added = root.find("added_tokens"))
    for (const JsonPlace& token : added->list()) read_added_token(token, parts);
  read_post_processor(root.find("post_processor"), parts);
  return Tokenizer(std::move(parts));
}

}  // namespace generate
