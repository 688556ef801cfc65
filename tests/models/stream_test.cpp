// SPDX-License-Identifier: MIT
// Streams of rows and of tokens: resets, assigns, forks, moves, files, and what must not compile.
#include "io/files.hpp"
#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "support/language_model_laws.hpp"
#include "support/tensor.hpp"

#include <sluice/io/safetensors.hpp>
#include <sluice/layers/mixers/mamba.hpp>
#include <sluice/layers/mixers/retention.hpp>
#include <sluice/models/forecasting/forecaster.hpp>
#include <sluice/models/language/mamba_lm.hpp>
#include <sluice/models/stream.hpp>

#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

using namespace sluice;
using testing::allocations;
using testing::Folder;
using testing::uniform;

namespace {

using Rows = Forecaster<Mamba<double>>;
using Text = MambaForCausalLM<double>;

Rows rows_model() {
  Rng rng(1);
  return Rows({.variates = 3, .horizon = 2, .recent = 4, .past = 5, .width = 8}, {.state_size = 4},
              rng);
}

Text text_model() {
  MambaLMConfig c;
  c.hidden_size = 8, c.num_hidden_layers = 2, c.vocab_size = 11, c.mixer.state_size = 4;
  Rng rng(2);
  return Text(c, rng);
}

/// Answers of a stream to inputs, one after the other.
template <class S, class Inputs>
std::vector<double> answers(S& stream, const Inputs& inputs) {
  std::vector<double> all;
  for (const auto& input : inputs) {
    const auto y = stream.step(input);
    for (Index b = 0; b < y.dim(0); ++b)
      for (Index i = 0; i < y.dim(2); ++i) all.push_back(y(b, 0, i));
  }
  return all;
}

std::vector<Tensor<double, 3>> some_rows(unsigned seed) {
  std::vector<Tensor<double, 3>> rows;
  for (unsigned i = 0; i < 5; ++i) rows.push_back(uniform<double, 3>({2, 1, 3}, -1, 1, seed + i));
  return rows;
}
const std::vector<std::int64_t> some_tokens = {3, 1, 4, 1, 5}, other_tokens = {2, 7, 1, 8, 2};

template <class S, class Inputs>
void require_stream(S stream, const Inputs& past, const Inputs& future) {
  const auto first = answers(stream, past);
  const auto middle = stream.state();
  S fork = stream;
  const auto expected = answers(stream, future);
  CHECK(answers(fork, future) == expected);
  CHECK(expected != first);

  // Warm: nothing below allocates but the answers' own list.
  const auto silent = [&](auto&& act) {
    const long before = allocations();
    act();
    CHECK(allocations() == before);
  };
  silent([&] { stream.reset(); });
  CHECK(answers(stream, past) == first);
  silent([&] { stream.assign(middle); });
  CHECK(answers(stream, future) == expected);
  silent([&] { fork = stream; });
  CHECK(answers(fork, past) == answers(stream, past));
  silent([&] { stream.reset(), stream.step(past[0]), stream.step(past[1]); });

  // By way of a file, to the bit.
  const Folder folder;
  stream.assign(middle);
  save_safetensors(folder / "state.safetensors", stream.state());
  S later = fork;
  auto state = later.state();
  load_safetensors(folder / "state.safetensors", state);
  later.assign(state);
  CHECK(answers(later, future) == expected);

  STATIC_REQUIRE(std::is_nothrow_move_constructible_v<S>);
  stream.assign(middle);
  S moved = std::move(stream);
  CHECK(answers(moved, future) == expected);
  fork = std::move(moved);
  fork.reset();
  CHECK(answers(fork, past) == first);
}

}  // namespace

TEST_CASE("a stream of rows resets, assigns, forks, moves and comes back from a file", "[stream]") {
  const auto model = rows_model();
  require_stream(Stream(model, 3, 2), some_rows(1), some_rows(11));
}

TEST_CASE("a stream of tokens does as well", "[stream]") {
  const auto model = text_model();
  require_stream(Stream(model), some_tokens, other_tokens);
}

TEST_CASE("a state of integers and numbers comes back from a file", "[stream]") {
  Rng rng(3);
  const Retention<double> model({.width = 8, .num_heads = 2}, rng);
  std::vector<Tensor<double, 3>> rows, later;
  for (unsigned i = 0; i < 4; ++i) {
    rows.push_back(uniform<double, 3>({2, 1, 8}, -1, 1, i));
    later.push_back(uniform<double, 3>({2, 1, 8}, -1, 1, i + 9));
  }
  require_stream(Stream(model, 8, 2), rows, later);
}

