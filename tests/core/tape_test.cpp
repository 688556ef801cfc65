// SPDX-License-Identifier: MIT
#include "support/allocation_count.hpp"
#include "support/catch.hpp"

#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

using namespace sluice;
using testing::allocations;

namespace {

using Vector = Variable<double, 1>;

/// A model of one vector, and one that shares no memory with it.
struct Model {
  Tensor<double, 1> weight;
  explicit Model(Index n, double value = 1) : weight(n) { weight.setConstant(value); }
  static constexpr auto fields() { return std::tuple{field("weight", &Model::weight)}; }
};

/// y = a b, element by element.
Vector multiply(const Vector& a, const Vector& b) {
  const auto y = a.tape->result(a.shape(), a, b);
  for (Index i = 0; i < a.dim(0); ++i) y.out.row()[i] = a.value.row()[i] * b.value.row()[i];
  if (y.gradient)
    a.tape->on_backward([a, b, y] {
      for (Index i = 0; i < a.dim(0); ++i) {
        const double dy = y.gradient.row()[i];
        if (a.gradient) a.gradient.row()[i] += dy * b.value.row()[i];
        if (b.gradient) b.gradient.row()[i] += dy * a.value.row()[i];
      }
    });
  return y;
}

/// y = x w, element by element, with a parameter.
Vector scale(const Vector& x, const Tensor<double, 1>& weight) {
  double* const dw = x.tape->gradient_of(weight);
  const auto y = x.tape->result(x.shape(), x, dw);
  for (Index i = 0; i < x.dim(0); ++i) y.out.row()[i] = x.value.row()[i] * weight(i);
  if (y.gradient)
    x.tape->on_backward([x, y, dw, w = weight.data()] {
      for (Index i = 0; i < x.dim(0); ++i) {
        if (x.gradient) x.gradient.row()[i] += y.gradient.row()[i] * w[i];
        if (dw) dw[i] += y.gradient.row()[i] * x.value.row()[i];
      }
    });
  return y;
}

Variable<double, 0> sum(const Vector& x) {
  const auto y = x.tape->result(Shape<0>{}, x);
  *y.out.data() = 0;
  for (Index i = 0; i < x.dim(0); ++i) *y.out.data() += x.value.row()[i];
  if (y.gradient)
    x.tape->on_backward([x, y] {
      for (Index i = 0; i < x.dim(0); ++i) x.gradient.row()[i] += *y.gradient.data();
    });
  return y;
}

template <class M>
concept can_record = requires(Tape<double>& tape, Model& gradient, M&& model) {
  tape.record(std::forward<M>(model), gradient);
};
template <class X>
concept can_input = requires(Tape<double>& tape, X&& x) {
  tape.input(std::forward<X>(x));
};

Tensor<double, 1> counting(Index n) {
  Tensor<double, 1> x(n);
  for (Index i = 0; i < n; ++i) x(i) = double(i + 1);
  return x;
}

}  // namespace

TEST_CASE("gradients flow back and accumulate", "[core][tape]") {
  const auto x = counting(5);
  const Model model(5, 3);
  Model gradient = zeros_like(model);
  Tape<double> tape;

  for (int pass = 1; pass <= 2; ++pass) {
    tape.record(model, gradient);
    CHECK(tape.recording());
    const auto input = tape.input(View(x));
    const auto y = scale(input, model.weight);
    const auto loss = sum(multiply(y, y));  // sum of (x w)^2; y is used twice
    CHECK(loss.value() == 9 * 55);
    tape.backward(loss);
    for (Index i = 0; i < 5; ++i) CHECK(gradient.weight(i) == pass * 2 * x(i) * x(i) * 3);
  }
}

TEST_CASE("the gradient by an input goes where the caller asks", "[core][tape]") {
  const auto x = counting(3);
  Tensor<double, 1> dx(3);
  dx.setConstant(100);
  const Model model(3, 2);
  Model gradient = zeros_like(model);
  Tape<double> tape;
  tape.record(model, gradient);
  tape.backward(sum(scale(tape.input(View(x), View(dx)), model.weight)));
  for (Index i = 0; i < 3; ++i) CHECK(dx(i) == 102);
}

