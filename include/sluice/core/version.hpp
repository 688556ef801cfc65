// SPDX-License-Identifier: MIT
/// \file
/// The version of sluice, for the preprocessor.
#pragma once

#define SLUICE_VERSION_MAJOR 0
#define SLUICE_VERSION_MINOR 1
#define SLUICE_VERSION_PATCH 0
