// Small pictures for the report.
#pragma once

#include <filesystem>
#include <string>

namespace qcface::report {

/// The picture at most `side` pixels wide and high, as "data:image/jpeg;base64,..."; empty when it cannot be read.
std::string thumbnail_uri(const std::filesystem::path& file, int side);

/// Such an URI as an <img>, or an empty place for it; `alternative` is text.
std::string html_image(const std::string& uri, const std::string& alternative);
/// Both.
std::string html_thumbnail(const std::filesystem::path& file, const std::string& alternative, int side);

/// RFC 4648, with padding.
std::string base64(const void* data, std::size_t bytes);

}  // namespace qcface::report
