// SPDX-License-Identifier: MIT
/// \file
/// Saving and loading the tensors of anything with `fields()`, in the safetensors format. Names on
/// disk are the dotted paths of `for_each_tensor`.
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/io/safetensors_reader.hpp>
#include <sluice/io/safetensors_writer.hpp>
#include <sluice/io/suggestion.hpp>

#include <algorithm>
#include <concepts>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace sluice {

namespace detail {

template <class Tensor>
std::vector<Index> shape_vector(const Tensor& t) {
  static_assert(static_cast<int>(Tensor::Layout) == 1, "stored tensors are row-major");
  std::vector<Index> shape;
  for (int i = 0; i < static_cast<int>(Tensor::NumDimensions); ++i)
    shape.push_back(static_cast<Index>(t.dimensions()[static_cast<std::size_t>(i)]));
  return shape;
}

/// Throws about everything that was found wrong with a file, shortened when it is much.
inline void report(const SafetensorsFile& file, const std::vector<std::string>& problems) {
  constexpr std::size_t most = 20;
  if (problems.empty()) return;
  if (problems.size() == 1) file.fail(problems.front());
  std::string text = std::to_string(problems.size()) + " tensors do not fit";
  for (std::size_t i = 0; i < std::min(problems.size(), most); ++i) text += "\n  " + problems[i];
  if (problems.size() > most) text += "\n  and " + std::to_string(problems.size() - most) + " more";
  file.fail(text);
}

}  // namespace detail

/// Writes every tensor of `values`; a float tensor as `dtype` if one is given, else as it is.
/// A file of that name is replaced when the new one is complete.
/// \throws CheckpointError  if the file cannot be written; an existing one is then as it was.
template <Visitable Values>
void save_safetensors(const std::filesystem::path& path, const Values& values,
                      Metadata metadata = {}, std::optional<Dtype> dtype = {}) {
  SafetensorsWriter writer(std::move(metadata));
  for_each_tensor(
      [&](std::string_view name, const auto& t) {
        using Scalar = typename std::remove_cvref_t<decltype(t)>::Scalar;
        constexpr Dtype own = dtype_of<Scalar>;
        writer.add(name, detail::shape_vector(t), t.data(),
                   std::integral<Scalar> ? own : dtype.value_or(own));
      },
      values);
  writer.write(path);
}

/// What `load_safetensors` lets pass.
struct LoadOptions {
  bool allow_missing = false;   ///< tensors the file lacks keep their values
  bool allow_extra = false;     ///< tensors that `values` has no place for are ignored
  std::string_view spare = {};  ///< one such tensor that is ignored in any case
};

/// Reads every tensor of `values` from a file that has been opened.
/// \throws CheckpointError  unless every name and shape matches; `values` is then as it was.
template <Visitable Values>
void load_safetensors(const SafetensorsFile& file, Values& values, LoadOptions options = {}) {
  using detail::in_quotes;
  std::set<std::string, std::less<>> wanted;
  for_each_tensor([&](std::string_view name, const auto&) { wanted.emplace(name); }, values);
  std::vector<std::string_view> unused;
  for (const auto& entry : file.tensors())
    if (wanted.find(entry.first) == wanted.end()) unused.push_back(entry.first);

  std::vector<std::string> problems;
  std::size_t missing = 0;
  const auto check = [&](std::string_view name, const auto& t) {
    using Scalar = typename std::remove_cvref_t<decltype(t)>::Scalar;
    if (!file.contains(name)) {
      if (options.allow_missing) return;
      // Suggestions cost time, and many of them help nobody.
      const std::string_view near =
          missing++ < 8 ? detail::nearest_name(name, unused) : std::string_view{};
      problems.push_back("no tensor " + in_quotes(name) +
                         (near.empty() ? "" : "; did you mean " + in_quotes(near) + "?"));
      return;
    }
    const TensorInfo& info = file.info(name);
    if (info.shape != detail::shape_vector(t))
      problems.push_back("tensor " + in_quotes(name) + " must be " +
                         detail::shape_text(detail::shape_vector(t)) + ", got " +
                         detail::shape_text(info.shape));
    else if (!readable_as<Scalar>(info.dtype))
      problems.push_back("tensor " + in_quotes(name) + " holds " +
                         std::string(name_of(info.dtype)) + ", wanted " +
                         std::string(name_of(dtype_of<Scalar>)));
  };
  for_each_tensor(check, values);
  if (!options.allow_extra)
    for (const std::string_view name : unused)
      if (name != options.spare)
        problems.push_back("tensor " + in_quotes(name) + " has no place in the model");
  detail::report(file, problems);

  // Nothing below can fail.
  for_each_tensor(
      [&](std::string_view name, auto& t) {
        if (file.contains(name)) file.copy(name, t.data());
      },
      values);
}

/// Reads every tensor of `values` from the file. F64 and F32 load into either Scalar, F16 and BF16
/// widen.
/// \throws CheckpointError  unless the file is well-formed and every name and shape matches; it
///     lists what is missing, what would have fit, and what is left over. `values` is then as it
///     was.
template <Visitable Values>
void load_safetensors(const std::filesystem::path& path, Values& values, LoadOptions options = {}) {
  load_safetensors(SafetensorsFile(path), values, options);
}

}  // namespace sluice