TEST_CASE("constants cost nothing", "[core][tape]") {
  const auto x = counting(4);
  const Model frozen(4, 2), trained(4, 5);
  Model gradient = zeros_like(trained);
  Tape<double> tape;
  tape.record(trained, gradient);

  const auto constant = scale(tape.input(View(x)), frozen.weight);
  CHECK_FALSE(constant.gradient);
  CHECK(tape.gradient_of(frozen.weight) == nullptr);
  CHECK(tape.gradient_of(trained.weight) == gradient.weight.data());

  const auto y = scale(constant, trained.weight);
  CHECK(y.gradient);
  tape.backward(sum(y));
  for (Index i = 0; i < 4; ++i) CHECK(gradient.weight(i) == 2 * x(i));

  try {
    tape.backward(sum(constant));
    FAIL("expected ArgumentError");
  } catch (const ArgumentError& e) {
    CHECK(std::string(e.what()) ==
          "Tape::backward: loss must be recorded from something with a gradient, got a constant");
  }
}

TEST_CASE("a plain pass keeps no gradients", "[core][tape]") {
  const auto x = counting(3);
  const Model model(3);
  Model gradient = zeros_like(model);
  Tape<double> tape;
  tape.record(model, gradient);
  tape.start();
  CHECK_FALSE(tape.recording());
  CHECK(tape.gradient_of(model.weight) == nullptr);
  Tensor<double, 1> dx(3);
  CHECK_FALSE(tape.input(View(x), View(dx)).gradient);
  const auto y = scale(tape.input(View(x)), model.weight);
  CHECK_FALSE(y.gradient);
  CHECK(y.value.row()[2] == 3);
  CHECK_THROWS_AS(tape.backward(sum(y)), ArgumentError);
}

TEST_CASE("two models train on one tape", "[core][tape]") {
  const auto x = counting(3);
  const Model first(3, 2), second(3, 7);
  Model dfirst = zeros_like(first), dsecond = zeros_like(second);
  Tape<double> tape;
  tape.record(first, dfirst);
  tape.also_record(second, dsecond);
  tape.backward(sum(scale(scale(tape.input(View(x)), first.weight), second.weight)));
  for (Index i = 0; i < 3; ++i) {
    CHECK(dfirst.weight(i) == 7 * x(i));
    CHECK(dsecond.weight(i) == 2 * x(i));
  }
}

TEST_CASE("a caller can begin the way back in the middle", "[core][tape]") {
  const auto x = counting(3);
  const Model model(3, 2);
  Model gradient = zeros_like(model);
  Tape<double> tape;
  tape.record(model, gradient);
  const auto y = scale(tape.input(View(x)), model.weight);
  for (Index i = 0; i < 3; ++i) y.gradient.row()[i] = 10;
  tape.backward();
  for (Index i = 0; i < 3; ++i) CHECK(gradient.weight(i) == 10 * x(i));
}

TEST_CASE("tidy keeps the result and takes back the scratch", "[core][tape]") {
  const auto x = counting(1000);
  const Model model(1000, 2);
  Tape<double> tape, untidy;

  const auto deep = [&](Tape<double>& t, bool tidy) {
    t.start();
    Vector y = t.input(View(x));
    for (int layer = 0; layer < 50; ++layer) {
      const auto block = [&] {
        Vector scratch = y;
        for (int k = 0; k < 10; ++k) scratch = scale(scratch, model.weight);
        return scale(y, model.weight);
      };
      y = tidy ? t.tidy(block) : block();
    }
    return y;
  };
  const Vector a = deep(tape, true), b = deep(untidy, false);
  for (Index i = 0; i < 1000; ++i) REQUIRE(a.value.row()[i] == b.value.row()[i]);
  CHECK(tape.capacity() * 4 < untidy.capacity());
}

TEST_CASE("tidy does nothing but call while recording", "[core][tape]") {
  const auto x = counting(3);
  const Model model(3, 2);
  Model gradient = zeros_like(model);
  Tape<double> tape;
  tape.record(model, gradient);
  const auto y =
      tape.tidy([&] { return scale(scale(tape.input(View(x)), model.weight), model.weight); });
  tape.backward(sum(y));
  for (Index i = 0; i < 3; ++i) CHECK(gradient.weight(i) == 4 * x(i));
}

