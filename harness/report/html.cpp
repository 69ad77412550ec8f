#include "harness/report/html.h"

#include <fmt/format.h>

namespace qcface::report {
namespace {

// One type scale (13, 15, 18, 22, 26 px), one spacing unit (8 px). Plot colours are custom properties, so the same SVG
// serves both colour schemes.
constexpr const char* kStyle = R"css(
:root{color-scheme:light dark;--bg:#fff;--card:#fff;--ink:#1c2126;--soft:#5c6670;--line:#dfe3e8;--fill:#f5f7f9;
--accent:#2f74c0;--warn-bg:#fff7e6;--warn-line:#e8c37a;--plot-ink:#3c444d;--plot-soft:#5c6670;--plot-grid:#7b8590;
--plot-muted:#8a929c;--plot-0:#2464ac;--plot-1:#c75a12;--plot-2:#15866a;--plot-3:#a33c7d;--plot-4:#8a690c;
--plot-5:#5161c4;--plot-6:#b23531}
@media (prefers-color-scheme:dark){:root{--bg:#14171b;--card:#1a1e23;--ink:#e4e8ec;--soft:#a0a9b3;--line:#30363d;
--fill:#20252b;--accent:#6eabec;--warn-bg:#2d2616;--warn-line:#6d5620;--plot-ink:#d3d9df;--plot-soft:#a0a9b3;
--plot-grid:#7b8590;--plot-0:#6eabec;--plot-1:#f09a5c;--plot-2:#4fc3a1;--plot-3:#de86bd;--plot-4:#d3b04a;
--plot-5:#98a4f2;--plot-6:#ee827d}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,"Segoe UI",Helvetica,Arial,sans-serif}
main{max-width:1120px;margin:0 auto;padding:32px 24px 64px}
header{border-bottom:1px solid var(--line);padding-bottom:24px}
h1{font-size:26px;line-height:1.25;margin:0 0 4px;font-weight:650;overflow-wrap:anywhere}
h2{font-size:18px;margin:0 0 12px;font-weight:650}
h3{font-size:15px;margin:24px 0 8px;font-weight:650}
p{margin:0 0 12px;max-width:78ch}
.soft,.sub{color:var(--soft)}.sub{font-size:13px;margin:0}
nav{margin-top:16px;font-size:13px;display:flex;flex-wrap:wrap;gap:4px 16px}
a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}
section{margin-top:40px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin-top:24px}
.tile{border:1px solid var(--line);border-radius:6px;padding:12px 16px;background:var(--card)}
.tile .label,.tile .note{font-size:13px;color:var(--soft);line-height:1.35}
.tile .value{font-size:22px;line-height:1.4;white-space:nowrap;font-weight:600;font-variant-numeric:tabular-nums}
.figures{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:24px}
.figures.small{grid-template-columns:repeat(3,minmax(0,1fr));gap:16px 20px;margin:16px 0 8px}
figure{margin:0;min-width:0}figure.wide{grid-column:1/-1}
figure svg{width:100%;height:auto;display:block}figure.wide>svg{max-width:760px}
figcaption,caption{font-size:13px;color:var(--soft);line-height:1.4}
figcaption{margin-top:4px}caption{caption-side:bottom;text-align:left;padding-top:8px}
.scroll{overflow-x:auto;margin-bottom:24px}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:5px 16px 5px 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
th{font-weight:600;color:var(--soft);border-bottom:1px solid var(--soft);white-space:nowrap}
.r{text-align:right}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(320px,1fr));gap:0 32px;font-size:13px}
.facts div{display:flex;justify-content:space-between;gap:16px;border-bottom:1px solid var(--line);padding:5px 0}
.facts .k{color:var(--soft)}.facts .v{text-align:right;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
code,pre{font-family:ui-monospace,"DejaVu Sans Mono",Consolas,monospace;font-size:12px}
pre{background:var(--fill);border:1px solid var(--line);border-radius:6px;padding:12px;overflow-x:auto;margin:8px 0}
details{margin-top:12px;font-size:13px}summary{cursor:pointer;color:var(--soft)}
.missing{background:var(--fill);border:1px dashed var(--line);border-radius:6px;padding:12px 16px;font-size:13px;
color:var(--soft)}
.warning{background:var(--warn-bg);border:1px solid var(--warn-line);border-radius:6px;padding:10px 16px;
font-size:13px;margin:12px 0}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(80px,1fr));gap:16px 8px;margin-bottom:16px}
.picture{font-size:12px;line-height:1.3;text-align:center;font-variant-numeric:tabular-nums;min-width:0}
.picture img,.absent{display:block;width:80px;height:80px;object-fit:contain;border-radius:3px;margin:0 auto 4px;
background:var(--fill)}
.picture .name{color:var(--soft);overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.headline{font-size:22px;line-height:1.3;font-weight:650;margin:0 0 8px;max-width:48ch}
h2:has(+.headline){font-size:13px;color:var(--soft);margin-bottom:4px}
.strips{margin-bottom:12px}.strips+.sub{margin-bottom:16px}
.strip{display:grid;grid-template-columns:120px minmax(0,1fr);gap:4px 16px;align-items:center;padding:12px 0;
border-top:1px solid var(--line)}
.strip .what{font-size:13px;line-height:1.35;overflow-wrap:anywhere}
.strip .what span{display:block;color:var(--soft)}
.strip .row{display:flex;gap:8px}.strip .picture{flex:1 1 0;max-width:112px}
.strip img,.strip .absent{width:100%;height:auto;aspect-ratio:1}
.strip p{grid-column:1/-1}
.bar{height:4px;border-radius:2px;background:var(--fill);margin-bottom:2px}
.bar i{display:block;height:100%;border-radius:2px;background:var(--accent)}
footer{margin-top:48px;border-top:1px solid var(--line);padding-top:12px;font-size:13px;color:var(--soft)}
@media (max-width:760px){.figures,.figures.small{grid-template-columns:1fr}.strip{grid-template-columns:1fr}
.strip .what span{display:inline;margin-left:8px}.strip .row{gap:4px}.strip .picture{font-size:11px}}
@media print{main{max-width:none}section{break-inside:avoid-page}}
)css";

}  // namespace

