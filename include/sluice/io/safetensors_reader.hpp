// SPDX-License-Identifier: MIT
/// \file
/// A safetensors file in memory: names, shapes, metadata, and tensors by name.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/io/dtype.hpp>
#include <sluice/io/error.hpp>
#include <sluice/io/safetensors_header.hpp>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace sluice {

namespace detail {

/// "[2, 3]".
inline std::string shape_text(const std::vector<Index>& shape) {
  return shape_text(shape.data(), shape.size());
}

}  // namespace detail

/// A safetensors file, read whole and checked whole: once it is constructed, every tensor it names
/// can be read.
class SafetensorsFile {
 public:
  /// \throws CheckpointError  if the file cannot be read or is malformed.
  explicit SafetensorsFile(const std::filesystem::path& path) : name_(path.string()) {
    std::error_code error;
    if (!std::filesystem::exists(path, error)) fail("no such file");
    if (!std::filesystem::is_regular_file(path, error)) fail("not a regular file");
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    std::ifstream in(path, std::ios::binary);
    if (error || !in) fail("cannot be opened");
    const auto read = [&](std::byte* to, std::size_t n) {
      in.read(reinterpret_cast<char*>(to), static_cast<std::streamsize>(n));
      if (!in) fail("cannot be read");
    };
    load(size, read);
  }

  /// The same for bytes in memory; errors call them `name`.
  SafetensorsFile(const void* bytes, std::size_t size, std::string name) : name_(std::move(name)) {
    const auto* from = static_cast<const std::byte*>(bytes);
    load(size, [&](std::byte* to, std::size_t n) {
      if (n != 0) std::memcpy(to, from, n);
      from += n;
    });
  }

  /// The path, as errors spell it.
  const std::string& name() const noexcept { return name_; }
  const Metadata& metadata() const noexcept { return header_.metadata; }
  /// All tensors by name.
  const auto& tensors() const noexcept { return header_.tensors; }
  bool contains(std::string_view tensor) const {
    return header_.tensors.find(tensor) != header_.tensors.end();
  }

  /// \throws CheckpointError  if there is no such tensor.
  const TensorInfo& info(std::string_view tensor) const {
    const auto found = header_.tensors.find(tensor);
    if (found == header_.tensors.end()) fail("no tensor " + detail::in_quotes(tensor));
    return found->second;
  }

  /// Copies all elements to `to`, converted: every float dtype becomes any float, I64 an integer.
  /// \throws CheckpointError  if there is no such tensor or it holds the other kind of numbers.
  template <Storable T>
  void copy(std::string_view tensor, T* to) const {
    const TensorInfo& t = info(tensor);
    if (!readable_as<T>(t.dtype))
      fail("tensor " + detail::in_quotes(tensor) + " holds " + std::string(name_of(t.dtype)) +
           ", wanted " + std::string(name_of(dtype_of<T>)));
    detail::decode(t.dtype, data_.get() + t.begin, t.size(), to);
  }

  /// A copy of a tensor of known rank, converted as by `copy`.
  /// \throws CheckpointError  as `copy`, and if the rank differs.
  template <Storable T, int Rank>
  Tensor<T, Rank> tensor(std::string_view name) const {
    const TensorInfo& t = info(name);
    if (t.shape.size() != static_cast<std::size_t>(Rank))
      fail("tensor " + detail::in_quotes(name) + " must have " + std::to_string(Rank) +
           " axes, its shape is " + detail::shape_text(t.shape));
    Shape<Rank> shape;
    for (std::size_t i = 0; i < shape.size(); ++i) shape[i] = t.shape[i];
    Tensor<T, Rank> out(shape);
    copy(name, out.data());
    return out;
  }

  /// Throws CheckpointError about this file.
  [[noreturn]] void fail(const std::string& what) const {
    throw CheckpointError(name_ + ": " + what);
  }

 private:
  template <class Read>
  void load(std::uintmax_t size, Read&& read) {
    std::uint64_t length = 0;
    if (size < sizeof length) fail("too short for a safetensors file");
    read(reinterpret_cast<std::byte*>(&length), sizeof length);
    const std::uintmax_t rest = size - sizeof length;
    if (length > rest)
      fail("the header should have " + std::to_string(length) + " bytes, " + std::to_string(rest) +
           " are there");
    if (length > detail::longest_header)
      fail("the header has " + std::to_string(length) + " bytes, the limit is " +
           std::to_string(detail::longest_header));
    std::string json(static_cast<std::size_t>(length), '\0');
    read(reinterpret_cast<std::byte*>(json.data()), json.size());
    const auto data_size = static_cast<std::size_t>(rest - length);
    header_ = detail::parse_header(name_, json, data_size);
    data_ = std::make_unique_for_overwrite<std::byte[]>(data_size);
    read(data_.get(), data_size);
  }

  std::string name_;
  detail::SafetensorsHeader header_;
  std::unique_ptr<std::byte[]> data_;
};

}  // namespace sluice