TEST_CASE("a warm pass allocates nothing", "[core][tape]") {
  const auto x = counting(100);
  const Model model(100, 2);
  Model gradient = zeros_like(model);
  Tape<double> tape;
  const auto train = [&] {
    tape.record(model, gradient);
    Vector y = tape.input(View(x));
    for (int k = 0; k < 20; ++k) y = scale(y, model.weight);
    tape.backward(sum(y));
  };
  const auto read = [&] {
    tape.start();
    Vector y = tape.input(View(x));
    for (int k = 0; k < 20; ++k) y = tape.tidy([&] { return scale(y, model.weight); });
  };
  train();
  read();
  const long before = allocations();
  for (int pass = 0; pass < 10; ++pass) train(), read();
  CHECK(allocations() == before);
}

TEST_CASE("what follows from parameters alone is computed once, and anew when they change",
          "[core][tape]") {
  Model model(3, 2), other(3, 5);
  Tape<double> tape;
  int computed = 0;
  const auto doubled = [&](const Model& m) {
    return tape.derived(m.weight, Shape<1>{3}, [&](double* to) {
      ++computed;
      for (Index i = 0; i < 3; ++i) to[i] = 2 * m.weight(i);
    });
  };
  const auto negated = [&](const Model& m) {
    return tape.derived(m.weight, Shape<1>{3}, [&](double* to) {
      for (Index i = 0; i < 3; ++i) to[i] = -m.weight(i);
    });
  };
  for (int pass = 0; pass < 3; ++pass) {
    tape.start();
    CHECK(doubled(model).value(2) == 4);
    CHECK(doubled(other).value(0) == 10);
    CHECK(negated(model).value(0) == -2);
  }
  CHECK(computed == 2);
  CHECK_FALSE(doubled(model).gradient);

  tape.start();
  const auto before = doubled(model);
  model.weight(1) = 7;  // in the middle of a pass: what was handed out stays
  CHECK(doubled(model).value(1) == 14);
  CHECK(before.value(1) == 4);
  model = other;  // assigned in place: same memory, other numbers
  tape.start();
  CHECK(doubled(model).value(1) == 10);

  // Models that come and go at one address, or at many, leave nothing behind.
  const long warm = [&] {
    for (int pass = 0; pass < 4; ++pass) tape.start(), doubled(model), doubled(other);
    return allocations();
  }();
  for (int pass = 0; pass < 20; ++pass) {
    tape.start();
    model.weight.setConstant(pass);
    CHECK(doubled(model).value(0) == 2 * pass);
  }
  CHECK(allocations() == warm);
}

TEST_CASE("a pass is walked back once", "[core][tape]") {
  const auto x = counting(3);
  const Model model(3, 2);
  Model gradient = zeros_like(model);
  Tape<double> tape;
  tape.record(model, gradient);
  const auto loss = sum(scale(tape.input(x), model.weight));
  tape.backward(loss);
  CHECK_THROWS_WITH(tape.backward(loss),
                    "Tape::backward: the pass must be walked back only once, got a second call");
  CHECK_THROWS_AS(tape.backward(), ArgumentError);
  for (Index i = 0; i < 3; ++i) CHECK(gradient.weight(i) == x(i));
}

TEST_CASE("recording, training and draws are three things", "[core][tape]") {
  Tape<double> tape;
  tape.record();
  CHECK(tape.recording());
  CHECK_FALSE(tape.training());
  tape.train(Rng(5));
  CHECK(tape.training());
  CHECK(tape.draws()() == Rng(5)());
  tape.start();
  CHECK_FALSE(tape.recording());
  CHECK_FALSE(tape.training());
  tape.train(Rng(5));
  CHECK_FALSE(tape.recording());
  CHECK(tape.training());
}

TEST_CASE("what a tape is told must fit", "[core][tape]") {
  const Model model(3);
  Model small(2);
  Tape<double> tape;
  CHECK_THROWS_WITH(tape.record(model, small),
                    "Tape::record: weight must be [3] in every argument, got [2]");
  Model first = zeros_like(model), second = first;
  tape.record(model, first);
  CHECK_THROWS_WITH(tape.also_record(model, second),
                    "Tape::record: weight must be recorded once, got a second gradient by it");
  const auto x = counting(3);
  Tensor<double, 1> dx(2);
  CHECK_THROWS_WITH(tape.input(x, dx), "Tape::input: gradient must be [3] to match x, got [2]");
}

