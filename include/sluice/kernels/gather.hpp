// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/kernels/gather/.
#pragma once

#include <sluice/kernels/gather/gather.hpp>
