// SPDX-License-Identifier: MIT
/// \file
/// Byte-pair encoding: a piece of text begins as bytes, and the pair of neighbours that was learnt
/// first is merged until none is left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <queue>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace generate {

/// The tokens of a vocabulary and the merges between them.
struct BytePairs {
  using Id = std::int64_t;

  /// What two neighbours become, and how early that was learnt.
  struct Merge {
    std::size_t rank;
    Id merged;
  };

  std::unordered_map<std::string, Id> vocabulary;        ///< by the bytes of the token
  std::unordered_map<std::uint64_t, Merge> merges = {};  ///< by `key` of the two tokens
  std::optional<Id> unknown = {};                        ///< token of bytes that have none
  bool fuse_unknown = false;   ///< neighbouring bytes without a token share one
  bool ignore_merges = false;  ///< a piece that is a token stays whole, whatever the merges say

  /// Ids fit 32 bits.
  static std::uint64_t key(Id left, Id right) {
    return std::uint64_t(left) << 32 | std::uint64_t(right);
  }

  /// Appends the tokens of a piece. n bytes take O(n log n).
  /// \returns  the first byte that has no token, if there is one; `ids` is then as it was.
  std::optional<unsigned char> encode(std::string_view piece, std::vector<Id>& ids) const;
};

namespace detail {

/// A chain of tokens in which neighbours are merged.
class MergeChain {
 public:
  MergeChain(const BytePairs& pairs, const std::vector<BytePairs::Id>& tokens) : pairs_(pairs) {
    for (std::size_t i = 0; i < tokens.size(); ++i) links_.push_back({tokens[i], i - 1, i + 1});
    for (std::size_t i = 0; i + 1 < links_.size(); ++i) consider(i);
  }

  void merge_all() {
    while (!candidates_.empty()) {
      const Candidate c = candidates_.top();
      candidates_.pop();
      Link& left = links_[c.left];
      // Either side may have been merged with another since.
      if (left.id == gone || left.next >= links_.size()) continue;
      Link& right = links_[left.next];
      if (BytePairs::key(left.id, right.id) != c.pair) continue;
      left.id = c.merged, right.id = gone;
      left.next = right.next;
      if (left.next < links_.size()) links_[left.next].previous = c.left;
      if (left.previous < links_.size()) consider(left.previous);
      consider(c.left);
    }
  }

  void append_to(std::vector<BytePairs::Id>& ids) const {
    for (const Link& link : links_)
      if (link.id != gone) ids.push_back(link.id);
  }

 private:
  static constexpr BytePairs::Id gone = -1;

  struct Link {
    BytePairs::Id id;
    std::size_t previous, next;  ///< beyond the last link: none
  };
  struct Candidate {
    std::size_t rank, left;
    std::uint64_t pair;
    BytePairs::Id merged;
    bool operator>(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };

  void consider(std::size_t left) {
    const std::size_t right = links_[left].next;
    if (right >= links_.size()) return;
    const std::uint64_t pair = BytePairs::key(links_[left].id, links_[right].id);
    const auto found = pairs_.merges.find(pair);
    if (found != pairs_.merges.end())
      candidates_.push({found->second.rank, left, pair, found->second.merged});
  }

  const BytePairs& pairs_;
  std::vector<Link> links_;
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates_;
};

}  // namespace detail

inline std::optional<unsigned char> BytePairs::encode(std::string_view piece,
                                                      std::vector<Id>& ids) const {
  std::string bytes(piece);
  if (ignore_merges)
    if (const auto whole = vocabulary.find(bytes); whole != vocabulary.end()) {
      ids.push_back(whole->second);
      return {};
    }
  std::vector<Id> tokens;
  bool after_unknown = false;
  for (const char byte : piece) {
    const auto found = vocabulary.find(bytes.assign(1, byte));
    const bool known = found != vocabulary.end();
    if (!known && !unknown) return static_cast<unsigned char>(byte);
    if (known || !after_unknown || !fuse_unknown)
      tokens.push_back(known ? found->second : *unknown);
    after_unknown = !known;
  }
  detail::MergeChain chain(*this, tokens);
  chain.merge_all();
  chain.append_to(ids);
  return {};
}

}  // namespace generate
