// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/layers/feed_forward/.
#pragma once

#include <sluice/layers/feed_forward/gated_feed_forward.hpp>
#include <sluice/layers/feed_forward/linear.hpp>
