// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <sluice/io/half.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

using namespace sluice;

namespace {

/// Every value a 16-bit format has survives the way out and back; the middle between two
/// neighbours goes to the even one, and anything beyond the middle to the nearer one.
template <class From, class To>
void check_format(From from, To to, std::uint16_t infinity) {
  int wrong = 0;
  for (unsigned b = 0; b < 0x10000u; ++b) {
    const auto bits = static_cast<std::uint16_t>(b);
    const float x = from(bits);
    if ((b & 0x7fffu) > infinity) {
      wrong += !(std::isnan(x) && std::isnan(from(to(double(x)))));
      continue;
    }
    wrong += to(double(x)) != bits;
    if ((b & 0x7fffu) + 1 >= infinity) continue;  // the last finite number has no upper neighbour
    const auto next = static_cast<std::uint16_t>(b + 1);
    const double low = x, high = from(next), middle = (low + high) / 2;  // exact in double
    wrong += to(middle) != ((bits & 1) != 0 ? next : bits);
    wrong += to(std::nextafter(middle, low)) != bits;
    wrong += to(std::nextafter(middle, high)) != next;
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("F16 holds what it can hold and rounds to nearest even", "[io]") {
  check_format(from_f16, to_f16, 0x7c00);
  CHECK(from_f16(0x3c00) == 1.f);
  CHECK(from_f16(0xc000) == -2.f);
  CHECK(from_f16(0x7bff) == 65504.f);
  CHECK(from_f16(0x0001) == 0x1p-24f);
  CHECK(to_f16(65519.99) == 0x7bff);
  CHECK(to_f16(65520) == 0x7c00);
  CHECK(to_f16(-1e300) == 0xfc00);
  CHECK(to_f16(std::numeric_limits<double>::infinity()) == 0x7c00);
  CHECK(to_f16(0x1p-25) == 0);
  CHECK(to_f16(std::nextafter(0x1p-25, 1.0)) == 1);
  CHECK(to_f16(-std::numeric_limits<double>::denorm_min()) == 0x8000);
}

TEST_CASE("BF16 holds what it can hold and rounds to nearest even", "[io]") {
  check_format(from_bf16, to_bf16, 0x7f80);
  CHECK(from_bf16(0x3f80) == 1.f);
  CHECK(to_bf16(1 + 0x1p-8) == 0x3f80);
  CHECK(to_bf16(1 + 0x1p-8 + 0x1p-40) == 0x3f81);  // would be lost by rounding to float first
  CHECK(to_bf16(1e39) == 0x7f80);
  CHECK(to_bf16(0x1p-134) == 0);
}

TEST_CASE("NaN keeps its sign and its leading bits, and is quiet", "[io]") {
  const auto nan = [](std::uint64_t mantissa) {
    return std::bit_cast<double>(std::uint64_t{0xfff} << 52 | mantissa);  // negative
  };
  CHECK(to_f16(nan(std::uint64_t{0x155} << 42)) == (0xfc00 | 0x200 | 0x155));
  CHECK(to_bf16(nan(std::uint64_t{0x2a} << 45)) == (0xff80 | 0x40 | 0x2a));
  CHECK(to_f16(nan(1)) == 0xfe00);  // all that is left is that it is one
  CHECK(to_bf16(nan(1)) == 0xffc0);
  CHECK(std::bit_cast<std::uint32_t>(from_f16(0xfc00 | 0x155)) == (0xff800000 | 0x155 << 13));
  CHECK(std::bit_cast<std::uint32_t>(from_bf16(0xff80 | 0x2a)) == (0xff800000 | 0x2a << 16));
}
