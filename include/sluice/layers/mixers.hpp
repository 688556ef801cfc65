// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/layers/mixers/.
#pragma once

#include <sluice/layers/mixers/gated_linear_attention.hpp>
#include <sluice/layers/mixers/heads.hpp>
#include <sluice/layers/mixers/linear_attention.hpp>
#include <sluice/layers/mixers/mamba.hpp>
#include <sluice/layers/mixers/mamba2.hpp>
#include <sluice/layers/mixers/mamba_family.hpp>
#include <sluice/layers/mixers/own_past.hpp>
#include <sluice/layers/mixers/recent_rows.hpp>
#include <sluice/layers/mixers/retention.hpp>
#include <sluice/layers/mixers/short_convolution.hpp>
