// SPDX-License-Identifier: MIT
#include "../support/race.hpp"
#include "peers.hpp"
#include "torch.hpp"

#include <cmath>
#include <map>
#include <memory>

namespace sluice::bench::libtorch {

namespace {

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  return x * at::rsqrt(x.square().mean(-1, true) + eps) * weight;
}

/// The block on the weights of ours, under their names.
class Block {
 public:
  Block(BlockProblem& p, Index chunk)
      : config_(p.block.mix.inner.config), chunk_(chunk), x_(leaf(p.x)), dy_(shared(p.dy)) {
    for_each_tensor(
        [&](std::string_view name, auto& w) { weights_.emplace(std::string(name), leaf(w)); },
        p.block);
  }

  /// Forward, then back to every weight and to x, whose gradients are added to, as are ours.
  void step() { forward().backward(dy_); }

  const at::Tensor& x() const { return x_; }
  const at::Tensor& weight(const std::string& name) const { return weights_.at(name); }

 private:
  at::Tensor linear(const std::string& name, const at::Tensor& x) const {
    return at::linear(x, weight(name + ".weight"));
  }
  at::Tensor norm(const std::string& name, const at::Tensor& x) const {
    return rms_norm(x, weight(name + ".weight"), config_.norm_eps);
  }

  at::Tensor mixer(const at::Tensor& x) const {
    const auto heads = [&](const at::Tensor& y) {
      return y.view({y.size(0), y.size(1), config_.num_heads, -1});
    };
    const auto q = heads(linear("attn.q_proj", x));
    const auto logits = at::linear(linear("attn.gk_proj.0", x), weight("attn.gk_proj.1.weight"),
                                   weight("attn.gk_proj.1.bias"));
    const auto g = heads(at::log_sigmoid(logits)) / config_.gate_logit_normalizer;
    const auto o = chunkwise(q, heads(linear("attn.k_proj", x)), heads(linear("attn.v_proj", x)), g,
                             1 / std::sqrt(double(q.size(3))), chunk_);
    const auto gate = at::silu(heads(linear("attn.g_proj", x)));
    return linear("attn.o_proj", (norm("attn.g_norm_swish_gate", o) * gate).flatten(2));
  }

  at::Tensor forward() const {
    const auto h = x_ + mixer(norm("attn_norm", x_));
    const auto m = norm("mlp_norm", h);
    return h +
           linear("mlp.down_proj", at::silu(linear("mlp.gate_proj", m)) * linear("mlp.up_proj", m));
  }

  GatedLinearAttentionConfig config_;
  Index chunk_;
  at::Tensor x_, dy_;
  std::map<std::string, at::Tensor> weights_;
};

}  // namespace

Peer block_step(BlockProblem& p) {
  use_one_thread();
  set_zero(p.gradient), p.dx.setZero();
  p.step();
  std::vector<Peer> candidates;
  for (const Index chunk : chunks(p.shape.T)) {
    const auto block = std::make_shared<Block>(p, chunk);
    block->step();
    require_same("gradient of the block to x", block->x().grad(), p.dx);
    for_each_tensor(
        [&](std::string_view name, const auto& ours) {
          const std::string text(name);
          require_same("gradient of the block to " + text, block->weight(text).grad(), ours);
        },
        p.gradient);
    candidates.push_back([block] { block->step(); });
  }
  return fastest(candidates);
}

}  // namespace sluice::bench::libtorch
