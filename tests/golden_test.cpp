// SPDX-License-Identifier: MIT
/// \file
/// Checks every form of every operator against numbers computed by independent implementations.
///
/// The cases are the files `*.safetensors` and the folders `hf_*` of the directory in the
/// environment variable SLUICE_GOLDEN_DIR, or of tests/golden. One line a case, then the sums:
///
///     pass NAME errors
///     fail NAME errors or reason
///     skip NAME reason
///     N passed, N failed, N skipped
///
/// A file that cannot be read is a case that fails; the others are run all the same.
///
/// An operator is added by a function in support/golden_families.hpp and a line in `families`.

#include "support/golden_families.hpp"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>
#include <system_error>
#include <vector>

using namespace sluice::testing;

namespace {

using Check = void (*)(const GoldenCase&, Report&);

const std::map<std::string, Check> families = {
    {"gla", golden_gla::check},
    {"simple_gla", golden_gla::check},
    {"retention", golden_gla::check},
    {"linear_attn", golden_gla::check},
    {"rwkv6", golden_gla::check},
    {"layernorm", golden_layers::layer_norm},
    {"rmsnorm", golden_layers::rms_norm},
    {"rmsnorm_gated", golden_layers::gated_rms_norm},
    {"swiglu", golden_layers::swiglu},
    {"geglu", golden_layers::geglu},
    {"causal_conv1d", golden_conv::check},
    {"sdpa", golden_attention::check},
    {"ssd_minimal", golden_ssd::check},
    {"ssd_chunk", golden_ssd::check},
    {"ssd_seq", golden_ssd::check},
    {"ssd_dtlimit", golden_ssd::check},
    {"mamba2_step", golden_ssd::check},
    {"selective_scan", golden_ssm::check},
    {"hgrn", golden_ssm::check},
};

void check_case(const std::filesystem::path& path, Report& report) {
  std::error_code unreadable;  // to read it will tell
  if (std::filesystem::is_directory(path, unreadable)) return golden_models::check(path, report);
  const GoldenCase c(path);
  const auto found = families.find(c.family());
  if (found == families.end()) throw NotAvailable("there is no family " + c.family() + " yet");
  found->second(c, report);
}

/// Runs one case and prints its line; which of "pass", "fail" and "skip" it was.
std::string run(const std::filesystem::path& path) {
  Report report;
  std::string verdict, text;
  try {
    check_case(path, report);
    verdict = report.passed() ? "pass" : "fail";
    text = report.text();
  } catch (const NotAvailable& e) {
    verdict = "skip", text = e.what();
  } catch (const std::exception& e) {
    verdict = "fail", text = e.what();
  }
  std::replace(text.begin(), text.end(), '\n', ' ');
  const bool file = path.extension() == ".safetensors";  // else a folder, with dots in its name
  const auto name = file ? path.stem() : path.filename();
  std::cout << verdict << ' ' << name.string() << ' ' << text << std::endl;
  return verdict;
}

std::vector<std::filesystem::path> cases_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> out;
  std::error_code unreadable;  // of an entry; to read it will tell
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto& path = entry.path();
    const bool model =
        entry.is_directory(unreadable) && path.filename().string().starts_with("hf_");
    if (model || path.extension() == ".safetensors") out.push_back(path);
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

int main() {
  const char* chosen = std::getenv("SLUICE_GOLDEN_DIR");
  const std::filesystem::path folder =
      chosen != nullptr && *chosen != '\0' ? chosen : SLUICE_GOLDEN;
  std::vector<std::filesystem::path> cases;
  try {
    cases = cases_in(folder);
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return EXIT_FAILURE;
  }
  if (cases.empty()) std::cerr << folder.string() << ": no cases\n";
  std::map<std::string, int> count;
  for (const auto& path : cases) ++count[run(path)];
  std::cout << count["pass"] << " passed, " << count["fail"] << " failed, " << count["skip"]
            << " skipped" << std::endl;
  return count["fail"] == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
