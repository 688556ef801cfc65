// SPDX-License-Identifier: MIT
#include "recurrence.hpp"

Output wide_recurrence() { return recurrence(); }
