// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/simd/.
#pragma once

#include <sluice/simd/batch.hpp>
#include <sluice/simd/erf.hpp>
#include <sluice/simd/exp.hpp>
#include <sluice/simd/exp2.hpp>
#include <sluice/simd/fence.hpp>
#include <sluice/simd/gemm.hpp>
#include <sluice/simd/inline.hpp>
#include <sluice/simd/log.hpp>
#include <sluice/simd/math.hpp>
#include <sluice/simd/sqrt.hpp>
#include <sluice/simd/stream.hpp>
#include <sluice/simd/sums.hpp>
#include <sluice/simd/transpose.hpp>
#include <sluice/simd/trigonometry.hpp>
