// SPDX-License-Identifier: MIT
/// \file
/// Values that remember how they were made.
#pragma once

#include <sluice/core/arena.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/executor.hpp>
#include <sluice/core/fields.hpp>
#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

namespace sluice {

template <class Scalar>
class Tape;

/// A tensor in flight: its value and, while somebody wants it, its gradient. Cheap to copy; the
/// tape owns the memory. The value is read-only: only the operation that makes it writes it.
template <class S, int Rank>
struct Variable {
  using Scalar = S;
  Tape<S>* tape = nullptr;
  View<const S, Rank> value;
  View<S, Rank> gradient;  ///< no data when nobody asked for it

  Index dim(int i) const noexcept { return value.dim(i); }
  const Shape<Rank>& shape() const noexcept { return value.shape(); }
};

/// A variable in the making: the operation writes `out`, then hands on the variable.
template <class S, int Rank>
struct Result : Variable<S, Rank> {
  View<S, Rank> out;
};

/// Owns the memory of one pass through a model and, while recording, the way back.
///
/// The same model code serves three uses: on a recording tape it trains; on a plain tape it reads
/// T tokens at once; and with T = 1 it streams. A tape is reused for pass after pass and then
/// allocates nothing. Gradients of parameters accumulate (`+=`).
template <class Scalar>
class Tape {
 public:
  /// A tape whose operations share their work among the threads of `executor`.
  explicit Tape(Executor executor = {}) : executor_(executor) {}

  Executor executor() const noexcept { return executor_; }

  /// The threads and the scratch memory of this tape, for the kernels that its operations call.
  Workspace workspace() noexcept { return {executor_, &arena_}; }

  /// Starts a pass that keeps only values.
  void start() noexcept {
    arena_.clear();
    gradients_.clear();
    last_ = nullptr;
    recording_ = false;
  }

  /// Starts a pass whose gradient by every tensor of `model` will be added to the same tensor of
  /// `gradient`.
  template <Visitable Model>
  void record(const Model& model, Model& gradient) {
    start();
    frozen_ = false;
    derived_.clear();
    recording_ = true;
    also_record(model, gradient);
  }

  /// Lets gradients flow into further tensors: a second model, or a state.
  template <Visitable Values>
  void also_record(const Values& values, Values& gradient) {
    recording_ = true;
    for_each_tensor(
        [&](std::string_view, const auto& v, auto& g) {
          if (v.size() != 0) gradients_.emplace_back(v.data(), g.data());
        },
        values, gradient);
    std::sort(gradients_.begin(), gradients_.end(), by_address);
  }

  bool recording() const noexcept { return recording_; }

  /// Promises that no parameter changes from here on, until the next `record`: what follows from
  /// parameters alone is then computed once and kept from pass to pass.
  void freeze_parameters() noexcept {
    frozen_ = true;
    derived_.clear();
    kept_.clear();
  }

  /// What `fill(Scalar* to)` computes from the parameter `source` and from nothing else.
  template <class Tensor, std::size_t Rank, class Fill>
  Variable<Scalar, int(Rank)> derived(const Tensor& source, const std::array<Index, Rank>& shape,
                                      const Fill& fill) {
    const View<Scalar, int(Rank)> no_gradient(nullptr, shape);
    static constexpr char kind{};  // its address tells what is derived
    for (const Derived& d : derived_)
      if (d.source == source.data() && d.kind == &kind)
        return {this, {d.value, shape}, no_gradient};
    Scalar* const value = frozen_ ? allocate(kept_, shape) : allocate(shape);
    fill(value);
    if (frozen_) derived_.push_back({source.data(), &kind, value});
    return {this, {value, shape}, no_gradient};
  }

  /// The caller's data as the beginning of a computation; it must outlive the pass.
  /// With `gradient` (contiguous), the gradient by the data is added there.
  template <int Rank>
  Variable<Scalar, Rank> input(View<const Scalar, Rank> x, View<Scalar, Rank> gradient = {}) {
    return {this, x, recording_ ? gradient : View<Scalar, Rank>{nullptr, x.shape()}};
  }

  /// Uninitialised room for the result of an operation on `sources`, which are variables or the
  /// answers of `gradient_of`. It has a gradient, zero to begin with, when one of them has.
  template <std::size_t Rank, class... Sources>
  Result<Scalar, int(Rank)> result(const std::array<Index, Rank>& shape,
                                   const Sources&... sources) {
    const View<Scalar, int(Rank)> out(allocate(shape), shape);
    View<Scalar, int(Rank)> gradient(nullptr, shape);
    if (recording_ && (wanted(sources) || ...)) {
      gradient = {allocate(shape), shape};
      std::fill_n(gradient.data(), gradient.size(), Scalar{0});
    }
    return {{this, out, gradient}, out};
  }

  /// Where the gradient by a parameter or a state is summed; null if nobody asked for it.
  template <class Tensor>
  Scalar* gradient_of(const Tensor& x) const {
    const auto found = std::lower_bound(gradients_.begin(), gradients_.end(),
                                        Address{x.data(), nullptr}, by_address);
    return found == gradients_.end() || found->first != x.data() ? nullptr : found->second;
  }

