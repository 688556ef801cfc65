// SPDX-License-Identifier: MIT
/// \file
/// Writing safetensors files, so that a reader never sees half of one.
#pragma once

#include <sluice/io/dtype.hpp>
#include <sluice/io/error.hpp>
#include <sluice/io/safetensors_header.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace sluice {

namespace detail {

/// Calls `write(stream)` on a new file in the folder of `path` and then gives it that name. On
/// failure the new file is removed and an existing `path` is as it was.
template <class Write>
void replace_file(const std::filesystem::path& path, Write&& write) {
  std::random_device random;
  std::filesystem::path temporary = path;
  temporary += "." + std::to_string(random()) + ".tmp";
  std::error_code error;
  const auto fail = [&](const std::string& what) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw CheckpointError(path.string() + ": " + what);
  };
  std::ofstream out(temporary, std::ios::binary);
  if (!out) fail("cannot be written");
  try {
    write(out);
  } catch (...) {
    out.close();
    std::filesystem::remove(temporary, error);
    throw;
  }
  out.close();
  if (!out) fail("could not be written; is the disk full?");
  std::filesystem::rename(temporary, path, error);
  if (error) fail("could not be replaced: " + error.message());
}

}  // namespace detail

/// Collects tensors, by reference, and writes them to a file.
class SafetensorsWriter {
 public:
  explicit SafetensorsWriter(Metadata metadata = {}) : metadata_(std::move(metadata)) {}

  /// Adds a tensor under a new name. Its elements are read by `write`.
  template <Storable T>
  void add(std::string_view name, std::vector<Index> shape, const T* data,
           Dtype dtype = dtype_of<T>) {
    std::size_t n = 1;
    for (const Index d : shape) n *= static_cast<std::size_t>(d);
    entries_.push_back({std::string(name), std::move(shape), dtype, n * size_of(dtype),
                        [data, n, dtype](std::ostream& out) { encode(data, n, dtype, out); }});
  }

  /// Writes the file; one of that name is replaced when the new one is complete.
  /// \throws CheckpointError  if it cannot be written, a name is used twice, or a text is no UTF-8.
  void write(const std::filesystem::path& path) const {
    const std::vector<const Entry*> entries = ordered();
    const std::string head = header(path.string(), entries);
    detail::replace_file(path, [&](std::ostream& out) {
      const std::uint64_t length = head.size();
      out.write(reinterpret_cast<const char*>(&length), sizeof length);
      out.write(head.data(), static_cast<std::streamsize>(head.size()));
      for (const Entry* e : entries) e->write(out);
    });
  }

 private:
  struct Entry {
    std::string name;
    std::vector<Index> shape;
    Dtype dtype;
    std::size_t bytes;
    std::function<void(std::ostream&)> write;
  };

  /// Wide elements first: then every tensor is aligned, because the header is.
  std::vector<const Entry*> ordered() const {
    std::vector<const Entry*> out;
    for (const std::size_t size : {8u, 4u, 2u})
      for (const Entry& e : entries_)
        if (size_of(e.dtype) == size) out.push_back(&e);
    return out;
  }

  std::string header(const std::string& file, const std::vector<const Entry*>& entries) const {
    nlohmann::json json = nlohmann::json::object();
    if (!metadata_.empty()) json["__metadata__"] = metadata_;
    std::size_t begin = 0;
    for (const Entry* e : entries) {
      if (e->name == "__metadata__" || json.contains(e->name))
        throw CheckpointError(file + ": tensor " + detail::in_quotes(e->name) +
                              " cannot be written under a name that is taken");
      json[e->name] = {{"dtype", name_of(e->dtype)},
                       {"shape", e->shape},
                       {"data_offsets", {begin, begin + e->bytes}}};
      begin += e->bytes;
    }
    std::string text;
    try {
      text = json.dump();
    } catch (const nlohmann::json::exception& e) {
      throw CheckpointError(file + ": a name or metadata is no text: " + e.what());
    }
    text.resize((text.size() + 7) / 8 * 8, ' ');
    return text;
  }

  template <class T>
  static void encode(const T* data, std::size_t n, Dtype dtype, std::ostream& out) {
    constexpr std::size_t block = 4096;  // elements converted at a time
    std::vector<std::byte> bytes(std::min(n, block) * size_of(dtype));
    for (std::size_t i = 0; i < n; i += block) {
      const std::size_t count = std::min(block, n - i);
      detail::encode(data + i, count, dtype, bytes.data());
      out.write(reinterpret_cast<const char*>(bytes.data()),
                static_cast<std::streamsize>(count * size_of(dtype)));
    }
  }

  Metadata metadata_;
  std::vector<Entry> entries_;
};

}  // namespace sluice
