// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/core/.
#pragma once

#include <sluice/core/arena.hpp>
#include <sluice/core/assert.hpp>
#include <sluice/core/compiled.hpp>
#include <sluice/core/each_row.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/executor.hpp>
#include <sluice/core/fields.hpp>
#include <sluice/core/ids.hpp>
#include <sluice/core/operation.hpp>
#include <sluice/core/parameter.hpp>
#include <sluice/core/random.hpp>
#include <sluice/core/sequences.hpp>
#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/core/variable.hpp>
#include <sluice/core/version.hpp>
#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>