TEST_CASE("reading gives the last answer, in pieces or at once", "[stream]") {
  const auto model = rows_model();
  const auto x = uniform<double, 3>({2, 13, 3}, -1, 1, 4);
  Stream stepped(model, 3, 2);
  View<const double, 3> last;
  for (Index t = 0; t < 13; ++t) last = stepped.step(slice(View<const double, 3>(x), 1, t, 1));
  for (const Index piece : {1, 5, 13, 100}) {
    Stream stream(model, 3, 2);
    const auto y = stream.read(x, piece);
    REQUIRE(y.shape() == last.shape());
    for (Index b = 0; b < 2; ++b)
      for (Index i = 0; i < y.dim(2); ++i) CHECK(std::abs(y(b, 0, i) - last(b, 0, i)) < 1e-12);
  }
  Stream stream(model, 3, 2);
  CHECK_FALSE(stream.read(uniform<double, 3>({2, 0, 3}, -1, 1, 4)));
  for (const Index piece : {0, -3})
    CHECK_THROWS_WITH(stream.read(x, piece),
                      "Stream::read: piece must be at least 1, got " + std::to_string(piece));
}

TEST_CASE("several texts stream side by side", "[stream]") {
  const auto model = text_model();
  Stream both(model, {}, 2), first(model), second(model);
  Tensor<std::int64_t, 2> ids(2, 5);
  for (Index t = 0; t < 5; ++t)
    ids(0, t) = some_tokens[std::size_t(t)], ids(1, t) = other_tokens[std::size_t(t)];
  const auto y = both.read(ids, 2);
  const auto a = first.read(some_tokens), b = second.read(other_tokens);
  for (Index i = 0; i < 11; ++i) {
    CHECK(std::abs(y(0, 0, i) - a(0, 0, i)) < 1e-12);
    CHECK(std::abs(y(1, 0, i) - b(0, 0, i)) < 1e-12);
  }
}

TEST_CASE("one row of NaN poisons a stream until its reset", "[stream]") {
  const auto model = rows_model();
  Stream stream(model, 3, 2);
  const auto rows = some_rows(1);
  const auto expected = answers(stream, rows);
  auto bad = rows[0];
  bad.setConstant(std::numeric_limits<double>::quiet_NaN());
  CHECK(std::isnan(stream.step(bad)(0, 0, 0)));
  CHECK(std::isnan(stream.step(rows[1])(0, 0, 0)));
  stream.reset();
  CHECK(answers(stream, rows) == expected);
}

TEST_CASE("a stream refuses what does not fit, and stays as it was", "[stream][error]") {
  const auto model = rows_model();
  Stream stream(model, 3, 2);
  const auto rows = some_rows(1);
  answers(stream, rows);
  auto fork = stream;
  CHECK_THROWS_WITH(stream.step(uniform<double, 3>({2, 1, 4}, -1, 1, 1)),
                    "Stream::step: x must be [2, 1, 3] to fit the stream, got [2, 1, 4]");
  CHECK_THROWS_WITH(
      stream.assign(model.initial_state(1)),
      "Stream::assign: own.series must be [2, 3, 5] in every argument, got [1, 3, 5]");
  CHECK(answers(stream, rows) == answers(fork, rows));

  STATIC_REQUIRE(std::is_constructible_v<Stream<Rows>, const Rows&, Index>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<Stream<Rows>, Rows, Index>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<Stream<Text>, Text>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<Stream<Text>, const Text&, Index>);
}

TEST_CASE("a stream of tokens refuses what does not fit, and stays as it was", "[stream][error]") {
  const auto model = text_model();
  Stream both(model, {}, 2);
  auto fork = both;
  Tensor<std::int64_t, 2> ids(2, 3);
  ids.setConstant(4);
  ids(1, 2) = 11;
  CHECK_THROWS_WITH(both.read(ids, 2), "Stream::read: ids[1, 2] must be in [0, 11), got 11");
  ids(1, 2) = 4;
  CHECK_THROWS_WITH(both.step(ids),
                    "Stream::step: ids must be [2, 1] to fit the stream, got [2, 3]");
  CHECK_THROWS_WITH(both.read(some_tokens),
                    "Stream::read: ids must be [2, 5] to fit the stream, got [1, 5]");
  CHECK_THROWS_AS(both.step(3), ShapeError);
  const auto y = both.read(ids), expected = fork.read(ids);
  for (Index i = 0; i < y.size(); ++i) CHECK(y.data()[i] == expected.data()[i]);
}