TEST_CASE("what would dangle does not compile", "[core][tape]") {
  using V = Tensor<double, 1>;
  STATIC_REQUIRE_FALSE(std::is_convertible_v<V, View<const double, 1>>);
  STATIC_REQUIRE(std::is_convertible_v<V&, View<const double, 1>>);
  STATIC_REQUIRE(std::is_convertible_v<V, Borrowed<const double, 1>>);
  STATIC_REQUIRE(std::is_convertible_v<Eigen::TensorMap<V>, View<const double, 1>>);
  STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<Tape<double>>);
  STATIC_REQUIRE_FALSE(std::is_move_constructible_v<Tape<double>>);
  STATIC_REQUIRE(can_record<Model&>);
  STATIC_REQUIRE_FALSE(can_record<Model>);
  STATIC_REQUIRE(can_input<V&>);
  STATIC_REQUIRE_FALSE(can_input<V>);
}

namespace {

/// A state of a number of another kind beside what has gradients.
struct Counted {
  Tensor<std::int64_t, 1> position;
  Tensor<double, 1> memory;
  static constexpr auto fields() {
    return std::tuple{field("position", &Counted::position), field("memory", &Counted::memory)};
  }
};

}  // namespace

TEST_CASE("integers in a state have no gradient, and are put back", "[core][tape]") {
  const auto x = counting(2);
  Counted state{Tensor<std::int64_t, 1>(1), Tensor<double, 1>(2)}, gradient = state;
  set_zero(state), set_zero(gradient);
  const Model model(2, 3);
  Model dmodel = zeros_like(model);
  Tape<double> tape;
  tape.record(model, dmodel);
  tape.also_record(state, gradient);
  CHECK(tape.gradient_of(state.memory) == gradient.memory.data());
  const auto in = tape.input(x);
  const auto y = tape.recompute(state, [in, &state, &model] {
    state.position(0) += 5;
    return scale(in, model.weight);
  });
  CHECK(state.position(0) == 5);
  tape.backward(sum(y));
  CHECK(state.position(0) == 5);
  CHECK(dmodel.weight(1) == 2);
}

TEST_CASE("a new tape is plain, and what is recorded later makes it record", "[core][tape]") {
  const Model model(1, 3);
  Model gradient = zeros_like(model);
  Tape<double> tape;
  CHECK_FALSE(tape.recording());
  CHECK_FALSE(tape.training());
  CHECK_NOTHROW(tape.backward());  // nothing has been walked back before
  tape.start();
  tape.also_record(model, gradient);
  CHECK(tape.recording());
  CHECK(tape.gradient_of(model.weight) == gradient.weight.data());  // of one element, too
}

TEST_CASE("a second walk back writes nothing", "[core][tape]") {
  const auto x = counting(3);
  const Model model(3, 2);
  Model gradient = zeros_like(model);
  Tape<double> tape;
  tape.record(model, gradient);
  const auto loss = sum(scale(tape.input(x), model.weight));
  tape.backward(loss);
  *loss.gradient.data() = 5;
  CHECK_THROWS_AS(tape.backward(loss), ArgumentError);
  CHECK(*loss.gradient.data() == 5);
}

TEST_CASE("rooms are as large as asked for, to the next cache line", "[core][tape]") {
  Tape<double> tape;
  tape.start();
  double* const first = tape.allocate(Shape<2>{3, 32});
  CHECK(tape.allocate(Shape<0>{}) - first == 96);
  CHECK(tape.allocate(Shape<1>{0}) - first == 104);
  CHECK(tape.allocate(Shape<1>{1}) - first == 104);  // nothing took no room
}

