// SPDX-License-Identifier: MIT
#include "support/allocation_count.hpp"
#include "support/catch.hpp"

#include <sluice/core/fields.hpp>
#include <sluice/core/tensor.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <variant>
#include <vector>

using namespace sluice;

namespace {

struct Leaf {
  Index width = 0;  // not a tensor, not a field
  Tensor<double, 2> weight;
  std::optional<Tensor<double, 1>> bias;

  explicit Leaf(Index n, bool with_bias) : width(n), weight(n, 3) {
    weight.setConstant(1);
    if (with_bias) bias.emplace(n).setConstant(2);
  }
  static constexpr auto fields() {
    return std::tuple{field("weight", &Leaf::weight), field("bias", &Leaf::bias)};
  }
};

struct Tree {
  Leaf first{2, true};
  std::vector<Leaf> blocks{Leaf(3, false), Leaf(5, true)};
  Leaf plain{1, false};
  std::optional<Leaf> none;

  static constexpr auto fields() {
    return std::tuple{field("first", &Tree::first), field("blocks", &Tree::blocks),
                      field("", &Tree::plain), field("none", &Tree::none)};
  }
};

}  // namespace

TEST_CASE("tensors are visited in order, by dotted path", "[core][fields]") {
  const Tree tree;
  std::vector<std::string> names;
  for_each_tensor(
      [&](std::string_view name, const auto& x) {
        names.push_back(std::string(name) + " " + std::to_string(x.size()));
      },
      tree);
  CHECK(names == std::vector<std::string>{"first.weight 6", "first.bias 2", "blocks.0.weight 9",
                                          "blocks.1.weight 15", "blocks.1.bias 5", "weight 3"});
  CHECK(count(tree) == 6 + 2 + 9 + 15 + 5 + 3);
}

TEST_CASE("several values are walked in step", "[core][fields]") {
  const Tree model;
  Tree gradient = zeros_like(model);
  CHECK(gradient.blocks[1].width == 5);
  for_each_tensor(
      [](std::string_view, const auto& x, auto& dx) {
        STATIC_REQUIRE(std::is_const_v<std::remove_reference_t<decltype(x)>>);
        for (Index i = 0; i < x.size(); ++i) {
          REQUIRE(dx.data()[i] == 0);
          dx.data()[i] = 3 * x.data()[i];
        }
      },
      model, gradient);
  CHECK(gradient.first.weight(1, 2) == 3);
  CHECK((*gradient.blocks[1].bias)(4) == 6);
  CHECK(model.first.weight(1, 2) == 1);
  set_zero(gradient);
  CHECK((*gradient.first.bias)(0) == 0);
}

TEST_CASE("who can be visited", "[core][fields]") {
  STATIC_REQUIRE(Visitable<Tree>);
  STATIC_REQUIRE(Visitable<const Leaf&>);
  STATIC_REQUIRE_FALSE(Visitable<Tensor<float, 1>>);
  STATIC_REQUIRE_FALSE(Visitable<int>);
}

namespace {

/// Members of every kind that a walk goes through.
struct Kinds {
  std::vector<Leaf> list;
  std::array<Leaf, 2> pair{Leaf(2, false), Leaf(2, true)};
  std::optional<Leaf> maybe;
  std::variant<Leaf, Tensor<double, 3>> either{Leaf(4, false)};
  static constexpr auto fields() {
    return std::tuple{field("list", &Kinds::list), field("pair", &Kinds::pair),
                      field("maybe.there", &Kinds::maybe),
                      field("either", &Kinds::either, Role::rate)};
  }
};

}  // namespace

TEST_CASE("lists, arrays, optionals and variants are walked, and roles reach what lies below",
          "[core][fields]") {
  Kinds kinds;
  kinds.list.emplace_back(1, true);
  kinds.maybe.emplace(3, false);
  std::vector<std::string> names;
  for_each_tensor(
      [&](const Place& place, const auto&) {
        names.push_back((place.role == Role::rate ? "rate " : "") + std::string(place.name));
      },
      kinds);
  CHECK(names == std::vector<std::string>{"list.0.weight", "list.0.bias", "pair.0.weight",
                                          "pair.1.weight", "pair.1.bias", "maybe.there.weight",
                                          "rate either.weight"});
  kinds.either = Tensor<double, 3>(1, 2, 3);
  CHECK(count(kinds) == 3 + 1 + 6 + 6 + 2 + 9 + 6);
}

