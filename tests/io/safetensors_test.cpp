// SPDX-License-Identifier: MIT
#include "io/files.hpp"
#include "support/tensor.hpp"

#include <sluice/io/safetensors.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

using namespace sluice;
using testing::contains;
using testing::error_of;
using testing::Folder;
using testing::uniform;

namespace {

template <class Scalar>
struct Layer {
  Tensor<Scalar, 2> weight;
  std::optional<Tensor<Scalar, 1>> bias;
  static constexpr auto fields() {
    return std::tuple{field("weight", &Layer::weight), field("bias", &Layer::bias)};
  }
};

template <class Scalar>
struct Model {
  Tensor<Scalar, 3> embedding;
  std::vector<Layer<Scalar>> blocks;
  Tensor<std::int64_t, 1> ids;
  Tensor<Scalar, 0> temperature;
  static constexpr auto fields() {
    return std::tuple{field("embedding", &Model::embedding), field("blocks", &Model::blocks),
                      field("ids", &Model::ids), field("temperature", &Model::temperature)};
  }
};

template <class Scalar>
Model<Scalar> make_model(unsigned seed) {
  Model<Scalar> m{uniform<Scalar, 3>({5, 1, 3}, -1, 1, seed), {}, Tensor<std::int64_t, 1>(3), {}};
  m.blocks.push_back(
      {uniform<Scalar, 2>({3, 5}, -1, 1, seed + 1), uniform<Scalar, 1>({5}, -1, 1, seed + 2)});
  m.blocks.push_back({uniform<Scalar, 2>({0, 5}, -1, 1, seed + 3), {}});
  m.ids.setValues({-1, std::int64_t{1} << 60, std::int64_t{seed}});
  m.temperature() = Scalar(0.1) * Scalar(seed);
  return m;
}

/// All elements of a model, in order.
struct Elements {
  std::vector<double> reals;
  std::vector<std::int64_t> integers;
  bool operator==(const Elements&) const = default;
};

template <class Values>
Elements elements(const Values& values) {
  Elements out;
  for_each_tensor(
      [&](std::string_view, const auto& t) {
        for (Index i = 0; i < t.size(); ++i)
          if constexpr (std::is_floating_point_v<std::remove_cvref_t<decltype(t.data()[i])>>)
            out.reals.push_back(double(t.data()[i]));
          else
            out.integers.push_back(t.data()[i]);
      },
      values);
  return out;
}

template <class A, class B>
void require_same(const A& a, const B& b) {
  REQUIRE(elements(a).reals.size() > 2);
  REQUIRE(elements(a) == elements(b));
}

/// As `require_same` once every real of a has been rounded.
template <class A, class B, class Round>
void require_rounded(const A& a, const B& b, Round round) {
  Elements expected = elements(a);
  for (double& x : expected.reals) x = double(round(x));
  REQUIRE(expected == elements(b));
}

struct Named {
  std::string name;
  std::vector<Index> shape;
  std::vector<float> data;
};

std::filesystem::path write(const std::filesystem::path& path, const std::vector<Named>& tensors) {
  SafetensorsWriter writer;
  for (const Named& t : tensors) writer.add(t.name, t.shape, t.data.data());
  writer.write(path);
  return path;
}

struct Pair {
  Tensor<float, 1> first{2}, second{2};
  static constexpr auto fields() {
    return std::tuple{field("model.first", &Pair::first), field("model.second", &Pair::second)};
  }
};

Pair pair_of_ones() {
  Pair p;
  p.first.setConstant(1), p.second.setConstant(1);
  return p;
}

}  // namespace

TEMPLATE_TEST_CASE("what is saved comes back bit for bit", "[io]", float, double) {
  const Folder folder;
  const auto path = folder / "model.safetensors";
  const auto saved = make_model<TestType>(1);
  save_safetensors(path, saved, {{"made by", "a \"test\"\n"}, {"empty", ""}});
  auto loaded = make_model<TestType>(2);
  load_safetensors(path, loaded);
  require_same(saved, loaded);

  const SafetensorsFile file(path);
  CHECK(file.metadata() == Metadata{{"made by", "a \"test\"\n"}, {"empty", ""}});
  CHECK(file.tensors().size() == 6);
  CHECK(file.info("embedding").shape == std::vector<Index>{5, 1, 3});
  CHECK(file.info("temperature").shape.empty());
  CHECK(file.info("blocks.1.weight").size() == 0);
  CHECK(file.info("ids").dtype == Dtype::i64);
  const std::string bytes = testing::read_file(path);
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  CHECK(header % 8 == 0);
  for (const auto& entry : file.tensors())
    CHECK(entry.second.begin % size_of(entry.second.dtype) == 0);
}

