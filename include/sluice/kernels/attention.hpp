// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/kernels/attention/.
#pragma once

#include <sluice/kernels/attention/backward.hpp>
#include <sluice/kernels/attention/forward.hpp>
#include <sluice/kernels/attention/naive.hpp>
#include <sluice/kernels/attention/naive_backward.hpp>
#include <sluice/kernels/attention/types.hpp>
