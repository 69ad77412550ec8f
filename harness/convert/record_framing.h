// The framing of MXNet RecordIO, written (data-formats.md section 2).
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace qcface::convert {

/// Puts a record behind `out`: one part, or several where the magic word stands in it at a multiple of 4.
void append_record(std::string& out, std::span<const std::uint8_t> record);

/// The 24 bytes in front of a picture: label as a scalar.
std::string record_header(float label, std::uint64_t id);
/// A record that is nothing but a list of labels.
std::string label_record(std::span<const float> labels, std::uint64_t id);

}  // namespace qcface::convert
