#!/usr/bin/env python3
"""Curves of several runs over each other, and their distances on a logarithmic axis, as SVG; nothing but Python is needed.
compare.py calls it; on its own it draws what follow.py wrote, a column a file.

usage: plot.py FOLLOWED.json ... --out PICTURE.svg
"""
import argparse
import html
import json
import math

COLOURS = {"qcface": "#c8553d", "float64": "#222222"}
OTHERS = ("#3d5a98", "#2a9d8f", "#8a5a9e", "#b8860b")
PANEL_W, PANEL_H, LEFT, TOP, GAP_X, GAP_Y = 420, 200, 70, 70, 80, 62


def colour(name, names):
    others = [n for n in names if n not in COLOURS]
    return COLOURS.get(name) or OTHERS[others.index(name) % len(OTHERS)]


def panel(out, place, title, curves, names, logarithmic, dashed=(), every=1):
    """curves: {name: values, one every so many steps}."""
    x0, y0 = LEFT + place[0] * (PANEL_W + GAP_X), TOP + place[1] * (PANEL_H + GAP_Y)
    steps = every * max(len(v) for v in curves.values())
    values = [v for line in curves.values() for v in line if v > 0 or not logarithmic]
    low, high = min(values), max(values)
    if logarithmic:
        low, high = math.floor(math.log10(max(low, 1e-9))), math.ceil(math.log10(high))
        ticks = [(e, "1e%d" % e) for e in range(low, high + 1)]
    else:
        low, unit = 0.0, 10.0 ** math.floor(math.log10(high))
        ticks = [(i * unit, "%g" % (i * unit)) for i in range(int(high / unit) + 1)]
    at_x = lambda k: x0 + PANEL_W * k / max(steps - 1, 1)  # noqa: E731
    at_y = lambda v: y0 + PANEL_H * (1 - (v - low) / ((high - low) or 1))  # noqa: E731
    out.append('<text x="%d" y="%d" font-weight="bold">%s</text>' % (x0, y0 - 8, html.escape(title)))
    for v, text in ticks:
        out.append('<path d="M%d %.1fh%d" stroke="#e2e2e2"/><text x="%d" y="%.1f" text-anchor="end">%s</text>' % (
            x0, at_y(v), PANEL_W, x0 - 6, at_y(v) + 4, text))
    for k in range(0, steps + 1, 50 if steps > 60 else 10):
        out.append('<text x="%.1f" y="%d" text-anchor="middle">%d</text>' % (at_x(max(k - 1, 0)), y0 + PANEL_H + 16, max(k, 1)))
    out.append('<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#444444"/>' % (x0, y0, PANEL_W, PANEL_H))
    for name, line in curves.items():
        if logarithmic:
            line = [math.log10(max(v, 10.0 ** low)) for v in line]
        points = " ".join("%.1f,%.1f" % (at_x(k), at_y(min(max(v, low), high))) for k, v in zip(range(0, steps, every), line))
        out.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="%s"%s/>' % (
            points, colour(name, names), 3.2 if name == "float64" else 1.6 if name == "qcface" else 1.1,
            ' stroke-dasharray="5 3"' if name in dashed else ""))


def svg(title, columns, names, footer, every=1):
    """columns: [((title, {name: values}, logarithmic), the same of the panel below)]."""
    width = LEFT + len(columns) * (PANEL_W + GAP_X)
    height = TOP + 2 * (PANEL_H + GAP_Y) + 34
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">' % (width, height),
           '<rect width="100%" height="100%" fill="#ffffff"/>',
           '<text x="%d" y="26" font-size="16" font-weight="bold">%s</text>' % (LEFT, html.escape(title))]
    for i, column in enumerate(columns):
        for row, (name, curves, logarithmic) in enumerate(column):
            panel(out, (i, row), name, curves, names, logarithmic, () if logarithmic else ("qcface",), every)
    x = LEFT
    for name in names:
        out.append('<path d="M%d %dh22" stroke="%s" stroke-width="3"/><text x="%d" y="%d">%s</text>' % (
            x, height - 38, colour(name, names), x + 27, height - 34, html.escape(name if name == "qcface" else "PyTorch, " + name)))
        x += 120 + 6 * len(name)
    out.append('<text x="%d" y="%d" font-size="11" fill="#555555">%s</text>' % (LEFT, height - 12, html.escape(footer)))
    return "\n".join(out + ["</svg>"]) + "\n"


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("files", nargs="+")
    ap.add_argument("--out", required=True)
    args = ap.parse_args()
    columns = []
    for path in args.files:
        with open(path) as file:
            data = json.load(file)
        options, rows = data["options"], data["steps"]
        names = [*options["variants"].split(","), "qcface"]
        title = "%s, phase %s: " % (options["head"], options["phase"])
        curves = lambda key: {n: [max(r[n][key], 1e-9) for r in rows] for n in names}  # noqa: E731
        columns.append(((title + "loss", curves("loss_id"), True), (title + "what a step adds to the kernels", curves("kernels"), True)))
    text = svg("Single steps, each from the same checkpoint: distance from PyTorch in float64, relative (%s, lr %s)" % (
        options["arch"], options["lr"]), columns, names,
        "Every checkpoint is one of qcface's own run. PyTorch %s in float32, its sums in three orders." % data["torch"], options["every"])
    with open(args.out, "w") as file:
        file.write(text)


if __name__ == "__main__":
    main()
