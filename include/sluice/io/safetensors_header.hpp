// SPDX-License-Identifier: MIT
/// \file
/// The header of a safetensors file, read as untrusted input.
///
/// A file is 8 bytes with the length N of the header, little-endian; N bytes of JSON
///
///     {"__metadata__": {"key": "value", ...},
///      "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
///
/// padded with spaces; and the data, row-major, at those offsets. The JSON is read event by event
/// against this one grammar: whatever is not in it ends the reading at once, so that neither
/// nesting nor size of a hostile header can cost more than the header's own length.
#pragma once

#include <sluice/core/view.hpp>
#include <sluice/io/dtype.hpp>
#include <sluice/io/error.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace sluice {

/// The string map a file carries along.
using Metadata = std::map<std::string, std::string>;

/// One tensor of a file.
struct TensorInfo {
  Dtype dtype{};
  std::vector<Index> shape;
  std::size_t begin = 0, end = 0;  ///< bytes [begin, end) of the data

  /// Number of elements.
  std::size_t size() const noexcept { return (end - begin) / size_of(dtype); }
};

namespace detail {

inline constexpr std::size_t longest_header = 100'000'000;  // bytes; the limit of the format
inline constexpr std::size_t highest_rank = 32;

struct SafetensorsHeader {
  Metadata metadata;
  std::map<std::string, TensorInfo, std::less<>> tensors;
};

/// Receives the events of the JSON parser. Returning false ends the parse; `problem` says why.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderReader(const std::string& file, SafetensorsHeader& out) : file_(file), out_(out) {}

  /// Throws what went wrong.
  [[noreturn]] void fail() const { throw CheckpointError(file_ + ": " + problem_); }

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool number_integer(number_integer_t) override { return unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override {
    return unexpected("a number that is no integer, or a huge one,");
  }
  bool binary(binary_t&) override { return unexpected("binary data"); }

  bool number_unsigned(number_unsigned_t x) override {
    if (state_ == State::shape) {
      if (x > static_cast<std::uint64_t>(std::numeric_limits<Index>::max()))
        return unexpected("a huge number");
      if (tensor_.shape.size() == highest_rank) return stop("has too many axes");
      tensor_.shape.push_back(static_cast<Index>(x));
      return true;
    }
    if (state_ == State::offsets) {
      if (offsets_ == 2) return stop("has more than two data_offsets");
      (offsets_++ == 0 ? tensor_.begin : tensor_.end) = static_cast<std::size_t>(x);
      return true;
    }
    return unexpected("a number");
  }

  bool string(string_t& x) override {
    if (state_ == State::metadata) {
      if (!out_.metadata.try_emplace(key_, std::move(x)).second)
        return stop("has " + in_quotes(key_) + " twice");
      return true;
    }
    if (state_ != State::tensor || key_ != "dtype") return unexpected("a string");
    const auto dtype = dtype_named(x);
    if (!dtype)
      return stop("has dtype " + in_quotes(x) + "; supported are F64, F32, F16, BF16 and I64");
    tensor_.dtype = *dtype;
    return true;
  }

  bool start_object(std::size_t) override {
    if (state_ == State::begin) return enter(State::file);
    if (state_ != State::file) return unexpected("an object");
    if (name_ == "__metadata__") {
      if (std::exchange(has_metadata_, true)) return stop("appears twice");
      return enter(State::metadata);
    }
    tensor_ = {}, offsets_ = 0, has_dtype_ = has_shape_ = has_offsets_ = false;
    return enter(State::tensor);
  }

  bool key(string_t& x) override {
    if (state_ == State::file) {
      name_ = std::move(x);
      return true;
    }
    key_ = std::move(x);
    if (state_ == State::metadata) return true;
    bool* seen = key_ == "dtype"          ? &has_dtype_
                 : key_ == "shape"        ? &has_shape_
                 : key_ == "data_offsets" ? &has_offsets_
                                          : nullptr;
    if (seen == nullptr) return stop("has the unknown key " + in_quotes(key_));
    return !std::exchange(*seen, true) || stop("has " + key_ + " twice");
  }

  bool end_object() override {
    if (state_ == State::tensor) {
      const char* missing = !has_dtype_     ? "dtype"
                            : !has_shape_   ? "shape"
                            : offsets_ != 2 ? "two data_offsets"
                                            : nullptr;
      if (missing != nullptr) return stop(std::string("lacks ") + missing);
      if (!out_.tensors.try_emplace(name_, std::move(tensor_)).second) return stop("appears twice");
    }
    return enter(state_ == State::file ? State::end : State::file);
  }

  bool start_array(std::size_t) override {
    if (state_ == State::tensor && key_ == "shape") return enter(State::shape);
    if (state_ == State::tensor && key_ == "data_offsets") return enter(State::offsets);
    return unexpected("an array");
  }

  bool end_array() override { return enter(State::tensor); }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception& e) override {
    std::string why = e.what();
    problem_ = "the header is not JSON: byte " + std::to_string(position) + ": " +
               in_quotes(why.substr(std::min(why.size(), why.find("] ") + 2)));
    return false;
  }

