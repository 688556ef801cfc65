// SPDX-License-Identifier: MIT
/// \file
/// Gated linear attention and its special cases, in every form.
#pragma once

#include <sluice/kernels/gla/backward.hpp>
#include <sluice/kernels/gla/blocked.hpp>
#include <sluice/kernels/gla/chunkwise.hpp>
#include <sluice/kernels/gla/forward.hpp>
#include <sluice/kernels/gla/naive.hpp>
#include <sluice/kernels/gla/naive_backward.hpp>
#include <sluice/kernels/gla/normaliser.hpp>
#include <sluice/kernels/gla/recurrent.hpp>
#include <sluice/kernels/gla/types.hpp>