TEST_CASE("a stream of rows refuses to read what does not fit", "[stream][error]") {
  const auto model = rows_model();
  Stream stream(model, 3, 2);
  CHECK_THROWS_WITH(stream.read(uniform<double, 3>({2, 4, 4}, -1, 1, 1)),
                    "Stream::read: x must be [2, 4, 3] to fit the stream, got [2, 4, 4]");
  CHECK_THROWS_WITH(stream.read(uniform<double, 3>({1, 4, 3}, -1, 1, 1)),
                    "Stream::read: x must be [2, 4, 3] to fit the stream, got [1, 4, 3]");
}

TEST_CASE("an assigned stream goes on where the other is", "[stream]") {
  const auto model = rows_model(), other = model;
  const auto rows = some_rows(1), later = some_rows(11);
  Stream stream(model, 3, 2);
  answers(stream, rows);
  auto fork = stream;
  const auto expected = answers(fork, later);
  Stream same(model, 3, 2), wider(model, 3, 5), elsewhere(other, 3, 2);
  for (auto* s : {&same, &wider, &elsewhere}) {
    *s = stream;
    CHECK(answers(*s, later) == expected);
    s->reset();
    answers(*s, rows);
    CHECK(answers(*s, later) == expected);
  }
}

TEST_CASE("already the first step allocates nothing", "[stream]") {
  const auto rows = rows_model();
  const auto text = text_model();
  Stream first(rows, 3, 2);
  Stream words(text);
  const auto x = uniform<double, 3>({2, 1, 3}, -1, 1, 4);
  const long before = allocations();
  first.step(x), words.step(3);
  CHECK(allocations() == before);
}

TEST_CASE("prompts of different lengths, padded on the left, are each as if alone", "[stream]") {
  auto model = text_model();
  Tensor<std::int64_t, 2> ids(3, 6);
  ids.setConstant(-7);  // whatever stands in the padding is not looked at
  const std::vector<std::vector<std::int64_t>> texts = {{3, 1, 4}, {1, 5, 9, 2, 6, 5}, {}};
  std::vector<std::int64_t> lengths;
  for (Index b = 0; b < 3; ++b) {
    const auto& text = texts[std::size_t(b)];
    lengths.push_back(std::int64_t(text.size()));
    for (std::size_t i = 0; i < text.size(); ++i) ids(b, 6 - Index(text.size() - i)) = text[i];
  }
  const View<const std::int64_t, 1> counts(lengths.data(), {3});
  auto state = model.initial_state(3);
  Tape<double> tape;
  tape.start();
  const auto y = model(tape, ids, counts, state);
  CHECK(tape.cu_seqlens().empty());
  for (Index b = 0; b < 3; ++b) {
    const auto& text = texts[std::size_t(b)];
    const Index length = Index(text.size());
    for (Index t = 0; t < 6 - length; ++t)
      for (Index i = 0; i < 11; ++i) CHECK(y.value(b, t, i) == 0);
    auto alone = model.initial_state(1);
    Tape<double> other;
    const auto z = model(other, View<const std::int64_t, 2>(text.data(), {1, length}), alone);
    for (Index t = 0; t < length; ++t)
      for (Index i = 0; i < 11; ++i)
        CHECK(std::abs(y.value(b, 6 - length + t, i) - z.value(0, t, i)) < 1e-12);
    for (std::size_t layer = 0; layer < 2; ++layer) {
      const auto same = [b](const auto& one, const auto& all) {
        for (Index i = 0; i < one.size(); ++i)
          CHECK(std::abs(one.data()[i] - all.data()[b * one.size() + i]) < 1e-12);
      };
      const auto& one = alone.layers.layers[layer];
      const auto& all = state.layers.layers[layer];
      same(one.memory, all.memory), same(one.conv1d.recent, all.conv1d.recent);
    }
  }
  lengths[1] = 7;
  CHECK_THROWS_WITH(model(tape, ids, counts, state),
                    "LeftPadding: a length must be from 0 to T = 6, got 7 for row 1");
}