 private:
  enum class State { begin, file, metadata, tensor, shape, offsets, end };

  bool enter(State state) noexcept {
    state_ = state;
    return true;
  }

  bool stop(const std::string& what) {
    const bool metadata = name_ == "__metadata__";
    problem_ = (metadata ? "" : "tensor ") + in_quotes(name_) + " " + what;
    return false;
  }

  bool unexpected(const std::string& what) {
    if (state_ == State::begin)
      problem_ = "the header must be a JSON object, found " + what;
    else
      stop("must not be or hold " + what + " there");
    return false;
  }

  const std::string& file_;
  SafetensorsHeader& out_;
  std::string problem_, name_, key_;
  TensorInfo tensor_;
  std::size_t offsets_ = 0;
  bool has_metadata_ = false, has_dtype_ = false, has_shape_ = false, has_offsets_ = false;
  State state_ = State::begin;
};

/// Throws unless the size of a tensor follows from its shape, without overflow.
inline void require_size(const std::string& file, const std::string& name, const TensorInfo& t) {
  const auto fail = [&](const std::string& what) {
    throw CheckpointError(file + ": tensor " + in_quotes(name) + " " + what);
  };
  if (t.begin > t.end) fail("ends before it begins");
  std::size_t bytes = size_of(t.dtype);
  const bool empty = std::find(t.shape.begin(), t.shape.end(), 0) != t.shape.end();
  for (const Index d : t.shape) {
    const auto n = static_cast<std::size_t>(d);
    if (n != 0 && bytes > std::numeric_limits<std::size_t>::max() / 2 / n)
      fail("has a shape that overflows");
    if (n != 0) bytes *= n;
  }
  if (empty) bytes = 0;
  if (t.end - t.begin != bytes)
    fail("has " + std::to_string(t.end - t.begin) + " bytes where its shape and dtype need " +
         std::to_string(bytes));
}

/// Reads and checks a header for `data_size` bytes of data.
inline SafetensorsHeader parse_header(const std::string& file, std::string_view json,
                                      std::size_t data_size) {
  SafetensorsHeader header;
  HeaderReader reader(file, header);
  if (json.empty() || json.front() != '{')
    throw CheckpointError(file + ": the header does not begin with {");
  if (json.find('\0') != std::string_view::npos)  // the parser would take it for the end
    throw CheckpointError(file + ": the header is not JSON: it holds a zero byte");
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &reader)) reader.fail();

  using Entry = const std::pair<const std::string, TensorInfo>*;
  std::vector<Entry> order;
  for (const auto& entry : header.tensors) {
    require_size(file, entry.first, entry.second);
    order.push_back(&entry);
  }
  std::sort(order.begin(), order.end(), [](Entry a, Entry b) {
    return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
  });
  std::size_t end = 0;
  for (const Entry e : order) {
    const auto fail = [&](const std::string& what) {
      throw CheckpointError(file + ": tensor " + in_quotes(e->first) + " " + what);
    };
    if (e->second.end > data_size)
      fail("ends at byte " + std::to_string(e->second.end) + " of " + std::to_string(data_size) +
           " bytes of data");
    if (e->second.begin < end) fail("overlaps another");
    if (e->second.begin > end) fail("leaves a gap before it");
    end = e->second.end;
  }
  if (end != data_size)
    throw CheckpointError(file + ": " + std::to_string(data_size - end) +
                          " bytes behind the last tensor");
  return header;
}

}  // namespace detail

}  // namespace sluice
