// SPDX-License-Identifier: MIT
/// \file
/// Every family registers its rows, named family/form/scalar with named arguments.
#pragma once

namespace sluice::bench {

void register_simd();
void register_product();
void register_gla(int threads);
void register_ssm(int threads);
void register_ssd(int threads);
void register_conv(int threads);
void register_linear(int threads);
void register_norm();
void register_block(int threads);
void register_model(int threads);
void register_long();
void register_torch();  ///< none without LibTorch

}  // namespace sluice::bench
