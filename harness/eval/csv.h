// CSV files of results: one record a line, fields quoted where RFC 4180 says so.
#pragma once

#include <string>
#include <vector>

namespace qcface::eval {

/// A field as it stands in the file.
std::string csv_field(const std::string& text);
/// Fields of one line, quotes taken off.
std::vector<std::string> split_csv(const std::string& line);
/// The whole field as a number ("inf" too), or NaN.
double csv_number(const std::string& field);

}  // namespace qcface::eval
