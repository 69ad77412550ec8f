"""When do two trainings agree? Series of figures and final tensors of a run are laid against those of PyTorch in float64, and the
distance of ours against the distances of PyTorch's own float32 runs, which add the same sums in another order."""
import json
import struct

import numpy as np

FIGURES = ("loss_id", "loss_g", "z_mean", "accuracy")
FACTOR = 4.0   # how much farther off ours may be than the farthest of PyTorch's float32 runs
FLOOR = 1e-6   # relative: eight roundings of float32, in which the figures are written


def read_metrics(path):
    """{figure: array over the steps} of a metrics.jsonl."""
    with open(path) as file:
        steps = [r for r in map(json.loads, file) if r["kind"] == "step"]
    assert [r["global_step"] for r in steps] == list(range(1, len(steps) + 1)), f"{path}: not every step is there"
    return series(steps)


def series(steps):
    return {key: np.array([r[key] for r in steps], dtype=np.float64) for key in (*FIGURES, "lr")}


def relative(run, reference, figure):
    """|run - reference| at each step; relative, but for accuracy, which is a share."""
    far = np.abs(run[figure] - reference[figure])
    return far if figure == "accuracy" else far / np.maximum(np.abs(reference[figure]), 1e-6)


def bound(variants, reference, figure, floor=FLOOR):
    """At each step: FACTOR times the largest distance of any float32 run of PyTorch up to there."""
    most = np.max([np.maximum.accumulate(relative(v, reference, figure)) for v in variants], axis=0)
    return FACTOR * np.maximum(most, floor)


def outside(run, variants, reference, one_picture):
    """Sentences: where `run` is farther from the reference than the bound allows. one_picture: 1 / batch size."""
    found = []
    for figure in FIGURES:
        far = relative(run, reference, figure)
        limit = bound(variants, reference, figure, one_picture / FACTOR * 1.001 if figure == "accuracy" else FLOOR)
        if (far > limit).any() or not np.isfinite(far).all():
            k = int(np.argmax(~(far <= limit)))
            found.append(f"{figure} of step {k + 1} is {run[figure][k]:.9g}, PyTorch's in float64 {reference[figure][k]:.9g}: "
                         f"{far[k]:.1e} off, bound {limit[k]:.1e}")
    return found


def leave_one_out(variants, reference, figure):
    """Largest ratio of a float32 run's running distance to the largest of the other ones': what FACTOR has to cover."""
    far = np.array([np.maximum(np.maximum.accumulate(relative(v, reference, figure)), FLOOR) for v in variants])
    return max(float(np.max(far[i] / np.delete(far, i, 0).max(0))) for i in range(len(variants)))


def read_safetensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        begin = file.tell()
        tensors = {}
        for name, entry in header.items():
            if name != "__metadata__" and entry["dtype"] == "F32":
                file.seek(begin + entry["data_offsets"][0])
                count = (entry["data_offsets"][1] - entry["data_offsets"][0]) // 4
                tensors[name] = np.frombuffer(file.read(4 * count), "<f4").reshape(entry["shape"]).astype(np.float64)
    return tensors


def group_of(name, shape):
    if name.startswith("slot0."):
        return "velocities"
    if name == "head.t":
        return "t"
    if name == "head.weight":
        return "class weights"
    for end, group in (("running_mean", "running means"), ("running_var", "running variances")):
        if name.endswith(end):
            return group
    return "kernels" if len(shape) > 1 else "scales, biases, slopes"


def tensor_distances(run, reference, before=None):
    """{group: 2-norm of the difference over that of the reference, or of its change since `before`}; every tensor of the
    reference must be there."""
    sums = {}
    for name, wanted in reference.items():
        if name.endswith("num_batches_tracked"):
            continue
        got = np.asarray(run[name], dtype=np.float64).reshape(wanted.shape)
        old = np.asarray(before[name]).reshape(wanted.shape) if before and name in before else 0.0
        total = sums.setdefault(group_of(name, wanted.shape), [0.0, 0.0])
        total[0] += float(((got - wanted) ** 2).sum())
        total[1] += float(((wanted - old) ** 2).sum())
    return {group: (a / b) ** 0.5 if b else a ** 0.5 for group, (a, b) in sums.items()}


def tensors_outside(run, variants, reference):
    """Sentences, as outside(); run and variants as tensor_distances() gives them."""
    return [f"{group} are {run[group]:.1e} off PyTorch's in float64, bound {limit:.1e}" for group in run
            for limit in [FACTOR * max(FLOOR, *(v[group] for v in variants))] if not run[group] <= limit]
