// SPDX-License-Identifier: MIT
/// \file
/// The parts of `tokenizer.json` that say what happens to text before and after its tokens are
/// sought. Each is one step or a sequence of steps.
#pragma once

#include "json_place.hpp"
#include "tokenizer.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace generate {

namespace detail {

/// Calls step(place, type) for a step, or for all of a sequence, which lists them under `key`.
template <class Step>
void for_each_step(const std::optional<JsonPlace>& place, const std::string& key, Step&& step) {
  if (!place) return;
  const std::string type = place->at("type").text();
  if (type != "Sequence") return step(*place, type);
  for (const JsonPlace& part : place->at(key).list()) for_each_step(part, key, step);
}

inline Split read_split(const JsonPlace& step) {
  const std::string behavior = step.at("behavior").text();
  if (behavior != "Isolated" && behavior != "Removed") step.at("behavior").unsupported();
  if (step.flag("invert", false)) step.at("invert").unsupported();
  const JsonPlace pattern = step.at("pattern");
  if (!pattern.find("Regex")) pattern.unsupported();
  const JsonPlace regex = pattern.at("Regex");
  try {
    return {Regex(regex.text()), behavior == "Isolated"};
  } catch (const RegexError& e) {
    regex.fail(std::string("is not a regular expression: ") + e.what());
  }
}

/// The ids that a template puts around the text.
inline void read_template(const JsonPlace& step, TokenizerParts& parts) {
  std::vector<std::int64_t> before, after;
  bool text_seen = false;
  for (const JsonPlace& part : step.at("single").list()) {
    if (const auto text = part.find("Sequence")) {
      if (text_seen || text->at("id").text() != "A") part.unsupported();
      text_seen = true;
      continue;
    }
    const std::string name = part.at("SpecialToken").at("id").text();
    for (const JsonPlace& id : step.at("special_tokens").at(name).at("ids").list())
      (text_seen ? after : before).push_back(id.id());
  }
  if (!text_seen) step.at("single").unsupported();
  parts.before.insert(parts.before.begin(), before.begin(), before.end());
  parts.after.insert(parts.after.end(), after.begin(), after.end());
}

}  // namespace detail

/// Reads "normalizer": whether text is brought to form C.
inline bool read_normalizer(const std::optional<JsonPlace>& place) {
  bool nfc = false;
  detail::for_each_step(place, "normalizers", [&](const JsonPlace& step, const std::string& type) {
    if (type != "NFC") step.at("type").unsupported();
    nfc = true;
  });
  return nfc;
}

/// Reads "pre_tokenizer": splits, then the step that turns characters into bytes.
inline PreTokenizer read_pre_tokenizer(const JsonPlace& place) {
  std::vector<Split> splits;
  bool bytes = false, prefix_space = false, words = false;
  detail::for_each_step(place, "pretokenizers",
                        [&](const JsonPlace& step, const std::string& type) {
                          if (bytes) step.fail("comes after ByteLevel, which is not supported");
                          if (type == "Split") {
                            splits.push_back(detail::read_split(step));
                          } else if (type == "ByteLevel") {
                            bytes = true;
                            prefix_space = step.flag("add_prefix_space", true);
                            words = step.flag("use_regex", true);
                          } else {
                            step.at("type").unsupported();
                          }
                        });
  if (!bytes) place.fail("has no ByteLevel, without which it is not supported");
  return PreTokenizer(std::move(splits), prefix_space, words);
}

/// Reads "decoder", which must undo the bytes and nothing else.
inline void read_decoder(const JsonPlace& place) {
  detail::for_each_step(place, "decoders", [&](const JsonPlace& step, const std::string& type) {
    if (type != "ByteLevel") step.at("type").unsupported();
  });
}

/// Reads "post_processor": ids around the text.
inline void read_post_processor(const std::optional<JsonPlace>& place, TokenizerParts& parts) {
  detail::for_each_step(place, "processors", [&](const JsonPlace& step, const std::string& type) {
    if (type == "TemplateProcessing")
      detail::read_template(step, parts);
    else if (type != "ByteLevel")  // which moves offsets, not ids
      step.at("type").unsupported();
  });
}

}  // namespace generate
