#!/usr/bin/env python3
"""Draws time and memory against K from the JSON of qcface_bench_head, qcface_bench_head_cuda and peers.py.

usage: plot.py FILE.json ... --out PICTURE.svg [--head qcface] [--type f32] [--title TEXT]

Two panels with logarithmic axes: the median of a step with its 20th to 80th percentile, and what the step needs beyond
its inputs and gradients. One line an implementation (and plan); of the head named, the bare products, and the peers that
compute that head. The SVG needs nothing but Python; beside it a PNG is written where matplotlib can be imported.
"""
import argparse
import html
import json
import math

COLOURS = ("#0b6e4f", "#c8553d", "#3d5a98", "#8a5a9e", "#b8860b", "#4a4a4a", "#2a9d8f", "#d1495b")
PANELS = (("time of a step, ms", "ms_median", 1.0), ("memory beyond x, w, dx, dw, MiB", "extra_bytes", 2.0 ** -20))


def series(files, head, kind):
    """{name: {K: row}}; of several measurements of one point the last file's."""
    out = {}
    for path in files:
        with open(path) as f:
            for row in json.load(f)["rows"]:
                if row.get("type", kind) != kind or row["head"] not in (head, "products"):
                    continue
                name = " ".join(p for p in (row["implementation"], row.get("plan")) if p)
                if row["head"] == "products":
                    name = "bare products, " + name.replace("-products", "")
                out.setdefault(name, {})[row["k"]] = row
    return {name: dict(sorted(points.items())) for name, points in out.items()}


def decades(values):
    low, high = min(values), max(values)
    return 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high) if high > low else math.log10(low) + 1)


def short(v):
    return "%g" % v if v < 1e4 else "%gk" % (v / 1e3) if v < 1e6 else "%gM" % (v / 1e6)


def values_of(points, member, scale):
    return [(k, row[member] * scale, row) for k, row in points.items() if row.get(member)]


def svg(data, title, footer):
    width, height, left, top, panel_w, panel_h = 1040, 470, 70, 62, 400, 290
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">' % (width, height),
           '<rect width="100%" height="100%" fill="#ffffff"/>',
           '<text x="%d" y="26" font-size="16" font-weight="bold">%s</text>' % (left, html.escape(title))]
    ks = sorted({k for points in data.values() for k in points})
    x_low, x_high = ks[0] / 1.25, ks[-1] * 1.25
    for panel, (label, member, scale) in enumerate(PANELS):
        x0 = left + panel * (panel_w + 90)
        values = [v for points in data.values() for _, v, _ in values_of(points, member, scale)]
        out.append('<text x="%d" y="%d">%s</text>' % (x0, top - 10, html.escape(label)))
        if not values:
            out.append('<text x="%d" y="%d">not in these files</text>' % (x0 + 20, top + 40))
            continue
        y_low, y_high = decades(values)
        at_x = lambda k: x0 + panel_w * math.log(k / x_low) / math.log(x_high / x_low)
        at_y = lambda v: top + panel_h * (1 - math.log(max(v, y_low) / y_low) / math.log(y_high / y_low))
        v = y_low
        while v <= y_high * 1.001:
            out.append('<path d="M%d %.1fh%d" stroke="#dddddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>' % (
                x0, at_y(v), panel_w, x0 - 6, at_y(v) + 4, short(v)))
            v *= 10
        for k in ks:
            out.append('<path d="M%.1f %dv5" stroke="#444444"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>' % (
                at_x(k), top + panel_h, at_x(k), top + panel_h + 19, format(k, ",")))
        out.append('<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#444444"/>' % (x0, top, panel_w, panel_h))
        out.append('<text x="%d" y="%d" text-anchor="middle">classes K</text>' % (x0 + panel_w // 2, top + panel_h + 36))
        for i, points in enumerate(data.values()):
            colour, found = COLOURS[i % len(COLOURS)], values_of(points, member, scale)
            if not found:
                continue
            dash = ' stroke-dasharray="6 4"' if found[0][2]["head"] == "products" else ""
            line = " ".join("%.1f,%.1f" % (at_x(k), at_y(v)) for k, v, _ in found)
            out.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="2"%s/>' % (line, colour, dash))
            for k, v, row in found:
                if member == "ms_median":
                    out.append('<path d="M%.1f %.1fV%.1f" stroke="%s" stroke-width="4" stroke-opacity="0.35"/>' % (
                        at_x(k), at_y(row["ms_p20"]), at_y(row["ms_p80"]), colour))
                out.append('<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"><title>%s</title></circle>' % (
                    at_x(k), at_y(v), colour, "%s: %.4g" % (format(k, ","), v)))
    x = left
    for i, name in enumerate(data):
        dash = ' stroke-dasharray="6 4"' if name.startswith("bare") else ""
        out.append('<path d="M%d %dh22" stroke="%s" stroke-width="3"%s/><text x="%d" y="%d">%s</text>' % (
            x, height - 44, COLOURS[i % len(COLOURS)], dash, x + 27, height - 40, html.escape(name)))
        x += 48 + 7 * len(name)
    out.append('<text x="%d" y="%d" font-size="11" fill="#555555">%s</text>' % (left, height - 14, html.escape(footer)))
    return "\n".join(out + ["</svg>"]) + "\n"


def png(data, title, footer, path):
    try:
        import matplotlib
    except ImportError:
        return "no matplotlib here: the PNG is left out"
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(1, 2, figsize=(10.4, 4.7))
    for ax, (label, member, scale) in zip(axes, PANELS):
        for i, (name, points) in enumerate(data.items()):
            found = values_of(points, member, scale)
            if found:
                ax.plot([f[0] for f in found], [f[1] for f in found], "o--" if name.startswith("bare") else "o-",
                        color=COLOURS[i % len(COLOURS)], label=name)
        ax.set(xscale="log", yscale="log", xlabel="classes K", title=label)
        ax.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    figure.suptitle(title)
    figure.text(0.02, 0.01, footer, fontsize=7)
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    figure.savefig(path, dpi=110)
    return "wrote " + path


def main():
    ap = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1][7:])
    ap.add_argument("files", nargs="+")
    ap.add_argument("--out", required=True)
    ap.add_argument("--head", default="qcface")
    ap.add_argument("--type", default="f32")
    ap.add_argument("--title")
    a = ap.parse_args()
    data = series(a.files, a.head, a.type)
    if not data:
        raise SystemExit("plot.py: no row of head %s, type %s in these files" % (a.head, a.type))
    with open(a.files[-1]) as f:
        facts = json.load(f)
    row = next(iter(next(iter(data.values())).values()))
    title = a.title or "%s, loss + dx + dw, N %d, D %d, %s" % (a.head, row["n"], row["d"], a.type)
    footer = "%s, %s threads; %s; %s; commit %s" % (
        facts.get("device_name"), facts.get("threads"), facts.get("libraries"), facts.get("date", "")[:10], facts.get("commit"))
    with open(a.out, "w") as f:
        f.write(svg(data, title, footer))
    print("wrote " + a.out)
    print(png(data, title, footer, a.out.rsplit(".", 1)[0] + ".png"))


if __name__ == "__main__":
    main()
