// SPDX-License-Identifier: MIT
/// \file
/// All of sluice/layers/embeddings/.
#pragma once

#include <sluice/layers/embeddings/embedding.hpp>
