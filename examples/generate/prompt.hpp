// SPDX-License-Identifier: MIT
/// \file
/// What the model reads first.
#pragma once

#include "folder.hpp"
#include "options.hpp"
#include "tokenizer_file.hpp"

#include <cstdio>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

namespace generate {

/// The tokenizer of a folder, if it has one. One that cannot be used is no harm where no text is
/// asked for: that is said, and ids it is.
/// \throws InputError  if text is asked for and cannot be served.
inline std::optional<Tokenizer> open_tokenizer(const Folder& folder, const Options& o) {
  const auto path = folder.path / "tokenizer.json";
  const char* way_out = " (--ids works without it)";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    if (o.text)
      throw InputError(path.string() + ": no such file, so --text means nothing" + way_out);
    return {};
  }
  try {
    return read_tokenizer(path);
  } catch (const InputError& e) {
    if (o.text) throw InputError(e.what() + std::string(way_out));
    std::fprintf(stderr, "generate: note: ids instead of text: %s\n", e.what());
    return {};
  }
}

namespace detail {

inline std::vector<std::int64_t> encode_option(const Tokenizer& tokenizer, std::string text) {
  if (text == "-") text.assign(std::istreambuf_iterator<char>(std::cin), {});
  try {
    return tokenizer.encode(text);
  } catch (const InputError& e) {
    throw InputError(std::string("--text: ") + e.what());
  }
}

}  // namespace detail

/// The ids of the prompt, checked against the vocabulary of the model.
inline std::vector<std::int64_t> read_prompt(const Options& o,
                                             const std::optional<Tokenizer>& tokenizer,
                                             std::int64_t vocabulary) {
  std::vector<std::int64_t> ids = o.ids;
  if (o.text)
    ids = detail::encode_option(*tokenizer, *o.text);
  else if (ids.empty() && tokenizer)
    ids = tokenizer->encode("Once upon a time");
  else if (ids.empty())
    for (std::int64_t id = 0; id < std::min<std::int64_t>(8, vocabulary); ++id) ids.push_back(id);
  if (ids.empty()) throw InputError("--text: is empty (a prompt needs at least one token)");
  for (const std::int64_t id : ids)
    if (id >= vocabulary)
      throw InputError("token " + std::to_string(id) +
                       " of the prompt is unknown to the model: it has " +
                       std::to_string(vocabulary) + ", from 0 on");
  return ids;
}

}  // namespace generate
