// SPDX-License-Identifier: MIT
/// \file
/// The short causal convolution, in every form.
#pragma once

#include <sluice/kernels/conv/backward.hpp>
#include <sluice/kernels/conv/forward.hpp>
#include <sluice/kernels/conv/naive.hpp>
#include <sluice/kernels/conv/naive_backward.hpp>
#include <sluice/kernels/conv/types.hpp>
