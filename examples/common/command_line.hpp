// SPDX-License-Identifier: MIT
/// \file
/// Command lines by CLI11, as all examples treat them.
#pragma once

#include "input_error.hpp"

#include <CLI/CLI.hpp>

#include <string>

namespace examples {

/// A check of a number that --help does not print: the bounds are said when it matters.
template <class Number>
CLI::Validator within(Number least, Number most) {
  return CLI::Range(least, most).description("");
}

/// Whether there is something to do: not when the program has already answered (--help).
/// \throws InputError  if the command line makes no sense.
inline bool parse(CLI::App& app, int argc, const char* const* argv) {
  try {
    app.parse(argc, argv);
    return true;
  } catch (const CLI::Success& answer) {
    app.exit(answer);
    return false;
  } catch (const CLI::ParseError& e) {
    throw InputError(std::string(e.what()) + " (--help shows all options)");
  }
}

}  // namespace examples
