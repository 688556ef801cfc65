// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/parallel/.
#pragma once

#include <sluice/parallel/eigen_pool.hpp>
#include <sluice/parallel/fork.hpp>
#include <sluice/parallel/job.hpp>
#include <sluice/parallel/thread_team.hpp>
