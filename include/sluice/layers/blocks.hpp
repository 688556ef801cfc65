// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/layers/blocks/.
#pragma once

#include <sluice/layers/blocks/block.hpp>
#include <sluice/layers/blocks/branch.hpp>
#include <sluice/layers/blocks/checkpoint.hpp>
#include <sluice/layers/blocks/mamba_block.hpp>
#include <sluice/layers/blocks/stack.hpp>
#include <sluice/layers/blocks/transformer_block.hpp>
#include <sluice/layers/blocks/wiring.hpp>
