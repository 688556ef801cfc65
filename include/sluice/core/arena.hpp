// SPDX-License-Identifier: MIT
/// \file
/// Memory that is handed out in order and taken back all at once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace sluice {

/// A bump allocator. After the first pass over the same work it allocates nothing.
class Arena {
 public:
  static constexpr std::size_t alignment = 64;  // a cache line, and the widest vector register

  /// A place in the order of allocations, to return to.
  struct Mark {
    std::size_t block, used;
  };

  void* allocate(std::size_t bytes) {
    bytes = (bytes + alignment - 1) / alignment * alignment;
    while (block_ < blocks_.size() && used_ + bytes > blocks_[block_].size) ++block_, used_ = 0;
    if (block_ == blocks_.size()) {
      const std::size_t size =
          std::max(bytes, blocks_.empty() ? first_block : 2 * blocks_.back().size);
      blocks_.push_back(
          {Bytes(static_cast<std::byte*>(::operator new (size, std::align_val_t{alignment}))),
           size});
      used_ = 0;
    }
    return blocks_[block_].bytes.get() + std::exchange(used_, used_ + bytes);
  }

  Mark mark() const noexcept { return {block_, used_}; }

  /// Takes back everything allocated since `mark`.
  void release(Mark mark) noexcept { block_ = mark.block, used_ = mark.used; }

  void clear() noexcept { release({0, 0}); }

  /// Bytes obtained from the system so far.
  std::size_t capacity() const noexcept {
    std::size_t sum = 0;
    for (const Block& b : blocks_) sum += b.size;
    return sum;
  }

 private:
  static constexpr std::size_t first_block = std::size_t{1} << 16;
  struct Free {
    void operator()(std::byte* p) const noexcept {
      ::operator delete (p, std::align_val_t{alignment});
    }
  };
  using Bytes = std::unique_ptr<std::byte[], Free>;
  struct Block {
    Bytes bytes;
    std::size_t size;
  };
  std::vector<Block> blocks_;
  std::size_t block_ = 0, used_ = 0;
};

}  // namespace sluice
