// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/train/.
#pragma once

#include <sluice/train/adamw.hpp>
#include <sluice/train/clip.hpp>
#include <sluice/train/decay.hpp>
#include <sluice/train/ema.hpp>
#include <sluice/train/learned.hpp>
#include <sluice/train/schedule.hpp>
#include <sluice/train/sgd.hpp>
