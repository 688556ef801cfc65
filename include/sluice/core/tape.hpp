// SPDX-License-Identifier: MIT
/// \file
/// One pass through a model: its memory and, while recording, the way back.
#pragma once

#include <sluice/core/arena.hpp>
#include <sluice/core/detail/derived.hpp>
#include <sluice/core/detail/gradients.hpp>
#include <sluice/core/detail/memories.hpp>
#include <sluice/core/each_row.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/executor.hpp>
#include <sluice/core/fields.hpp>
#include <sluice/core/random.hpp>
#include <sluice/core/sequences.hpp>
#include <sluice/core/variable.hpp>
#include <sluice/core/workspace.hpp>

#include <algorithm>
#include <concepts>
#include <cstring>
#include <functional>
#include <numeric>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace sluice {

namespace detail {
template <class Scalar>
class Recomputation;
}  // namespace detail

/// Owns the memory of one pass through a model and, while recording, the way back.
///
/// The same model code serves three uses: on a recording tape it trains; on a plain tape it reads
/// T tokens at once; and with T = 1 it streams. A tape is reused for pass after pass and then
/// allocates nothing. Gradients of parameters accumulate (`+=`). It stays where it is made, because
/// variables point to it.
///
/// What a pass is, it is told after `start` or `record`, in any order, and forgets at the next:
/// `also_record` more tensors, `train` with random numbers, `pack` several sequences into one row.
template <class Scalar>
class Tape {
 public:
  /// A tape whose operations share their work among the threads of `executor`.
  explicit Tape(Executor executor = {}) : executor_(executor) {}
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  Executor executor() const noexcept { return executor_; }

  /// The threads and the scratch memory of this tape, for the kernels that its operations call.
  Workspace workspace() noexcept { return {executor_, &arena_}; }

  /// Starts a pass that keeps only values.
  void start() noexcept {
    arena_.clear();
    gradients_.clear();
    memories_.clear();
    derived_.next_pass();
    sequences_ = {};
    last_ = nullptr;
    recording_ = training_ = walked_ = false;
  }

  /// Starts a pass that keeps the way back, to the gradients by inputs and whatever `also_record`
  /// names.
  void record() noexcept {
    start();
    recording_ = true;
  }

  /// The same, and the gradient by every tensor of `model` will be added to the same tensor of
  /// `gradient`.
  /// \throws ShapeError  unless `gradient` has the structure of `model`.
  template <Visitable Model>
  void record(const Model& model, Model& gradient) {
    record();
    also_record(model, gradient);
  }
  template <Visitable Model>
  void record(const Model&& model, Model& gradient) = delete;  // would dangle

  /// Lets gradients flow into further tensors: a second model, or a state. Integers have none.
  /// \throws ShapeError     unless `gradient` has the structure of `values`.
  /// \throws ArgumentError  if one of the tensors has a gradient in this pass already.
  template <Visitable Values>
  void also_record(const Values& values, Values& gradient) {
    require_structure("Tape::record", values, gradient);
    for_each_tensor(
        [&](const Place& place, const auto& v) {
          if constexpr (is_scalar<decltype(v)>)
            require(gradient_of(v) == nullptr, "Tape::record", place.name, "recorded once",
                    "a second gradient by it");
        },
        values);
    recording_ = true;
    for_each_tensor(
        [&](std::string_view, const auto& v, auto& g) {
          if constexpr (is_scalar<decltype(v)>)
            if (v.size() != 0) gradients_.add(v.data(), g.data());
        },
        values, gradient);
    gradients_.sort();
  }
  template <Visitable Values>
  void also_record(const Values&& values, Values& gradient) = delete;  // would dangle

  bool recording() const noexcept { return recording_; }

  /// Turns on, for this pass, what is random in training: dropout, drop-path, noise. It is drawn
  /// from a copy of `draws`; take another for every pass, as `rng.split(step)` gives it.
  void train(const Rng& draws) noexcept {
    training_ = true;
    draws_ = draws;
  }

  /// Whether the pass is one of training; independent of whether it is recorded.
  bool training() const noexcept { return training_; }

  /// The random numbers of this pass. Recomputation replays them.
  Rng& draws() noexcept { return draws_; }

