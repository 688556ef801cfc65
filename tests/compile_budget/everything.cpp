// SPDX-License-Identifier: MIT
// The umbrella header alone.
#include <sluice/sluice.hpp>
