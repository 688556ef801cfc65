// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/kernels/.
#pragma once

#include <sluice/kernels/activation.hpp>
#include <sluice/kernels/attention.hpp>
#include <sluice/kernels/common.hpp>
#include <sluice/kernels/conv.hpp>
#include <sluice/kernels/dropout.hpp>
#include <sluice/kernels/elementwise.hpp>
#include <sluice/kernels/gather.hpp>
#include <sluice/kernels/gla.hpp>
#include <sluice/kernels/heads.hpp>
#include <sluice/kernels/linear.hpp>
#include <sluice/kernels/loss.hpp>
#include <sluice/kernels/matmul.hpp>
#include <sluice/kernels/norm.hpp>
#include <sluice/kernels/permute.hpp>
#include <sluice/kernels/reduce.hpp>
#include <sluice/kernels/rotary.hpp>
#include <sluice/kernels/softmax.hpp>
#include <sluice/kernels/ssd.hpp>
#include <sluice/kernels/ssm.hpp>
