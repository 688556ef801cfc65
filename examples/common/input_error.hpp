// SPDX-License-Identifier: MIT
/// \file
/// What the user can mend.
#pragma once

#include <stdexcept>

namespace examples {

/// The command line or a file is not usable. The message says which and why; the program answers
/// with exit code 2.
struct InputError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace examples
