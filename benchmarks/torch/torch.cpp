// SPDX-License-Identifier: MIT
#include "torch.hpp"

#include "peers.hpp"

#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <torch/version.h>

namespace sluice::bench::libtorch {

namespace {

/// A function of OpenBLAS, which whoever links LibTorch need not have.
template <class Function>
Function* openblas(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
}

}  // namespace

void use_one_thread() {
  at::set_num_threads(1);
  if (auto* set_threads = openblas<void(int)>("openblas_set_num_threads")) set_threads(1);
}

std::string version() {
  const std::string torch = "LibTorch " TORCH_VERSION;
  if (auto* core = openblas<char*()>("openblas_get_corename"))
    return torch + " multiplies with OpenBLAS, core " + core() + ".";
  return torch + " does not multiply with OpenBLAS here and may be far from its best.";
}

}  // namespace sluice::bench::libtorch
