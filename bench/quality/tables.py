#!/usr/bin/env python3
"""Tables (Markdown, on standard output) and figures (SVG) of what run.py measured.

usage: tables.py quality.json... [--figures FOLDER]     recognizability-degradation.svg and recognizability-rejection.svg there

Figures are means over the seeds, with +- their standard deviation where there are several. Needs nothing but Python.
"""
import argparse
import html
import json
import os
import statistics

HEADS = ("qcface", "qcface-cur", "qcface-mv", "magface", "adaface", "arcface", "softmax")
KINDS = (("blur", "sigma, pixels"), ("downup", "factor"), ("noise", "sigma, 8-bit steps"), ("jpeg", "100 - quality"),
         ("occlusion", "share of the area"), ("brightness", "shift to black"))
# Ours strong, the others quieter, and a dash so that they can be told apart in grey.
STYLES = {"qcface": ("#0b6e4f", 3.0, ""), "qcface-cur": ("#2a9d8f", 2.0, "7 3"), "qcface-mv": ("#7fb069", 2.0, "2 3"),
          "magface": ("#c8553d", 2.0, ""), "adaface": ("#3d5a98", 2.0, "7 3"), "arcface": ("#8a5a9e", 1.6, "2 3"),
          "softmax": ("#777777", 1.6, "")}


def by_head(runs):
    found = {}
    for run in runs:
        found.setdefault(run["head"], []).append(run)
    return {head: found[head] for head in sorted(found, key=lambda h: HEADS.index(h) if h in HEADS else len(HEADS))}


def cell(values, digits=2, scale=1.0, sign=False):
    values = [v * scale for v in values if v is not None]
    if not values:
        return "-"
    form = "%%%s.%df" % ("+" if sign else "", digits)
    text = form % statistics.mean(values)
    return text + (" ± " + "%.*f" % (digits, statistics.stdev(values)) if len(values) > 1 else "")


def mean_spearman(run):
    return statistics.mean(v for v in run["spearman"].values() if v is not None)


def table(heading, rows):
    print("| " + " | ".join(heading) + " |")
    print("|" + "---|" * len(heading))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def rejection(runs, fmr, figure):
    """Of the runs whose pairs resolve that false match rate."""
    return [c[figure] for run in runs for c in run["ercs"] if abs(c["fmr"] / fmr - 1) < 1e-6]


def tables(heads):
    print("Spearman correlation of magnitude and degradation, mean over the sources:\n")
    table(["head"] + [k for k, _ in KINDS] + ["mean"],
          [["`%s`" % head] + [cell([r["spearman"].get(k) for r in runs], sign=True) for k, _ in KINDS] +
           [cell([mean_spearman(r) for r in runs], sign=True)] for head, runs in heads.items()])
    print("Verification, error versus reject, and the rest:\n")
    table(["head", "accuracy (%)", "AUC (%)", "FNMR at FMR 1e-2 (%)", "area to 20 %, 1e-2", "FNMR at FMR 1e-3 (%)",
           "area to 20 %, 1e-3", "Spearman with genuine score", "P(frontal > profile)", "mean length"],
          [["`%s`" % head, cell([r["accuracy"] for r in runs], 2, 100), cell([r["auc"] for r in runs], 2, 100),
            cell(rejection(runs, 1e-2, "fnmr"), 1, 100),
            cell(rejection(runs, 1e-2, "normalised"), 3),
            cell(rejection(runs, 1e-3, "fnmr"), 1, 100),
            cell(rejection(runs, 1e-3, "normalised"), 3),
            cell([r["spearman_genuine"] for r in runs], sign=True),
            cell([r["frontal_over_profile"] for r in runs], 3), cell([r["z_mean"] for r in runs], 1)]
           for head, runs in heads.items()])


class Panel:
    """A small plot with its own axes; x and y in data units."""

    def __init__(self, left, top, width, height, x_range, y_range):
        self.left, self.top, self.width, self.height = left, top, width, height
        self.x_range, self.y_range = x_range, y_range
        self.out = []

    def x(self, v):
        return self.left + self.width * (v - self.x_range[0]) / (self.x_range[1] - self.x_range[0])

    def y(self, v):
        v = min(max(v, self.y_range[0]), self.y_range[1])
        return self.top + self.height * (1 - (v - self.y_range[0]) / (self.y_range[1] - self.y_range[0]))

    def text(self, x, y, text, anchor="start", extra=""):
        self.out.append('<text x="%.1f" y="%.1f" text-anchor="%s"%s>%s</text>' % (x, y, anchor, extra, html.escape(text)))

    def axes(self, title, x_label, x_ticks, y_ticks, y_form):
        for v in y_ticks:
            self.out.append('<path d="M%.1f %.1fh%.1f" stroke="#e2e2e2"/>' % (self.left, self.y(v), self.width))
            self.text(self.left - 6, self.y(v) + 4, y_form % v, "end", ' fill="#555"')
        for v in x_ticks:
            self.text(self.x(v), self.top + self.height + 17, "%g" % v, "middle", ' fill="#555"')
        self.out.append('<path d="M%.1f %.1fh%.1f" stroke="#555"/>' % (self.left, self.top + self.height, self.width))
        self.text(self.left, self.top - 10, title, extra=' font-weight="bold"')
        self.text(self.left + self.width / 2, self.top + self.height + 34, x_label, "middle", ' fill="#555"')

    def line(self, points, head):
        colour, width, dash = STYLES.get(head, ("#000000", 1.5, ""))
        self.out.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="%.1f"%s stroke-linejoin="round"/>' % (
            " ".join("%.1f,%.1f" % (self.x(a), self.y(b)) for a, b in points), colour, width,
            ' stroke-dasharray="%s"' % dash if dash else ""))


