// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/ops/.
#pragma once

#include <sluice/ops/activation.hpp>
#include <sluice/ops/arithmetic.hpp>
#include <sluice/ops/broadcast.hpp>
#include <sluice/ops/concat.hpp>
#include <sluice/ops/copy.hpp>
#include <sluice/ops/dropout.hpp>
#include <sluice/ops/gated_linear_attention.hpp>
#include <sluice/ops/gather.hpp>
#include <sluice/ops/heads.hpp>
#include <sluice/ops/linear.hpp>
#include <sluice/ops/loss.hpp>
#include <sluice/ops/matmul.hpp>
#include <sluice/ops/norm.hpp>
#include <sluice/ops/normalised_linear_attention.hpp>
#include <sluice/ops/packing.hpp>
#include <sluice/ops/pad.hpp>
#include <sluice/ops/permute.hpp>
#include <sluice/ops/poles.hpp>
#include <sluice/ops/reduce.hpp>
#include <sluice/ops/reshape.hpp>
#include <sluice/ops/rotary.hpp>
#include <sluice/ops/selective_scan.hpp>
#include <sluice/ops/short_convolution.hpp>
#include <sluice/ops/slice.hpp>
#include <sluice/ops/softmax.hpp>
#include <sluice/ops/softmax_attention.hpp>
#include <sluice/ops/state_space_duality.hpp>
#include <sluice/ops/stop_gradient.hpp>
#include <sluice/ops/weighted_sum.hpp>