  /// Remembers how to send a gradient back. The closure is kept in the arena, so it may hold
  /// views and numbers but nothing that owns.
  template <class Pullback>
  void on_backward(Pullback pullback) {
    static_assert(std::is_trivially_destructible_v<Pullback>, "a pullback must own nothing");
    if (!recording_) return;
    auto* closure = new (arena_.allocate(sizeof(Pullback))) Pullback(std::move(pullback));
    last_ = new (arena_.allocate(sizeof(Node)))
        Node{[](void* c) { (*static_cast<Pullback*>(c))(); }, closure, last_};
  }

  /// Sends d loss / d loss = 1 back through everything recorded.
  /// \throws ArgumentError  if the loss was not recorded or depends on nothing that has a gradient.
  void backward(const Variable<Scalar, 0>& loss) {
    require(loss.gradient.data() != nullptr, "Tape::backward", "loss",
            "recorded from something with a gradient", "a constant");
    *loss.gradient.data() = 1;
    backward();
  }

  /// Sends back the gradients that the caller has put into results.
  void backward() {
    for (Node* p = last_; p != nullptr; p = p->previous) p->call(p->closure);
  }

  /// Scratch that lives until the next pass.
  template <std::size_t Rank>
  Scalar* allocate(const std::array<Index, Rank>& shape) {
    return allocate(arena_, shape);
  }

  /// Runs a part of a plain pass, keeps its result and takes back its scratch, so that a deep
  /// stack reads a long sequence in the memory of one layer. While recording it only calls `f`.
  template <class F>
  auto tidy(F&& f) {
    const Arena::Mark mark = arena_.mark();
    auto y = f();
    if (recording_) return y;
    SLUICE_ASSERT(y.value.contiguous());
    const Scalar* from = y.value.data();
    arena_.release(mark);
    Scalar* to = allocate(y.shape());
    std::memmove(to, from, sizeof(Scalar) * static_cast<std::size_t>(y.value.size()));
    y.value = {to, y.shape()};
    return y;
  }

  /// Calls y = f() now without recording, and once more on the way back, recorded then: the memory
  /// of a part of a pass for a second time of its computation. `f` must do the same every time,
  /// own nothing, and change nothing but `state`, which outlives the pass.
  template <Visitable State, class F>
  auto recompute(State& state, F f) {
    if (!recording_) return f();
    Scalar* const before = copy_of(state);
    recording_ = false;
    auto y = tidy(f);
    recording_ = true;
    y.gradient = {allocate(y.shape()), y.shape()};
    std::fill_n(y.gradient.data(), y.gradient.size(), Scalar{0});
    on_backward([this, f, s = &state, before, dy = y.gradient] {
      const Arena::Mark mark = arena_.mark();
      Node* const rest = std::exchange(last_, nullptr);
      Scalar* const after = copy_of(*s);
      put_back(before, *s);
      const auto again = f();
      if (again.gradient) {
        std::copy_n(dy.data(), dy.size(), again.gradient.data());
        backward();
      }
      put_back(after, *s);
      last_ = rest;
      arena_.release(mark);
    });
    return y;
  }

  /// Bytes this tape has obtained from the system.
  std::size_t capacity() const noexcept { return arena_.capacity() + kept_.capacity(); }

 private:
  struct Node {
    void (*call)(void*);
    void* closure;
    Node* previous;
  };
  using Address = std::pair<const Scalar*, Scalar*>;
  struct Derived {
    const Scalar* source;
    const void* kind;
    const Scalar* value;
  };

  template <std::size_t Rank>
  static Scalar* allocate(Arena& arena, const std::array<Index, Rank>& shape) {
    const auto n = std::accumulate(shape.begin(), shape.end(), Index{1}, std::multiplies<>{});
    return static_cast<Scalar*>(arena.allocate(sizeof(Scalar) * static_cast<std::size_t>(n)));
  }

  static bool by_address(const Address& a, const Address& b) noexcept {
    return std::less<>{}(a.first, b.first);
  }
  template <int Rank>
  static bool wanted(const Variable<Scalar, Rank>& x) noexcept {
    return static_cast<bool>(x.gradient);
  }
  static bool wanted(const Scalar* gradient) noexcept { return gradient != nullptr; }

  /// All tensors of a state, one behind the other.
  template <class State>
  Scalar* copy_of(const State& state) {
    Index total = 0;
    for_each_tensor([&](std::string_view, const auto& t) { total += t.size(); }, state);
    Scalar* const copy = allocate(std::array<Index, 1>{total});
    Scalar* to = copy;
    for_each_tensor(
        [&](std::string_view, const auto& t) { to = std::copy_n(t.data(), t.size(), to); }, state);
    return copy;
  }
  template <class State>
  static void put_back(const Scalar* from, State& state) {
    for_each_tensor(
        [&](std::string_view, auto& t) {
          std::copy_n(from, t.size(), t.data());
          from += t.size();
        },
        state);
  }

  Executor executor_;
  Arena arena_;
  std::vector<Address> gradients_;
  Node* last_ = nullptr;
  bool recording_ = false;
  Arena kept_;  // of values derived from frozen parameters
  std::vector<Derived> derived_;
  bool frozen_ = false;
};

}  // namespace sluice
