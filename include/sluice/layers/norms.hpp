// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/layers/norms/.
#pragma once

#include <sluice/layers/norms/layer_norm.hpp>
#include <sluice/layers/norms/rms_norm.hpp>