  /// Says that the one batch row of this pass holds several sequences, which begin at
  /// `cu_seqlens` = [0, ..., T]. A state then has a row for each of them. Copied.
  void pack(std::span<const Index> cu_seqlens) {
    if (cu_seqlens.empty()) return void(sequences_ = {});
    auto* const copy = static_cast<Index*>(arena_.allocate(sizeof(Index) * cu_seqlens.size()));
    std::copy(cu_seqlens.begin(), cu_seqlens.end(), copy);
    sequences_ = {copy, cu_seqlens.size()};
  }

  /// Where the packed sequences begin; empty if rows of the batch are the sequences.
  std::span<const Index> cu_seqlens() const noexcept { return sequences_; }

  /// What `fill(Scalar* to)` computes from the parameter `source` and from nothing else; kept from
  /// pass to pass while the parameter does not change. It has no gradient.
  template <class Tensor, std::size_t Rank, class Fill>
  Variable<Scalar, int(Rank)> derived(const Tensor& source, const std::array<Index, Rank>& shape,
                                      const Fill& fill) {
    static char kind;  // its address tells what is derived; linkers may share constants
    const auto n = static_cast<std::size_t>(source.size());
    return {this,
            {derived_.get(source.data(), n, &kind, elements(shape), fill), shape},
            {nullptr, shape}};
  }

  /// The caller's data as the beginning of a computation; it must outlive the pass.
  /// With a `gradient` of the same shape, the gradient by the data is added there.
  /// \throws ShapeError  if the shapes differ.
  template <int Rank>
  Variable<Scalar, Rank> input(const View<const Scalar, Rank>& x,
                               const View<Scalar, Rank>& gradient = {}) {
    if (gradient)
      require_shape("Tape::input", "gradient", gradient.shape(), x.shape(), "to match x");
    return {this, x, recording_ && gradient ? gradient : View<Scalar, Rank>(nullptr, x.shape())};
  }
  template <int Rank>
  Variable<Scalar, Rank> input(const View<Scalar, Rank>& x,
                               const View<Scalar, Rank>& gradient = {}) {
    return input(View<const Scalar, Rank>(x), gradient);
  }
  template <OwningTensor X>
  requires(std::is_lvalue_reference_v<X>) auto input(X&& x) {
    return input(View<const Scalar, std::remove_cvref_t<X>::NumDimensions>(x));
  }
  template <OwningTensor X>
  auto input(const X& x, X& gradient) {
    return input(View<const Scalar, X::NumDimensions>(x), View<Scalar, X::NumDimensions>(gradient));
  }

  /// Uninitialised room for the result of an operation on `sources`: variables, or addresses of
  /// gradients. It has a gradient, zero to begin with, when one of them has.
  template <std::size_t Rank, class... Sources>
  Result<Scalar, int(Rank)> result(const std::array<Index, Rank>& shape,
                                   const Sources&... sources) {
    const View<Scalar, int(Rank)> out(allocate(shape), shape);
    View<Scalar, int(Rank)> gradient(nullptr, shape);
    if (recording_ && (wanted(sources) || ...)) gradient = {zeros(elements(shape)), shape};
    return {{this, out, gradient}, out};
  }

  /// Where the gradient by a parameter is summed; null if nobody asked for it.
  template <class Tensor>
  Scalar* gradient_of(const Tensor& x) const noexcept {
    return gradients_.find(x.data());
  }

  /// Where the gradient by a state comes together: at first by its contents now, and after the
  /// operation's part of the way back by those before it. Null while nobody wants it. With
  /// `wanted`, somebody does.
  Scalar* memory_gradient(const Scalar* state, std::size_t size, bool wanted) {
    if (!recording_) return nullptr;
    if (const auto* known = memories_.find(state); known && known->size == size) {
      if (known->unchanged()) return known->gradient;
    } else if (Scalar* const asked = gradients_.find(state)) {
      return asked;
    }
    return wanted ? zeros(size) : nullptr;
  }

  /// Tells that an operation has written a state, and where the gradient by its contents now comes
  /// together.
  void remember(const Scalar* state, std::size_t size, Scalar* gradient) {
    if (gradient == nullptr || size == 0) return;
    auto* const content = static_cast<Scalar*>(arena_.allocate(sizeof(Scalar) * size));
    std::copy_n(state, size, content);
    memories_.set({state, size, gradient, content});
  }

