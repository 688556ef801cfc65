// SPDX-License-Identifier: MIT
/// \file
/// All of sluice but `io`, for examples and first contact. Programs that care for compile time
/// include what they use.
#pragma once

#include <sluice/core/arena.hpp>
#include <sluice/core/assert.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/executor.hpp>
#include <sluice/core/fields.hpp>
#include <sluice/core/random.hpp>
#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/core/version.hpp>
#include <sluice/core/view.hpp>
#include <sluice/parallel/eigen_pool.hpp>
#include <sluice/parallel/thread_team.hpp>
#include <sluice/simd/batch.hpp>
