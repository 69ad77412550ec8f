// 8-bit CIE Lab of data-formats.md section 12: sRGB gamma, D65, L scaled by 255/100, a and b shifted by 128. Fixed
// point with tables: linear light in 11 bits, f(t) in 15 bits, which rounds as the reference library does (forward:
// the same values on all inputs tested; backward: within one level).
#pragma once

#include <array>
#include <cstdint>

namespace qcface::data {

struct LabTables {
  static constexpr int kLinearScale = 255 * 8;  // linear light of 255
  static constexpr int kMatrixBits = 12;
  static constexpr int kForwardBits = 15;        // of f(t) on the way to Lab
  static constexpr int kForwardSize = 256 * 12;  // t may pass 1 a little
  static constexpr int kBackBits = 14;           // of f and of XYZ on the way back
  static constexpr int kGammaSize = 4096;        // entries of the inverse gamma table

  std::array<std::uint16_t, 256> linear;         // 8-bit sRGB -> linear light
  std::array<std::uint16_t, kForwardSize> f;     // linear light -> f(t)
  std::array<std::int32_t, 9> to_xyz;            // rows X, Y, Z; white already divided out
  std::array<std::int32_t, 256> f_of_l;          // 8-bit L -> f(Y)
  std::array<std::int32_t, 256> f_of_a, f_of_b;  // f(X) - f(Y), f(Y) - f(Z)
  std::array<std::int32_t, 9> to_rgb;            // rows R, G, B
  std::array<std::uint8_t, kGammaSize> gamma;    // linear light, 12 bits -> 8-bit sRGB

  LabTables();
};

/// Built on first use, then shared.
const LabTables& lab_tables();

}  // namespace qcface::data
