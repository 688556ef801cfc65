// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/models/forecasting/.
#pragma once

#include <sluice/models/forecasting/forecaster.hpp>
