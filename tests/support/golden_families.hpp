// SPDX-License-Identifier: MIT
/// \file
/// The checks of golden cases: for every family what runs all forms of an operator, in float and
/// double, and reports how far each is from the reference. Each lies in a source of its own.
///
/// They throw what reading the case throws, and `NotAvailable` for a case that asks for something
/// that does not exist yet.
#pragma once

#include "support/golden_case.hpp"
#include "support/golden_report.hpp"

#include <filesystem>

namespace sluice::testing {

namespace golden_attention {
void check(const GoldenCase& c, Report& report);
}
namespace golden_conv {
void check(const GoldenCase& c, Report& report);
}
namespace golden_gla {
void check(const GoldenCase& c, Report& report);
}
namespace golden_layers {
void layer_norm(const GoldenCase& c, Report& report);
void rms_norm(const GoldenCase& c, Report& report);
void gated_rms_norm(const GoldenCase& c, Report& report);
void swiglu(const GoldenCase& c, Report& report);
void geglu(const GoldenCase& c, Report& report);
}  // namespace golden_layers
namespace golden_models {
void check(const std::filesystem::path& folder, Report& report);
}
namespace golden_ssd {
void check(const GoldenCase& c, Report& report);
}
namespace golden_ssm {
void check(const GoldenCase& c, Report& report);
}

}  // namespace sluice::testing