  /// Lets the next call that reads a state begin anew, even if it finds the state as the last call
  /// has left it.
  template <Visitable State>
  void forget(const State& state) {
    for_each_tensor(
        [&](std::string_view, const auto& t) {
          if constexpr (is_scalar<decltype(t)>) memories_.erase(t.data());
        },
        state);
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

  /// Sends d loss / d loss = 1 back through everything recorded, once.
  /// \throws ArgumentError  if the loss was not recorded, depends on nothing that has a gradient,
  ///                        or if the pass has been walked back before.
  void backward(const Variable<Scalar, 0>& loss) {
    require(loss.gradient.data() != nullptr, "Tape::backward", "loss",
            "recorded from something with a gradient", "a constant");
    require(!walked_, "Tape::backward", "the pass", "walked back only once", "a second call");
    *loss.gradient.data() = 1;
    backward();
  }

  /// Sends back the gradients that the caller has put into results, once.
  /// \throws ArgumentError  if the pass has been walked back before: gradients would count twice.
  void backward() {
    require(!walked_, "Tape::backward", "the pass", "walked back only once", "a second call");
    walked_ = true;
    walk_back();
  }

  /// Scratch that lives until the next pass.
  template <std::size_t Rank>
  Scalar* allocate(const std::array<Index, Rank>& shape) {
    return static_cast<Scalar*>(arena_.allocate(sizeof(Scalar) * elements(shape)));
  }

  /// Runs a part of a plain pass, keeps its result and takes back its scratch, so that a deep
  /// stack reads a long sequence in the memory of one layer. While recording it only calls `f`.
  template <class F>
  auto tidy(F&& f) {
    const Arena::Mark mark = arena_.mark();
    auto y = f();
    if (recording_) return y;
    const Scalar* from = y.value.data();
    if (!y.value.contiguous()) {  // gathered behind the scratch first, which its rows lie in
      const View<Scalar, std::remove_cvref_t<decltype(y.value)>::rank> whole(allocate(y.shape()),
                                                                             y.shape());
      const Index n = row_length(y.value);
      for_each_row([n](const Scalar* row, Scalar* to) { std::copy_n(row, n, to); }, y.value, whole);
      from = whole.data();
    }
    arena_.release(mark);
    Scalar* const to = allocate(y.shape());
    if (elements(y.shape()) != 0) std::memmove(to, from, sizeof(Scalar) * elements(y.shape()));
    y.value = {to, y.shape()};
    return y;
  }

  /// Calls y = f() now without recording, and once more on the way back, recorded then: the memory
  /// of a part of a pass for a second time of its computation. Random draws are replayed. `f` must
  /// do the same every time, own nothing, and change nothing but `state`, which outlives the pass.
  ///
  /// \throws ArgumentError  if f changes the sizes of the state. Whatever is thrown, the tape and,
  ///                        unless its sizes have changed, the state are as before.
  template <Visitable State, class F>
  auto recompute(State& state, F f) {
    return detail::Recomputation<Scalar>::run(*this, state, f);
  }

  /// Bytes this tape has obtained from the system for passes.
  std::size_t capacity() const noexcept { return arena_.capacity(); }

 private:
  friend class detail::Recomputation<Scalar>;

  struct Node {
    void (*call)(void*);
    void* closure;
    Node* previous;
  };

  /// Whether a tensor holds what has gradients, and no integers.
  template <class T>
  static constexpr bool is_scalar = std::same_as<typename std::remove_cvref_t<T>::Scalar, Scalar>;

  template <std::size_t Rank>
  static std::size_t elements(const std::array<Index, Rank>& shape) noexcept {
    return static_cast<std::size_t>(
        std::accumulate(shape.begin(), shape.end(), Index{1}, std::multiplies<>{}));
  }

  Scalar* zeros(std::size_t n) {
    auto* const room = static_cast<Scalar*>(arena_.allocate(sizeof(Scalar) * n));
    std::fill_n(room, n, Scalar{0});
    return room;
  }

  template <int Rank>
  static bool wanted(const Variable<Scalar, Rank>& x) noexcept {
    return static_cast<bool>(x.gradient);
  }
  static bool wanted(const Scalar* gradient) noexcept { return gradient != nullptr; }

  void walk_back() {
    for (Node* p = last_; p != nullptr; p = p->previous) p->call(p->closure);
  }

  Executor executor_;
  Arena arena_;
  detail::Gradients<Scalar> gradients_;
  detail::Memories<Scalar> memories_;
  detail::DerivedValues<Scalar> derived_;
  std::span<const Index> sequences_;
  Rng draws_{0};
  Node* last_ = nullptr;
  bool recording_ = false, training_ = false, walked_ = false;
};

}  // namespace sluice

#include <sluice/core/detail/recomputation.hpp>  // defines what Tape::recompute calls