TEST_CASE("F32 and F64 load into either Scalar", "[io]") {
  const Folder folder;
  const auto f = make_model<float>(3);
  const auto d = make_model<double>(4);
  save_safetensors(folder / "f", f);
  save_safetensors(folder / "d", d);
  auto f2 = make_model<float>(5);
  auto d2 = make_model<double>(6);
  load_safetensors(folder / "f", d2);
  load_safetensors(folder / "d", f2);
  require_same(f, d2);
  require_rounded(d, f2, [](double x) { return float(x); });
}

TEST_CASE("F16 and BF16 round on the way out and widen on the way in", "[io]") {
  const Folder folder;
  const auto saved = make_model<double>(7);
  save_safetensors(folder / "h", saved, {}, Dtype::f16);
  save_safetensors(folder / "b", saved, {}, Dtype::bf16);
  CHECK(SafetensorsFile(folder / "h").info("embedding").dtype == Dtype::f16);
  CHECK(SafetensorsFile(folder / "h").info("ids").dtype == Dtype::i64);
  auto h = make_model<float>(8);
  auto b = make_model<double>(9);
  load_safetensors(folder / "h", h);
  load_safetensors(folder / "b", b);
  require_rounded(saved, h, [](double x) { return from_f16(to_f16(x)); });
  require_rounded(saved, b, [](double x) { return from_bf16(to_bf16(x)); });
}

