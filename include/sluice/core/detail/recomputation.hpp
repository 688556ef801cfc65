// SPDX-License-Identifier: MIT
/// \file
/// A part of a pass that is computed twice: once for its values, once more for its gradients.
#pragma once

#include <sluice/core/detail/snapshot.hpp>
#include <sluice/core/tape.hpp>

#include <memory>
#include <span>
#include <string_view>

namespace sluice::detail {

/// See `Tape::recompute`.
template <class Scalar>
class Recomputation {
 public:
  template <class State, class F>
  static auto run(Tape<Scalar>& tape, State& state, F f) {
    if (!tape.recording_) return f();
    const Snapshot before(tape.arena_, state);
    const Rng draws = tape.draws_;
    const auto gradients = memory_gradients(tape, state);
    auto y = plain(tape, state, f, before);
    require(before.fits(state), "Tape::recompute", "the state", "of the sizes it had before f",
            "others");
    y.gradient = {tape.zeros(tape.elements(y.shape())), y.shape()};
    remember(tape, state, gradients);
    tape.on_backward([f, t = &tape, s = &state, before, draws, gradients, packed = tape.sequences_,
                      dy = y.gradient] {
      const Replay<State> replay(*t, *s, draws, packed);
      before.put_back(*s);
      remember(*t, *s, gradients);
      const auto again = f();
      if (!again.gradient) return;
      const Index n = row_length(dy);
      for_each_row(
          [n](const Scalar* from, Scalar* to) {
            for (Index i = 0; i < n; ++i) to[i] += from[i];
          },
          dy, again.gradient);
      t->walk_back();
    });
    return y;
  }

 private:
  /// f() without recording. If it throws, tape and state are as before.
  template <class State, class F>
  static auto plain(Tape<Scalar>& tape, State& state, const F& f, const Snapshot& before) {
    struct Pause {
      Tape<Scalar>& tape;
      ~Pause() { tape.recording_ = true; }
    } pause{tape};
    const Rng draws = tape.draws_;
    tape.recording_ = false;
    try {
      return tape.tidy(f);
    } catch (...) {
      if (before.fits(state)) before.put_back(state);
      tape.draws_ = draws;
      throw;
    }
  }

  /// The second time. When it ends, tape and state are as they were.
  template <class State>
  class Replay {
   public:
    Replay(Tape<Scalar>& tape, State& state, const Rng& first_draws, std::span<const Index> packed)
        : tape_(tape),
          state_(state),
          mark_(tape.arena_.mark()),
          last_(tape.last_),
          draws_(tape.draws_),
          sequences_(tape.sequences_),
          after_(tape.arena_, state) {
      const auto& entries = tape.memories_.entries();
      auto* const copy =
          static_cast<Memory*>(tape.arena_.allocate(sizeof(Memory) * entries.size()));
      std::uninitialized_copy(entries.begin(), entries.end(), copy);
      memories_ = {copy, entries.size()};
      tape.last_ = nullptr;
      tape.draws_ = first_draws;
      tape.sequences_ = packed;
    }
    ~Replay() {
      if (after_.fits(state_)) after_.put_back(state_);
      tape_.memories_.restore(memories_.data(), memories_.size());
      tape_.draws_ = draws_;
      tape_.sequences_ = sequences_;
      tape_.last_ = last_;
      tape_.arena_.release(mark_);
    }
    Replay(const Replay&) = delete;
    Replay& operator=(const Replay&) = delete;

   private:
    using Memory = typename Memories<Scalar>::Entry;

    Tape<Scalar>& tape_;
    State& state_;
    Arena::Mark mark_;
    typename Tape<Scalar>::Node* last_;
    Rng draws_;
    std::span<const Index> sequences_;
    Snapshot after_;
    std::span<Memory> memories_;
  };

  /// Where the gradients by the tensors of a state come together; null for integers.
  template <class State>
  static std::span<Scalar* const> memory_gradients(Tape<Scalar>& tape, const State& state) {
    std::size_t count = 0;
    for_each_tensor([&](std::string_view, const auto&) { ++count; }, state);
    auto** const gradients = static_cast<Scalar**>(tape.arena_.allocate(sizeof(Scalar*) * count));
    Scalar** next = gradients;
    for_each_tensor(
        [&](std::string_view, const auto& t) {
          *next = nullptr;
          if constexpr (Tape<Scalar>::template is_scalar<decltype(t)>)
            *next = tape.memory_gradient(t.data(), static_cast<std::size_t>(t.size()), true);
          ++next;
        },
        state);
    return {gradients, count};
  }

  template <class State>
  static void remember(Tape<Scalar>& tape, const State& state, std::span<Scalar* const> gradients) {
    const auto* gradient = gradients.data();
    for_each_tensor(
        [&](std::string_view, const auto& t) {
          if constexpr (Tape<Scalar>::template is_scalar<decltype(t)>)
            tape.remember(t.data(), static_cast<std::size_t>(t.size()), *gradient);
          ++gradient;
        },
        state);
  }
};

}  // namespace sluice::detail
