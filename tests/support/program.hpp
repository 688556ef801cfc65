// SPDX-License-Identifier: MIT
/// \file
/// A program run from outside.
#pragma once

#include "support/catch.hpp"

#include <array>
#include <cstddef>
#include <cstdio>
#include <string>

#include <sys/wait.h>

namespace sluice::testing {

struct Answer {
  int code;
  std::string text;  ///< of stdout and stderr
};

/// \param arguments  as a shell takes them.
inline Answer run_program(const std::string& program, const std::string& arguments) {
  std::FILE* pipe = ::popen(("'" + program + "' " + arguments + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  Answer answer{0, {}};
  std::array<char, 4096> piece;
  while (const std::size_t n = std::fread(piece.data(), 1, piece.size(), pipe))
    answer.text.append(piece.data(), n);
  const int status = ::pclose(pipe);
  answer.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return answer;
}

/// The program says what needs mending, under its name, and ends with 2.
inline void check_refused(const std::string& name, const Answer& answer,
                          const std::string& message) {
  CAPTURE(answer.text, message);
  CHECK(answer.code == 2);
  CHECK(answer.text.find(name + ": ") == 0);
  CHECK(answer.text.find(message) != std::string::npos);
}

}  // namespace sluice::testing