TEST_CASE("arguments of another structure are refused before anything is visited",
          "[core][fields]") {
  Kinds kinds;
  kinds.list.emplace_back(1, true);
  kinds.maybe.emplace(3, false);
  const auto message = [&](const auto& change) -> std::string {
    Kinds other = kinds;
    change(other);
    int visited = 0;
    try {
      for_each_tensor([&](std::string_view, const auto&, const auto&) { ++visited; }, kinds, other);
    } catch (const ShapeError& e) {
      CHECK(visited == 0);
      return e.what();
    }
    CHECK(visited == 7);
    return "";
  };
  CHECK(message([](Kinds&) {}) == "");
  CHECK(message([](Kinds& k) { k.list[0].bias = Tensor<double, 1>(5); }) ==
        "for_each_tensor: list.0.bias must be [1] in every argument, got [5]");
  CHECK(message([](Kinds& k) { k.list.emplace_back(1, true); }) ==
        "for_each_tensor: list must be a list of 1 in every argument, got 2");
  CHECK(message([](Kinds& k) { k.maybe.reset(); }) ==
        "for_each_tensor: maybe.there must be a presence of 1 in every argument, got 0");
  CHECK(message([](Kinds& k) { k.pair[1].bias.reset(); }) ==
        "for_each_tensor: pair.1.bias must be a presence of 1 in every argument, got 0");
  CHECK(message([](Kinds& k) { k.either = Tensor<double, 3>(1, 1, 1); }) ==
        "for_each_tensor: either must be alternative 0 in every argument, got 1");
}

namespace {

struct Mixed {
  Tensor<float, 1> narrow = Tensor<float, 1>(1);
  Tensor<double, 1> wide = Tensor<double, 1>(2);
  Tensor<std::int64_t, 1> long_ids = Tensor<std::int64_t, 1>(3);
  Tensor<std::int32_t, 1> ids = Tensor<std::int32_t, 1>(4);
  Tensor<float, 2> flat = Tensor<float, 2>(5, 1);

  static constexpr auto fields() {
    return std::tuple{field("narrow", &Mixed::narrow), field("wide", &Mixed::wide),
                      field("long_ids", &Mixed::long_ids), field("ids", &Mixed::ids),
                      field("flat", &Mixed::flat)};
  }
};

}  // namespace

TEST_CASE("every tensor is visited once, as what it is", "[core][fields]") {
  Mixed mixed, other;
  std::string seen;
  for_each_tensor(
      [&](std::string_view name, auto& a, const auto& b) {
        using Scalar = typename std::remove_reference_t<decltype(a)>::Scalar;
        CHECK(a.size() == b.size());
        a.setConstant(Scalar(7));
        seen += std::string(name) + (std::is_integral_v<Scalar> ? " i" : " f") +
                std::to_string(8 * sizeof(Scalar)) + " " + std::to_string(a.size()) + ", ";
      },
      mixed, other);
  CHECK(seen == "narrow f32 1, wide f64 2, long_ids i64 3, ids i32 4, flat f32 5, ");
  CHECK(mixed.wide(1) == 7);
  CHECK(mixed.long_ids(2) == 7);
}

TEST_CASE("a walk allocates nothing, for names of usual length", "[core][fields]") {
  const Tree first, second;
  Tree third;
  double sum = 0;
  const auto walk = [&] {
    for_each_tensor(
        [&](std::string_view name, const auto& a, const auto& b, auto& c) {
          c.data()[0] += a.data()[0] + b.data()[a.size() - 1];
          sum += c.data()[0] + double(name.size());
        },
        first, second, third);
  };
  walk();
  const long before = testing::allocations();
  walk();
  CHECK(testing::allocations() == before);
  CHECK(third.blocks[1].weight(0, 0) == 5);
  CHECK((*third.first.bias)(0) == 10);
  CHECK(sum == 2 * 71 + (3 + 5) * 4 + (6 + 10) * 2);  // lengths of names; weights; biases
}

namespace {

struct Deep {
  Leaf leaf{2, true};
  static constexpr std::string_view name =
      "a.name.that.goes.on.and.on.and.on.and.on.and.on.and.on.and.on.and.on.and.on.and.on.and.on."
      "a.name.that.goes.on.and.on.and.on.and.on.and.on.and.on.and.on.and.on.and.on.and.on.and.on."
      "a.name.that.goes.on.and.on.and.on.and.on.and.on.and.on.and.on.and.on.and.on.and.on.and.on";
  static constexpr auto fields() { return std::tuple{field(name, &Deep::leaf)}; }
};

}  // namespace

TEST_CASE("names may be as long as one likes", "[core][fields]") {
  std::vector<std::string> names;
  for_each_tensor([&](std::string_view name, const auto&) { names.emplace_back(name); },
                  static_cast<const Deep&>(Deep{}));
  REQUIRE(names.size() == 2);
  CHECK(names[0] == std::string(Deep::name) + ".weight");
  CHECK(names[1] == std::string(Deep::name) + ".bias");
}
