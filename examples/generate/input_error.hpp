// SPDX-License-Identifier: MIT
/// \file
/// What the user can mend.
#pragma once

#include <stdexcept>

namespace generate {

/// The command line, the folder or one of its files is not usable. The message says which and why;
/// the program answers with exit code 2.
struct InputError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace generate
