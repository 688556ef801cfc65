// SPDX-License-Identifier: MIT
/// \file
/// Tokens that are found in text as they are written, before anything else is.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace generate {

class AddedTokens {
 public:
  /// \param content  not empty.
  void add(std::string content, std::int64_t id) {
    auto& bucket = by_first_byte_[static_cast<unsigned char>(content.front())];
    const auto place = std::find_if(bucket.begin(), bucket.end(), [&](const Token& token) {
      return token.content.size() < content.size();
    });
    bucket.insert(place, {std::move(content), id});
  }

  /// Calls text(part) and token(id) in the order of `whole`. Of the tokens that begin at one place
  /// the longest is meant.
  template <class Text, class Found>
  void cut(std::string_view whole, Text&& text, Found&& found) const {
    std::size_t done = 0;
    for (std::size_t i = 0; i < whole.size();) {
      const Token* token = longest_at(whole.substr(i));
      if (token == nullptr) {
        ++i;
        continue;
      }
      if (i > done) text(whole.substr(done, i - done));
      found(token->id);
      done = i += token->content.size();
    }
    if (done < whole.size()) text(whole.substr(done));
  }

 private:
  struct Token {
    std::string content;
    std::int64_t id;
  };

  const Token* longest_at(std::string_view text) const {
    for (const Token& token : by_first_byte_[static_cast<unsigned char>(text.front())])
      if (text.starts_with(token.content)) return &token;
    return nullptr;
  }

  std::array<std::vector<Token>, 256> by_first_byte_;  ///< each from the longest on
};

}  // namespace generate
