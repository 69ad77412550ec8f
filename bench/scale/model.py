#!/usr/bin/env python3
"""What a training step on R ranks sends, keeps and at least takes: docs/scale.md as formulas, and its tables.

usage: model.py [--check docs/scale.md]     the tables of docs/scale.md, Markdown; whether they stand there

Shapes: n pictures a rank, N = n R, D embedding width, K classes, P parameters of the backbone. Needs nothing but Python.
"""
import argparse
import sys

F32, F64, I64 = 4, 8, 8
SUMS_OF_A_ROW = 6  # doubles: target cosine, log sums and counts, two each (nn/head/exchange.h)
# IR-100 at 112x112 and D = 512, as `qcface train` reports it, and the products of a picture forward (12.1 G multiply-adds).
PARAMETERS, FLOPS_FORWARD, ACTIVATION_BYTES = 65.16e6, 24.2e9, 353.2 * 2**20 / 4
# Rates of one H100 SXM by its data sheet (bf16 products without sparsity, memory), and a 400 Gbit/s network port for each.
RATES = {"products": 989e12, "memory": 3.35e12, "network": 50e9}


def traffic(n, ranks, width, parameters):
    """Bytes that come in at a rank in one step, by part; as many go out."""
    rows, others = n * ranks, (ranks - 1) / ranks
    return {"backbone": 2 * F32 * parameters * others,       # reduce-scatter and all-gather of the gradient
            "embeddings": F32 * rows * width * others,       # all-gather
            "labels": I64 * rows * others,
            "sums": 2 * F64 * SUMS_OF_A_ROW * rows * others,
            "dx": F32 * rows * width * others}               # reduce-scatter


def memory(n, ranks, width, classes, parameters, activation_bytes):
    """Bytes that a rank keeps, by part; 16-bit products on a GPU."""
    own, rows = -(-classes // ranks), n * ranks
    return {"classes": own * width * (F32 + F32 + 2),        # weights, slot, 16-bit unit rows
            "backbone": parameters * (F32 + F32 + F32 + 2),  # weights, gradient, slot, 16-bit copy
            "rows": 3 * rows * width * F32,                  # embeddings, their gradient, this rank's share of it
            "activations": n * activation_bytes / 2}


def least_times(n, ranks, width, classes, parameters, flops_forward, rates):
    """Seconds of a step at the full rates, by what takes them; the head makes four products with the rank's classes
    and moves 22 bytes a value of them (docs/performance.md)."""
    own, rows = classes / ranks, n * ranks
    return {"backbone": 3 * flops_forward * n / rates["products"],
            "head's products": 4 * 2 * rows * own * width / rates["products"],
            "head's memory": own * width * 22 / rates["memory"],
            "network": sum(traffic(n, ranks, width, parameters).values()) / rates["network"]}


def cell(value):
    return "%.3g" % value


def row(cells):
    return "| " + " | ".join(cells) + " |"


def heading(cells):
    return [row(cells), "|" + "---|" * len(cells)]


def table(n=128, width=512):
    lines = heading(["GPUs", "classes", "memory a GPU (GB)", "of it classes", "received a step (GB): backbone", "head",
                     "least times (ms): backbone", "head's products", "head's memory", "network", "bound by"])
    for ranks in (8, 64, 1024):
        for exponent in (5, 6, 7, 8):
            classes = 10 ** exponent
            kept = memory(n, ranks, width, classes, PARAMETERS, ACTIVATION_BYTES)
            sent = traffic(n, ranks, width, PARAMETERS)
            times = least_times(n, ranks, width, classes, PARAMETERS, FLOPS_FORWARD, RATES)
            head = sum(sent.values()) - sent["backbone"]
            lines.append(row([format(ranks, ","), "10^%d" % exponent, cell(sum(kept.values()) / 1e9), cell(kept["classes"] / 1e9),
                              cell(sent["backbone"] / 1e9), cell(head / 1e9), *[cell(1e3 * t) for t in times.values()],
                              max(times, key=times.get)]))
    return lines


# Published for PartialFC's implementation: MB a GPU on 8 V100, model parallel, and with a sampling rate of 0.1
# (https://github.com/deepinsight/insightface/tree/master/recognition/arcface_torch).
PUBLISHED_MB = {125_000: (5306, 4868), 1_400_000: (11178, 6056), 5_500_000: (32188, 9854)}


def table_of_published():
    """Megabytes a GPU at the fewest classes, and by how many they grow from there."""
    def megabytes(classes):
        own = memory(128, 8, 512, classes, PARAMETERS, ACTIVATION_BYTES)["classes"] / 1e6
        return (*PUBLISHED_MB[classes], own)

    fewest = min(PUBLISHED_MB)
    lines = heading(["classes", "model parallel, published (MB a GPU)", "sampled 0.1, published", "classes of ours, all of them"])
    lines.append(row([format(fewest, ",")] + [format(round(mb), ",") for mb in megabytes(fewest)]))
    for classes in sorted(PUBLISHED_MB)[1:]:
        growth = [mb - base for mb, base in zip(megabytes(classes), megabytes(fewest))]
        lines.append(row([format(classes, ",")] + ["+" + format(round(mb), ",") for mb in growth]))
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", metavar="DOCUMENT", help="whether the tables stand in it as they are computed")
    options = parser.parse_args()
    tables = [table(), table_of_published()]
    if options.check is None:
        print("\n\n".join("\n".join(lines) for lines in tables))
        return
    with open(options.check) as file:
        document = file.read()
    for lines in tables:
        for line in lines:
            if line not in document:
                sys.exit("%s: this row is missing, run %s for the tables of now: %s" % (options.check, sys.argv[0], line))


if __name__ == "__main__":
    main()
