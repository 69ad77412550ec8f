#!/usr/bin/env python3
"""IJB-C as the published scripts compute it, in NumPy and scikit-learn: a loop over templates, pairs in batches of 100,000,
sklearn's roc_curve, one matrix of all scores for identification.

usage: peer_ijb.py FOLDER [--similarity cosine|qmf]      FOLDER as qcface_bench_ijb make writes it; prints one row of JSON
Differs from the published scripts where they lose digits: templates are pooled in float64, so that figures can be compared.
"""
import argparse
import heapq
import json
import math
import os
import resource
import time

import numpy as np
from sklearn.metrics import auc, roc_curve
from sklearn.preprocessing import normalize

BATCH = 100_000
TARGETS = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1]
FARS = [0.01, 0.1]
ALPHA, BETA = 0.05298834571695404, 0.08483867351227943  # qcface/ir50


def mean_of(vectors):
    return np.mean(vectors, axis=0, keepdims=True)


def quality_of(vectors):
    lengths = np.array([np.linalg.norm(v) for v in vectors])
    total = np.sum([v * n for v, n in zip(vectors, lengths)], axis=0, keepdims=True)
    return total / np.linalg.norm(total) * (np.sum(lengths ** 2) / np.sum(lengths))


def pool(features, template_of, media_of, chosen, media_rule, template_rule):
    pooled = np.zeros((len(chosen), features.shape[1]))
    for place, template in enumerate(chosen):
        (rows,) = np.where(template_of == template)
        vectors, medias = features[rows].astype(np.float64), media_of[rows]
        of_media = []
        for media, count in zip(*np.unique(medias, return_counts=True)):
            (inside,) = np.where(medias == media)
            of_media.append(vectors[inside] if count == 1 else media_rule(vectors[inside]))
        pooled[place] = template_rule(np.concatenate(of_media))
    return pooled


def with_quality(cosine, quality):
    weight = BETA * cosine - ALPHA
    weight[weight > 0] = 0
    return weight * quality + cosine


def score_pairs(templates, first, second, similarity):
    scores = np.zeros(len(first))
    for begin in range(0, len(first), BATCH):
        part = slice(begin, begin + BATCH)
        a, length_a = normalize(templates[first[part]], return_norm=True)
        b, length_b = normalize(templates[second[part]], return_norm=True)
        cosine = np.sum(a * b, axis=-1)
        if similarity == "qmf":
            cosine = with_quality(cosine, np.min(np.stack([length_a, length_b], axis=1), axis=1))
        scores[part] = cosine
    return scores


def tar_table(labels, scores):
    fpr, tpr, _ = roc_curve(labels, scores)
    area = auc(fpr, tpr)
    fpr, tpr = np.flipud(fpr), np.flipud(tpr)
    rates = []
    for target in TARGETS:
        _, place = min(zip(abs(fpr - target), range(len(fpr))))
        rates.append(float(tpr[place]))
    return rates, float(area)


def identify(probes, gallery, mates, similarity):
    a, length_a = normalize(probes, return_norm=True)
    b, length_b = normalize(gallery, return_norm=True)
    scores = np.dot(a, b.T)
    if similarity == "qmf":
        grid_b, grid_a = np.meshgrid(length_b, length_a)
        scores = with_quality(scores, np.min(np.stack([grid_a, grid_b], axis=-1), axis=-1))
    order = np.argsort(-scores)
    top = [float(np.mean([mates[i] in order[i, :k] for i in range(len(probes))])) for k in (1, 5, 10)]
    wanted = [math.ceil(len(probes) * far) for far in FARS]
    others, own = scores.copy(), []
    for i, mate in enumerate(mates):
        own.append(others[i, mate])
        others[i, mate] = -np.inf
    largest = heapq.nlargest(max(wanted), others[np.where(others > -np.inf)])
    recall = [float(np.sum(np.array(own) > largest[k - 1]) / len(probes)) for k in wanted]
    return top, recall


def subjects_of(path):
    rows = np.loadtxt(path, dtype=str, skiprows=1, delimiter=",")
    templates, first = np.unique(rows[:, 0].astype(int), return_index=True)
    return templates, rows[first, 1].astype(int)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--similarity", default="cosine", choices=("cosine", "qmf"))
    options = parser.parse_args()
    meta = os.path.join(options.folder, "IJBC", "meta", "ijbc_")
    seconds, begin = {}, time.perf_counter()

    def lap(part):
        nonlocal begin
        seconds[part] = round(seconds.get(part, 0) + time.perf_counter() - begin, 3)
        begin = time.perf_counter()

    media_rows = np.loadtxt(meta + "face_tid_mid.txt", dtype=str)
    template_of, media_of = media_rows[:, 1].astype(int), media_rows[:, 2].astype(int)
    with open(meta + "template_pair_label.txt") as text:  # np.loadtxt as text takes minutes and 10 GB
        pairs = np.fromstring(text.read(), dtype=np.int64, sep=" ").reshape(-1, 3)
    galleries = [subjects_of(meta + "1N_gallery_G%d.csv" % g) for g in (1, 2)]
    probe_templates, probe_subjects = subjects_of(meta + "1N_probe_mixed.csv")
    lap("read lists")
    features = np.load(os.path.join(options.folder, "features.npy"))
    lap("load features")

    media_rule = mean_of if options.similarity == "cosine" else quality_of
    unique = np.unique(template_of)
    templates = pool(features, template_of, media_of, unique, media_rule, lambda v: np.sum(v, axis=0))
    lap("pooling templates")
    row_of = np.zeros(unique.max() + 1, dtype=int)
    row_of[unique] = np.arange(len(unique))
    scores = score_pairs(templates, row_of[pairs[:, 0]], row_of[pairs[:, 1]], options.similarity)
    lap("scoring pairs")
    tar, area = tar_table(pairs[:, 2], scores)
    lap("sorting scores")
    del templates

    gallery_templates = np.concatenate([templates for templates, _ in galleries])
    gallery_subjects = np.concatenate([subjects for _, subjects in galleries])
    gallery, probes = (pool(features, template_of, media_of, chosen, media_rule, media_rule)
                       for chosen in (gallery_templates, probe_templates))
    lap("pooling templates")
    place_of = {subject: place for place, subject in enumerate(gallery_subjects)}
    mates = [place_of[subject] for subject in probe_subjects]
    top, recall = identify(probes, gallery, mates, options.similarity)
    lap("identifying probes")
    measured = sum(value for part, value in seconds.items() if part not in ("read lists", "load features"))
    print(json.dumps({"program": "NumPy", "similarity": options.similarity, "pictures": len(features), "templates": len(unique),
                      "pairs": len(pairs), "seconds": seconds, "measured": measured,
                      "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                      "tar_nearest": tar, "auc": area, "top": top, "recall": recall}))


if __name__ == "__main__":
    main()
