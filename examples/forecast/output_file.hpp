// SPDX-License-Identifier: MIT
/// \file
/// Files that are whole or not there: written beside their place, then renamed.
#pragma once

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include <unistd.h>

namespace forecast {

/// Lets `write` make the file under a temporary name in the same folder, and renames it when that
/// has succeeded. Whatever happens, a half-written file is never left under the final name.
template <class Write>
void write_whole(const std::filesystem::path& path, Write&& write) {
  std::filesystem::path temporary = path.parent_path();
  temporary /= "." + path.stem().string() + "-" + std::to_string(::getpid()) +
               path.extension().string();  // the ending stays: writers may go by it
  try {
    write(temporary);
    std::filesystem::rename(temporary, path);
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw;
  }
}

/// Writes a text file whole.
inline void write_text(const std::filesystem::path& path, const std::string& text) {
  write_whole(path, [&](const std::filesystem::path& temporary) {
    std::ofstream out(temporary, std::ios::binary);
    out << text;
    if (!out.flush())
      throw std::runtime_error(path.string() + ": cannot be written (is the disk full?)");
  });
}

}  // namespace forecast
