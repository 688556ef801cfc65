// SPDX-License-Identifier: MIT
/// \file
/// The selective scan and the elementwise gated recurrence, in every form.
#pragma once

#include <sluice/kernels/ssm/backward.hpp>
#include <sluice/kernels/ssm/chunkwise.hpp>
#include <sluice/kernels/ssm/forward.hpp>
#include <sluice/kernels/ssm/naive.hpp>
#include <sluice/kernels/ssm/naive_backward.hpp>
#include <sluice/kernels/ssm/poles.hpp>
#include <sluice/kernels/ssm/recurrent.hpp>
#include <sluice/kernels/ssm/types.hpp>
