// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/models/.
#pragma once

#include <sluice/models/forecasting.hpp>
#include <sluice/models/language.hpp>
#include <sluice/models/stream.hpp>
