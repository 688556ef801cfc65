// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/kernels/activation/.
#pragma once

#include <sluice/kernels/activation/activation.hpp>
#include <sluice/kernels/activation/function.hpp>
#include <sluice/kernels/activation/functions.hpp>
#include <sluice/kernels/activation/kind.hpp>
