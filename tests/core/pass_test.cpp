// SPDX-License-Identifier: MIT
// Passes that could mislead: recomputation, states that several calls share, dropout.
#include "support/catch.hpp"
#include "support/tensor.hpp"

#include <sluice/core/operation.hpp>
#include <sluice/core/parameter.hpp>
#include <sluice/layers/blocks/checkpoint.hpp>
#include <sluice/layers/feed_forward/linear.hpp>
#include <sluice/ops/arithmetic.hpp>
#include <sluice/ops/dropout.hpp>
#include <sluice/ops/loss.hpp>
#include <sluice/ops/selective_scan.hpp>
#include <sluice/ops/slice.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <vector>

using namespace sluice;
using testing::require_close;
using testing::uniform;

namespace {

using X = Variable<double, 3>;

struct Identity {
  using Scalar = double;
  X operator()(const X& x) const { return x; }
};

/// A result that is a part of a wider one.
struct Part {
  using Scalar = double;
  X operator()(const X& x) const { return slice(scale(x, 3), 2, 1, 2); }
};

/// Sum of y as a variable.
Variable<double, 0> total(const X& y) {
  return operation(
      Shape<0>{},
      [&](const View<double, 0>& sum) {
        sum() = 0;
        for_each_row(
            [&](const double* row) {
              for (Index i = 0; i < y.dim(2); ++i) sum() += row[i];
            },
            y.value);
      },
      [=](auto, const View<const double, 0>& dsum) {
        for_each_row(
            [&](double* row) {
              for (Index i = 0; i < y.dim(2); ++i) row[i] += dsum();
            },
            y.gradient);
      },
      y);
}

/// The gradient by x of total(join(x, f(x))), kept or recomputed.
template <class F, class Join>
Tensor<double, 3> gradient(const F& f, const Join& join, bool recomputed) {
  const auto x = uniform<double, 3>({1, 3, 4}, -1, 1, 1);
  auto dx = zeros<double>(Shape<3>{1, 3, 4});
  Tape<double> tape;
  tape.record();
  tape.train(Rng(7));
  const auto in = tape.input(x, dx);
  NoState none;
  tape.backward(total(join(in, recomputed ? checkpoint(f, in, none) : f(in))));
  return dx;
}

}  // namespace

TEST_CASE("recomputation adds the gradient of what its function returns", "[core][pass]") {
  const auto beside = [](const X& x, const X& y) { return x + y; };
  const auto alone = [](const X&, const X& y) { return y; };
  for (const bool recomputed : {false, true}) {
    CAPTURE(recomputed);
    auto twice = zeros<double>(Shape<3>{1, 3, 4});
    twice.setConstant(2);
    require_close("identity", twice, gradient(Identity{}, beside, recomputed), 0);
    auto parts = zeros<double>(Shape<3>{1, 3, 4});
    for (Index t = 0; t < 3; ++t) parts(0, t, 1) = parts(0, t, 2) = 3;
    require_close("part", parts, gradient(Part{}, alone, recomputed), 0);
  }
}

TEST_CASE("recomputation replays dropout", "[core][pass]") {
  auto x = zeros<double>(Shape<3>{2, 4, 8}), dx = x;
  x.setConstant(1);
  for (const bool whole_rows : {false, true}) {
    CAPTURE(whole_rows);
    dx.setZero();
    Tape<double> tape;
    tape.record();
    tape.train(Rng(3));
    const auto in = tape.input(x, dx);
    NoState none;
    const auto f = [in, whole_rows] { return whole_rows ? drop_path(in, 0.5) : dropout(in, 0.5); };
    const auto first = tape.recompute(none, f), second = tape.recompute(none, f);
    CHECK_FALSE(std::equal(first.value.data(), first.value.data() + 64, second.value.data()));
    Tensor<double, 3> expected(2, 4, 8);
    for (Index i = 0; i < 64; ++i)
      expected.data()[i] = first.value.data()[i] + second.value.data()[i];
    tape.backward(total(first + second));
    require_close("gradient", expected, dx, 0);
  }
}