std::string html_page(const std::string& title, const std::string& body) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width, "
      "initial-scale=1\">\n<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n"
      "<main>\n{}</main>\n</body>\n</html>\n",
      escape_html(title), kStyle, body);
}

std::string html_section(const std::string& id, const std::string& heading, const std::string& body) {
  return fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n{}</section>\n", id, escape_html(heading), body);
}

std::string html_figure(const std::string& content, const std::string& caption, bool wide) {
  return fmt::format(
      "<figure{}>\n{}{}</figure>\n", wide ? " class=\"wide\"" : "", content,
      caption.empty() ? std::string() : fmt::format("<figcaption>{}</figcaption>\n", escape_html(caption)));
}

std::string html_missing(const std::string& what, const std::string& command) {
  return fmt::format(
      "<div class=\"missing\">{}{}</div>\n", escape_html(what),
      command.empty() ? std::string() : fmt::format(" Make it with <code>{}</code>.", escape_html(command)));
}

std::string html_table(const std::vector<std::vector<std::string>>& rows, std::size_t numeric_from,
                       const std::string& caption) {
  std::string html = "<div class=\"scroll\"><table>\n";
  if (!caption.empty()) html += fmt::format("<caption>{}</caption>\n", escape_html(caption));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    html += "<tr>";
    for (std::size_t c = 0; c < rows[r].size(); ++c) {
      html += fmt::format("<{0}{1}>{2}</{0}>", r == 0 ? "th" : "td", c >= numeric_from ? " class=\"r\"" : "",
                          rows[r][c]);
    }
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

std::string html_tile(const std::string& label, const std::string& value, const std::string& note) {
  return fmt::format(
      "<div class=\"tile\"><div class=\"label\">{}</div><div class=\"value\">{}</div><div "
      "class=\"note\">{}</div>"
      "</div>\n",
      escape_html(label), escape_html(value), escape_html(note));
}

}  // namespace qcface::report
