// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/layers/gates/.
#pragma once

#include <sluice/layers/gates/add.hpp>