TEST_CASE("without training nothing is dropped, recorded or not", "[core][pass]") {
  const auto x = uniform<double, 3>({1, 2, 8}, -1, 1, 1);
  Tape<double> tape;
  for (const bool recorded : {false, true}) {
    if (recorded)
      tape.record();
    else
      tape.start();
    CHECK(dropout(tape.input(x), 0.5).value.data() == x.data());
    tape.train(Rng(1));
    CHECK(dropout(tape.input(x), 0.5).value.data() != x.data());
    CHECK(dropout(tape.input(x), 0).value.data() == x.data());
    CHECK_THROWS_AS(dropout(tape.input(x), 1), ArgumentError);
  }
}

namespace {

/// Weights of a scan, as one list.
struct Weights {
  Tensor<double, 3> x;
  Tensor<double, 2> A;
  static constexpr auto fields() {
    return std::tuple{field("x", &Weights::x), field("A", &Weights::A)};
  }
};
struct Memory {
  Tensor<double, 3> h;
  static constexpr auto fields() { return std::tuple{field("h", &Memory::h)}; }
};

/// Gradients of the last five of nine tokens' sum of squares, read in pieces through one state.
struct Pieces {
  Weights w{uniform<double, 3>({1, 9, 4}, -1, 1, 1), uniform<double, 2>({2, 4}, -1, -0.1, 2)};
  Tensor<double, 3> dt = uniform<double, 3>({1, 9, 4}, 0.1, 1, 3);
  Tensor<double, 3> B = uniform<double, 3>({1, 9, 2}, -1, 1, 5);
  Tensor<double, 3> C = uniform<double, 3>({1, 9, 2}, -1, 1, 6);
  Memory begin{uniform<double, 3>({1, 2, 4}, -1, 1, 4)};

  std::pair<Weights, Memory> gradients(const std::vector<Index>& cuts, bool record_state,
                                       bool recomputed, bool restart = false) const {
    auto dw = zeros_like(w);
    auto state = begin, dstate = zeros_like(begin);
    Tape<double> tape;
    tape.record(w, dw);
    if (record_state) tape.also_record(state, dstate);
    const auto x = use(tape, w.x);
    const auto step = tape.input(dt), write = tape.input(B), read_out = tape.input(C);
    const auto A = use(tape, w.A);
    X y;
    for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
      const Index from = cuts[i], n = cuts[i + 1] - from;
      if (restart && i == 1) state = begin;
      const auto read = [=, s = &state.h] {
        const auto part = [=](const X& v) { return slice(v, 1, from, n); };
        return selective_scan(part(x), part(step), A, part(write), part(read_out), *s);
      };
      y = recomputed ? tape.recompute(state, read) : read();
    }
    y = slice(y, 1, y.dim(1) - 5, 5);
    tape.backward(total(y * y));
    return {dw, dstate};
  }
};

void require_same(const std::pair<Weights, Memory>& a, const std::pair<Weights, Memory>& b,
                  bool states) {
  require_close("dx", a.first.x, b.first.x, 1e-12);
  require_close("dA", a.first.A, b.first.A, 1e-12);
  if (states) require_close("dstate", a.second.h, b.second.h, 1e-12);
}

}  // namespace

TEST_CASE("calls that share a state are connected, recorded or not", "[core][pass]") {
  const Pieces p;
  const auto reference = p.gradients({0, 9}, true, false);
  double before_the_cut = 0;
  for (Index t = 0; t < 4; ++t) before_the_cut += std::abs(reference.first.x(0, t, 0));
  CHECK(before_the_cut > 1e-3);
  for (const bool record_state : {false, true})
    for (const bool recomputed : {false, true}) {
      CAPTURE(record_state, recomputed);
      require_same(reference, p.gradients({0, 4, 9}, record_state, recomputed), record_state);
      require_same(reference, p.gradients({0, 1, 3, 4, 9}, record_state, recomputed), record_state);
    }
}

TEST_CASE("a state that is set by hand begins anew", "[core][pass]") {
  const Pieces p;
  for (const bool record_state : {false, true})
    for (const bool recomputed : {false, true}) {
      CAPTURE(record_state, recomputed);
      const auto d = p.gradients({0, 4, 9}, record_state, recomputed, true);
      for (Index t = 0; t < 4; ++t) CHECK(d.first.x(0, t, 0) == 0);
      CHECK(d.first.x(0, 5, 0) != 0);
      for (Index i = 0; i < d.second.h.size(); ++i) CHECK(d.second.h.data()[i] == 0);
    }
}

