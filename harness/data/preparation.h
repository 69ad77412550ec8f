// How a decoded picture becomes what a network takes. A run's own is kept in its checkpoints, so that evaluation prepares
// pictures as the training did.
#pragma once

#include <array>
#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <utility>

namespace qcface::data {

/// What to do with a picture that is not square, which cannot stand in a batch as it is.
enum class NonSquare { kCentreCrop, kReject };
inline constexpr std::pair<const char*, NonSquare> kNonSquareNames[] = {
    {"centre-crop", NonSquare::kCentreCrop}, {"reject", NonSquare::kReject}};
/// Throws Error naming the choices for any other text.
NonSquare non_square_from_name(std::string_view name);

inline constexpr std::array<double, 3> kQcfaceMean{0.5312, 0.4265, 0.3753};
inline constexpr std::array<double, 3> kQcfaceStd{0.2873, 0.2555, 0.2496};

struct Preparation {
  std::array<double, 3> mean = kQcfaceMean;  // of R, G, B in [0, 1]; with bgr of B, G, R
  std::array<double, 3> std = kQcfaceStd;
  bool swap_rb = false;  // exchange red and blue of every decoded picture: the files have them wrong
  bool bgr = false;      // the network takes the channels in this order, after augmentation and resize
  NonSquare non_square = NonSquare::kCentreCrop;
};

/// Under the names of the training options, as the configuration in a checkpoint holds it. What is absent there keeps its
/// default; an entry of another type is a json exception or an Error.
nlohmann::json to_json(const Preparation& preparation);
Preparation preparation_from_json(const nlohmann::json& config);

}  // namespace qcface::data