TEST_CASE("a tape remembers states of any size, until they change or the pass ends",
          "[core][tape]") {
  for (const Index n : {1, 2, 1000}) {
    CAPTURE(n);
    Model state(n, 3), other(n, 3), d = zeros_like(state);
    const double* const at = state.weight.data();
    const auto size = static_cast<std::size_t>(n);
    Tape<double> tape;
    const auto begin = [&] {
      double* const gradient = tape.memory_gradient(at, size, true);
      CHECK(std::all_of(gradient, gradient + n, [](double v) { return v == 0; }));
      tape.remember(at, size, gradient);
      return gradient;
    };
    CHECK(tape.memory_gradient(at, size, true) == nullptr);
    tape.record();
    CHECK(tape.memory_gradient(at, size, false) == nullptr);
    double* const gradient = begin();
    std::fill_n(tape.allocate(Shape<1>{2 * n}), 2 * n, -1.);  // beside what is remembered
    CHECK(tape.memory_gradient(at, size, false) == gradient);
    CHECK(tape.memory_gradient(other.weight.data(), size, false) == nullptr);
    CHECK(tape.memory_gradient(at, size + 1, false) == nullptr);
    state.weight(n - 1) = 4;
    CHECK(tape.memory_gradient(at, size, false) == nullptr);
    state.weight(n - 1) = 3;
    CHECK(tape.memory_gradient(at, size, false) == gradient);
    tape.forget(other);
    CHECK(tape.memory_gradient(at, size, false) == gradient);
    tape.forget(state);
    CHECK(tape.memory_gradient(at, size, false) == nullptr);
    begin();
    tape.record();
    CHECK(tape.memory_gradient(at, size, false) == nullptr);
    tape.also_record(state, d);
    CHECK(tape.memory_gradient(at, size, false) == d.weight.data());
    begin();
    state.weight(n - 1) = 5;  // begins anew: no longer what was asked about
    CHECK(tape.memory_gradient(at, size, false) == nullptr);
  }
}

TEST_CASE("what follows from a number is computed anew when it changes", "[core][tape]") {
  Model model(1, 2), other(1, 5);
  Tape<double> tape;
  int computed = 0;
  const auto doubled = [&](const Model& m) {
    return *tape.derived(m.weight, Shape<1>{1},
                         [&](double* to) { ++computed, *to = 2 * m.weight(0); })
                .value.data();
  };
  CHECK(doubled(model) == 4);
  model.weight(0) = 3;
  CHECK(doubled(model) == 6);
  // What the last pass has used is still there, even if this one has begun with something else.
  tape.start(), tape.start(), tape.start();
  CHECK(doubled(model) == 6);
  tape.start();
  CHECK(doubled(other) == 10);
  const int before = computed;
  CHECK(doubled(model) == 6);
  CHECK(computed == before);
}

TEST_CASE("tidy keeps a number", "[core][tape]") {
  const auto x = counting(5);
  Tape<double> tape;
  tape.start();
  const auto y = tape.tidy([&] {
    tape.allocate(Shape<1>{100});
    return sum(tape.input(x));
  });
  CHECK(y.value() == 15);
}

TEST_CASE("where packed sequences begin is copied", "[core][tape]") {
  std::vector<Index> starts;
  for (Index n = 0; n < 40; ++n) starts.push_back(3 * n);
  const auto expected = starts;
  Tape<double> tape;
  tape.start();
  tape.pack(starts);
  std::fill(starts.begin(), starts.end(), -1);
  for (int n = 0; n < 20; ++n) std::fill_n(tape.allocate(Shape<1>{8}), 8, -1.);
  const auto got = tape.cu_seqlens();
  CHECK(std::equal(got.begin(), got.end(), expected.begin(), expected.end()));
  tape.pack({});
  CHECK(tape.cu_seqlens().empty());
  tape.pack(expected);
  tape.start();
  CHECK(tape.cu_seqlens().empty());
}

TEST_CASE("values of the last pass outlive what this one computes first", "[core][tape]") {
  Model model(2, 2), other(2, 5);
  Tape<double> tape;
  int computed = 0;
  const auto doubled = [&](const Model& m) {
    return tape
        .derived(m.weight, Shape<1>{2},
                 [&](double* to) { ++computed, to[0] = to[1] = 2 * m.weight(0); })
        .value(1);
  };
  for (int pass = 0; pass < 3; ++pass) {
    tape.start();
    CHECK(doubled(model) == 4);
  }
  tape.start();
  CHECK(doubled(other) == 10);
  CHECK(doubled(model) == 4);
  CHECK(computed == 2);
}