namespace {

/// A layer that throws, at the first call or at a later one, after it has changed its state.
struct Faulty {
  using Scalar = double;
  using State = Memory;
  int good_calls;
  mutable int calls = 0;
  X operator()(const X& x, State& state) const {
    state.h.setConstant(9);
    if (calls++ == good_calls) throw std::runtime_error("fault");
    return scale(x, 2);
  }
};

/// A state that grows, as a cache without a limit does.
struct Growing {
  using Scalar = double;
  using State = Memory;
  X operator()(const X& x, State& state) const {
    state.h = Tensor<double, 3>(1, state.h.dimension(1) + x.dim(1), 4);
    return x;
  }
};

}  // namespace

TEST_CASE("an exception leaves the pass as it was", "[core][pass]") {
  const auto x = uniform<double, 3>({1, 3, 4}, -1, 1, 1);
  auto dx = zeros<double>(Shape<3>{1, 3, 4});
  Memory state{zeros<double>(Shape<3>{1, 2, 4})};
  Tape<double> tape;
  tape.record();
  const auto in = tape.input(x, dx);
  const Faulty at_once{0}, later{1};
  CHECK_THROWS_WITH(checkpoint(at_once, in, state), "fault");
  CHECK(tape.recording());
  CHECK(state.h(0, 0, 0) == 0);

  const auto y = checkpoint(later, in, state);
  CHECK(state.h(0, 0, 0) == 9);
  state.h.setConstant(4);
  CHECK_THROWS_WITH(tape.backward(total(y)), "fault");
  CHECK(tape.recording());
  CHECK(state.h(0, 0, 0) == 4);
}

TEST_CASE("a state must keep its size in a recomputation", "[core][pass]") {
  const auto x = uniform<double, 3>({1, 3, 4}, -1, 1, 1);
  Memory state{zeros<double>(Shape<3>{1, 0, 4})};
  const Growing growing;
  Tape<double> tape;
  tape.record();
  CHECK_THROWS_WITH(checkpoint(growing, tape.input(x), state),
                    "Tape::recompute: the state must be of the sizes it had before f, got others");
  CHECK(tape.recording());
}

TEST_CASE("a result of any strides is kept by tidy", "[core][pass]") {
  const auto x = uniform<double, 3>({2, 3, 8}, -1, 1, 1);
  Tape<double> tape;
  tape.start();
  const auto in = tape.input(x);
  const auto f = [&] { return slice(scale(in, 2), 2, 3, 4); };
  const auto plain = f(), tidied = tape.tidy(f);
  CHECK(tidied.value.contiguous());
  for (Index b = 0; b < 2; ++b)
    for (Index t = 0; t < 3; ++t)
      for (Index i = 0; i < 4; ++i) {
        CHECK(plain.value(b, t, i) == 2 * x(b, t, i + 3));
        CHECK(tidied.value(b, t, i) == 2 * x(b, t, i + 3));
      }
}

