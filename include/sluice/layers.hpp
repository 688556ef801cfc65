// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/layers/.
#pragma once

#include <sluice/layers/blocks.hpp>
#include <sluice/layers/embeddings.hpp>
#include <sluice/layers/feed_forward.hpp>
#include <sluice/layers/gates.hpp>
#include <sluice/layers/layer.hpp>
#include <sluice/layers/mixers.hpp>
#include <sluice/layers/norms.hpp>
