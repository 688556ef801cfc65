// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/kernels/heads/.
#pragma once

#include <sluice/kernels/heads/repeat.hpp>