def legend(heads, left, top, out, step=118):
    for i, head in enumerate(heads):
        colour, width, dash = STYLES.get(head, ("#000000", 1.5, ""))
        x = left + i * step
        out.append('<path d="M%d %dh26" stroke="%s" stroke-width="%.1f"%s/>' % (
            x, top - 4, colour, width, ' stroke-dasharray="%s"' % dash if dash else ""))
        out.append('<text x="%d" y="%d">%s</text>' % (x + 32, top, html.escape(head)))


def write_svg(path, width, height, body):
    with open(path, "w") as f:
        f.write('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">\n' % (
            width, height) + '<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(body) + "\n</svg>\n")


def mean_curve(curves):
    return [(points[0][0], statistics.mean(p[1] for p in points)) for points in zip(*curves)]


def degradation_figure(heads, path):
    """Median length at each level, as a share of the undegraded pictures': heads have lengths of different sizes."""
    shares = {head: {kind: mean_curve([[(level, median / run["levels"][kind][0][2])
                                        for level, _, median, _ in run["levels"][kind]] for run in runs])
                     for kind, _ in KINDS} for head, runs in heads.items()}
    values = [v for kinds in shares.values() for points in kinds.values() for _, v in points]
    low, high = min(0.5, min(values)), max(1.1, max(values))
    low, high = int(low * 10) / 10.0, min(1.6, int(high * 10 + 1) / 10.0)
    ticks = [round(low + 0.2 * i, 1) for i in range(int((high - low) / 0.2 + 1.01))]
    out = ['<text x="30" y="30" font-size="17" font-weight="bold">How long an embedding stays when its picture gets worse</text>',
           '<text x="30" y="50" fill="#555">Median length of LFW pictures, relative to the same pictures undegraded; '
           'the networks never saw these people</text>']
    legend(heads, 30, 76, out)
    for i, (kind, unit) in enumerate(KINDS):
        points = next(iter(shares.values()))[kind]
        panel = Panel(66 + (i % 3) * 300, 122 + (i // 3) * 270, 240, 180, (0, points[-1][0]), (low, high))
        panel.axes(kind, unit, [points[0][0], points[3][0], points[-1][0]], ticks, "%.1f")
        for head in reversed(list(shares)):
            panel.line(shares[head][kind], head)
        out += panel.out
    write_svg(path, 950, 650, out)


def rejection_figure(heads, path):
    out = ['<text x="30" y="30" font-size="17" font-weight="bold">What leaving out the shortest embeddings saves</text>',
           '<text x="30" y="50" fill="#555">LFW View 2: share of missed genuine pairs, relative to all pairs kept; '
           '1 is a useless quality, lower is better</text>']
    legend(heads, 30, 76, out)
    for i, fmr in enumerate(("0.01", "0.001")):
        panel = Panel(76 + i * 450, 122, 360, 260, (0, 0.5), (0.4, 1.1))
        panel.axes("threshold at FMR %s" % fmr, "share of genuine pairs left out", [0, 0.1, 0.2, 0.3, 0.4, 0.5],
                   [0.4, 0.6, 0.8, 1.0], "%.1f")
        for head in reversed(list(heads)):
            curves = [[(r, v / points[0][1]) for r, v in points if r <= 0.5]
                      for points in (run["erc_points"].get(fmr) for run in heads[head]) if points and points[0][1] > 0]
            panel.line(mean_curve(curves), head)
        out += panel.out
    write_svg(path, 950, 450, out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", help="of one set of settings; several where seeds were measured apart")
    parser.add_argument("--figures", help="folder for the figures")
    options = parser.parse_args()
    runs = []
    for path in options.results:
        with open(path) as f:
            runs += json.load(f)["runs"]
    heads = by_head(runs)
    tables(heads)
    if options.figures:
        degradation_figure(heads, os.path.join(options.figures, "recognizability-degradation.svg"))
        rejection_figure(heads, os.path.join(options.figures, "recognizability-rejection.svg"))


if __name__ == "__main__":
    main()