TEST_CASE("tensors longer than the buffer they are converted in", "[io]") {
  const Folder folder;
  const Index n = GENERATE(4095, 4096, 4097, 9000);
  CAPTURE(n);
  std::vector<double> x(static_cast<std::size_t>(n));
  std::vector<std::int64_t> ids(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = double(i % 1000), ids[i] = -std::int64_t(i);
  SafetensorsWriter writer;
  writer.add("half", {n}, x.data(), Dtype::f16);
  writer.add("ids", {n}, ids.data());
  writer.add("single", {n}, x.data(), Dtype::f32);
  writer.add("double", {n}, x.data());
  writer.write(folder / "w");
  const SafetensorsFile file(folder / "w");
  for (const char* name : {"half", "single", "double"}) {
    std::vector<double> back(x.size(), -1);
    file.copy(name, back.data());
    CHECK(back == x);
  }
  std::vector<std::int64_t> back(x.size(), 1);
  file.copy("ids", back.data());
  CHECK(back == ids);
  // Wide elements first, else in the order in which they came.
  CHECK(file.info("ids").begin == 0);
  CHECK(file.info("double").begin == std::size_t(8 * n));
  CHECK(file.info("single").begin == std::size_t(16 * n));
  CHECK(file.info("half").begin == std::size_t(20 * n));
  CHECK(file.info("half").end == std::size_t(22 * n));
}

TEST_CASE("much that does not fit is told in part", "[io]") {
  struct Many {
    std::vector<Layer<float>> layers = std::vector<Layer<float>>(25);
    static constexpr auto fields() { return std::tuple{field("layers", &Many::layers)}; }
  };
  const Folder folder;
  Many model;
  for (auto& layer : model.layers) layer.weight = Tensor<float, 2>(1, 1);
  const auto lines = [&](std::size_t count) {
    model.layers.resize(count);
    const auto path = write(folder / "w", {{"layers.0.weigth", {1}, {1}}});
    const LoadOptions options{.allow_extra = true};
    const auto text = error_of([&] { load_safetensors(path, model, options); });
    CHECK(contains(text, std::to_string(count) + " tensors do not fit\n  no tensor"));
    return std::pair(text, std::count(text.begin(), text.end(), '\n'));
  };
  const auto [all, twenty_five] = lines(25);
  CHECK(twenty_five == 21);
  CHECK(all.ends_with("\n  and 5 more"));
  CHECK(contains(all, "\"layers.7.weight\"; did you mean \"layers.0.weigth\"?"));
  CHECK_FALSE(contains(all, "\"layers.8.weight\"; did"));  // suggestions cost time
  const auto [less, twenty] = lines(20);
  CHECK(twenty == 20);
  CHECK_FALSE(contains(less, "more"));
}

TEST_CASE("a file that does not fit is told in full and leaves the model as it was", "[io]") {
  const Folder folder;
  Pair pair = pair_of_ones();
  const auto message = [&](const std::vector<Named>& tensors) {
    const auto path = write(folder / "w.safetensors", tensors);
    const std::string text = error_of([&] { load_safetensors(path, pair); });
    require_same(pair, pair_of_ones());
    const std::string head = path.string() + ": ";
    REQUIRE(text.starts_with(head));
    return text.substr(head.size());
  };
  CHECK(message({{"model.first", {2}, {2, 3}}}) == "no tensor \"model.second\"");
  CHECK(message({{"model.first", {2}, {2, 3}}, {"model.second", {1, 2}, {4, 5}}}) ==
        "tensor \"model.second\" must be [2], got [1, 2]");
  CHECK(message({{"model.first", {2}, {2, 3}}, {"model.second", {2}, {4, 5}}, {"x", {0}, {}}}) ==
        "tensor \"x\" has no place in the model");
  CHECK(message({{"model.first", {2}, {2, 3}}, {"second", {2}, {4, 5}}}) ==
        "2 tensors do not fit\n"
        "  no tensor \"model.second\"; did you mean \"second\"?\n"
        "  tensor \"second\" has no place in the model");
  CHECK(contains(message({{"model.first", {2}, {2, 3}}, {"net.model.second", {2}, {4, 5}}}),
                 "did you mean \"net.model.second\"?"));
  CHECK(contains(message({{"model.first", {2}, {2, 3}}, {"model.sceond", {2}, {4, 5}}}),
                 "did you mean \"model.sceond\"?"));

  SafetensorsWriter integers;
  const std::int64_t ids[] = {1, 2};
  integers.add("model.first", {2}, ids);
  integers.add("model.second", {2}, ids);
  integers.write(folder / "i");
  CHECK(contains(error_of([&] { load_safetensors(folder / "i", pair); }),
                 "\"model.first\" holds I64, wanted F32"));
  require_same(pair, pair_of_ones());
}

TEST_CASE("options let missing and extra tensors pass", "[io]") {
  const Folder folder;
  Pair pair = pair_of_ones();
  const auto path = write(folder / "w", {{"model.first", {2}, {2, 3}}, {"other", {1}, {9}}});
  CHECK(contains(error_of([&] { load_safetensors(path, pair, {.allow_missing = true}); }),
                 "\"other\" has no place"));
  CHECK(contains(error_of([&] { load_safetensors(path, pair, {.allow_extra = true}); }),
                 "no tensor \"model.second\""));
  load_safetensors(path, pair, {.allow_missing = true, .allow_extra = true});
  CHECK(pair.first(1) == 3);
  CHECK(pair.second(1) == 1);
}

TEST_CASE("a failed save leaves the old file and no other", "[io]") {
  const Folder folder;
  const auto path = write(folder / "w", {{"a", {1}, {1}}});
  const std::string before = testing::read_file(path);
  const auto refuses = [&](const std::vector<Named>& tensors) {
    const auto text = error_of([&] { write(path, tensors); });
    CHECK(testing::read_file(path) == before);
    return text;
  };
  CHECK(contains(refuses({{"b", {1}, {1}}, {"b", {1}, {2}}}), "\"b\""));
  CHECK(contains(refuses({{"__metadata__", {1}, {1}}}), "\"__metadata__\""));
  CHECK(contains(refuses({{"\xff", {1}, {1}}}), "no text"));
  CHECK(contains(error_of([&] { write(folder / "none/w", {}); }), "cannot be written"));
  std::filesystem::create_directory(folder / "folder");
  CHECK(contains(error_of([&] { write(folder / "folder", {}); }), "could not be replaced"));
  std::size_t entries = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    entries += !entry.path().empty();
  CHECK(entries == 2);  // "w" and "folder"
}

TEST_CASE("the low-level reader checks names, ranks and kinds", "[io]") {
  const Folder folder;
  const SafetensorsFile file(write(folder / "w", {{"a", {1, 2}, {1, 2}}}));
  CHECK(file.contains("a"));
  CHECK_FALSE(file.contains("b"));
  const auto a = file.tensor<double, 2>("a");
  CHECK(a(0, 1) == 2.0);
  CHECK(contains(error_of([&] { file.info("b"); }), "no tensor \"b\""));
  CHECK(contains(error_of([&] { file.tensor<float, 1>("a"); }), "must have 1 axes"));
  CHECK(contains(error_of([&] { file.tensor<std::int64_t, 2>("a"); }), "holds F32, wanted I64"));
}