TEST_CASE("after the way back through recomputed parts all is as it was", "[core][pass]") {
  const auto x = uniform<double, 3>({1, 5, 4}, -1, 1, 1);
  auto dx = zeros<double>(Shape<3>{1, 5, 4});
  // More tensors than a cache line holds addresses or sizes.
  struct Many {
    std::array<Memory, 20> parts;
    static constexpr auto fields() { return std::tuple{field("parts", &Many::parts)}; }
  };
  Many state;
  for (std::size_t i = 0; i < 20; ++i)
    state.parts[i].h = uniform<double, 3>({1, 1 + Index(i) % 3, 4}, -1, 1, unsigned(i));
  Many dstate = zeros_like(state);
  Tape<double> tape;
  tape.record();
  tape.train(Rng(3));
  const std::vector<Index> early{0, 2, 3, 5}, late{0, 4, 5};
  tape.pack(early);
  const auto in = tape.input(x, dx);
  std::vector<std::size_t> packed;
  std::vector<double> drawn;
  const auto part = [in, &packed, &drawn, s = &state] {
    packed.push_back(in.tape->cu_seqlens().size());
    drawn.push_back(in.tape->draws().uniform<double>());
    for (Memory& m : s->parts) m.h.setConstant(m.h(0, 0, 0) + 1);
    return scale(in, 2);
  };
  const auto first = tape.recompute(state, part), second = tape.recompute(state, part);
  tape.pack(late);
  std::vector<const double*> gradients;
  const auto found = [&] {
    std::vector<const double*> all;
    for (const Memory& m : state.parts)
      all.push_back(tape.memory_gradient(m.h.data(), static_cast<std::size_t>(m.h.size()), false));
    return all;
  };
  const auto before = found();
  CHECK(std::count(before.begin(), before.end(), nullptr) == 0);
  const auto values = state;
  Rng draws = tape.draws();
  const auto used = [&] { return tape.workspace().arena->mark().used; };
  const auto loss = total(first + second);
  const auto mark = used();
  tape.backward(loss);
  CHECK(used() == mark);
  CHECK(packed == std::vector<std::size_t>{4, 4, 4, 4});
  REQUIRE(drawn.size() == 4);
  CHECK((drawn[3] == drawn[0] && drawn[2] == drawn[1] && drawn[0] != drawn[1]));
  CHECK(tape.draws()() == draws());
  CHECK(std::equal(late.begin(), late.end(), tape.cu_seqlens().begin(), tape.cu_seqlens().end()));
  CHECK(found() == before);
  for (std::size_t i = 0; i < 20; ++i)
    require_close("state", values.parts[i].h, state.parts[i].h, 0);
  for (Index i = 0; i < dx.size(); ++i) CHECK(dx.data()[i] == 4);
}

TEST_CASE("an exception in a recomputed part gives its draws back", "[core][pass]") {
  Memory state{zeros<double>(Shape<3>{1, 2, 4})};
  const auto x = uniform<double, 3>({1, 3, 4}, -1, 1, 1);
  Tape<double> tape;
  tape.record();
  tape.train(Rng(3));
  const auto in = tape.input(x);
  CHECK_THROWS_WITH(tape.recompute(state,
                                   [in]() -> X {
                                     in.tape->draws()();
                                     throw std::runtime_error("fault");
                                   }),
                    "fault");
  CHECK(tape.draws()() == Rng(3)());
}

TEST_CASE("recomputed parts share their scratch", "[core][pass]") {
  const auto x = uniform<double, 3>({1, 100, 40}, -1, 1, 1);
  auto dx = zeros<double>(Shape<3>{1, 100, 40});
  const auto capacity = [&](bool recomputed) {
    Tape<double> tape;
    tape.record();
    NoState none;
    X y = tape.input(x, dx);
    for (int part = 0; part < 20; ++part) {
      const auto deep = [y] {
        X z = y;
        for (int k = 0; k < 10; ++k) z = scale(z, 1);
        return z;
      };
      y = recomputed ? tape.recompute(none, deep) : deep();
    }
    tape.backward(total(y));
    return tape.capacity();
  };
  CHECK(4 * capacity(true) <= capacity(false));
}

TEST_CASE("a recurrence of constants has no gradient, recorded or not", "[core][pass]") {
  const auto x = uniform<double, 3>({1, 3, 4}, -1, 1, 1);
  const auto A = uniform<double, 2>({2, 4}, -1, -0.1, 2), B = uniform<double, 2>({2, 4}, -1, 1, 3);
  Memory state{zeros<double>(Shape<3>{1, 2, 4})};
  Tape<double> tape;
  tape.record();
  const auto in = tape.input(x);
  const auto b = tape.input(B);
  CHECK_FALSE(selective_scan(in, in, tape.input(A), b, b, state.h).gradient);
  CHECK(tape.memory_gradient(state.h.data(), 8, false) == nullptr);
}

TEST_CASE("a parameter is a tensor, a variable or nothing", "[core][pass]") {
  const auto w = uniform<double, 1>({3}, -1, 1, 1);
  std::optional<Tensor<double, 1>> maybe;
  Tape<double> tape;
  tape.start();
  const auto x = tape.input(w);
  const auto value = [&](const Parameter<double, 1>& p) {
    CHECK(bool(p) == bool(p.on(tape).value));
    CHECK(p.on(tape).tape == &tape);
    return p.on(tape).value.data();
  };
  CHECK(value(w) == w.data());
  CHECK(value(x) == w.data());
  CHECK(value(maybe) == nullptr);
  CHECK(value({}) == nullptr);
  maybe = w;
  CHECK(value(maybe) == maybe->data());
}
