// SPDX-License-Identifier: MIT
/// \file
/// Contracts between the parts of sluice, checked in debug builds only.
#pragma once

#include <cassert>

/// Guards an inner contract; a breach is a defect of sluice or of a caller that bypassed its
/// checks.
#define SLUICE_ASSERT(condition) assert(condition)
