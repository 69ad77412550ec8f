#pragma once

namespace qcface::kernels {

/// A shorter vector v has no direction: its unit vector is v / kLengthFloor, and it gets no gradient.
inline constexpr double kLengthFloor = 1e-12;

}  // namespace qcface::kernels
