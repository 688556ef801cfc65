// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/kernels/norm/.
#pragma once

#include <sluice/kernels/norm/gated_rms_norm.hpp>
#include <sluice/kernels/norm/layer_norm.hpp>
#include <sluice/kernels/norm/rms_norm.hpp>
