// Building blocks of the report page.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/plot/svg_plot.h"

namespace qcface::report {

/// Text of an element or attribute.
inline std::string escape_html(std::string_view text) { return escape_xml(text); }

/// A whole page: style sheet, light and dark, no script, no outside resource.
std::string html_page(const std::string& title, const std::string& body);

/// <section> with an anchor.
std::string html_section(const std::string& id, const std::string& heading, const std::string& body);

/// <figure> round a figure's markup; caption is text.
std::string html_figure(const std::string& content, const std::string& caption, bool wide = false);

/// What is missing and which command makes it.
std::string html_missing(const std::string& what, const std::string& command);

/// Rows of cells; the first row is the head. Columns from `numeric_from` on are right-aligned. Cells are markup.
std::string html_table(const std::vector<std::vector<std::string>>& rows, std::size_t numeric_from,
                       const std::string& caption);

/// A large number with its label; value and note are text.
std::string html_tile(const std::string& label, const std::string& value, const std::string& note);

}  // namespace qcface::report
