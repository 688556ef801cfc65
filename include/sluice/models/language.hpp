// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/models/language/.
#pragma once

#include <sluice/models/language/causal_lm.hpp>
#include <sluice/models/language/gla_lm.hpp>
#include <sluice/models/language/mamba2_lm.hpp>
#include <sluice/models/language/mamba_backbone.hpp>
#include <sluice/models/language/mamba_lm.hpp>
