#!/usr/bin/env python3
"""docs/examples/pytorch against autograd: every head stated in float64 from its formulas, loss, gradients and state."""
import copy
import inspect
import io
import pathlib
import pickle
import sys
import threading
import unittest

try:
    import torch
except ImportError as error:
    print(f"[qcface-skip] PyTorch is missing: {error}")
    sys.exit(0)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "docs/examples/pytorch"))
from qcface_torch import HEADS, MarginHead  # noqa: E402
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench/equality"))
from published_heads import SETTINGS, initial_state, published_loss  # noqa: E402


def reference(name, x, w, labels, settings, state):
    """Loss of one training step with the published lambda, differentiable; updates state."""
    identity, lengths, _ = published_loss(name, x, w, labels, {**SETTINGS[name], **settings}, state)
    return identity + LAMBDAS.get(name, 0.0) * lengths


LAMBDAS = {"qcface": 1.0, "qcface-cur": 1.0, "qcface-mv": 1.0, "magface": 20.0}  # the library's defaults


def scene(seed, n=12, d=24, k=40):
    """Rows that lean on their class by different amounts, lengths from 8 to 60: both sides of MagFace's range."""
    generator = torch.Generator().manual_seed(seed)
    w = torch.randn(k, d, generator=generator)
    labels = torch.randint(k, (n,), generator=generator)
    lean = torch.linspace(-0.4, 2.5, n)[:, None]
    x = torch.randn(n, d, generator=generator) + lean * w[labels]
    return x / x.norm(dim=1, keepdim=True) * torch.linspace(8, 60, n)[:, None], w, labels


class Heads(unittest.TestCase):
    def compare(self, got, want, what):
        scale = want.abs().max() + 1e-9
        self.assertLessEqual(float((got.double() - want).abs().max() / scale), 2e-4, what)

    def check(self, name, settings, seed, **given):
        x, w, labels = scene(seed)
        head = MarginHead(x.shape[1], w.shape[0], name, **given)
        with torch.no_grad():
            head.weight.copy_(w)
        x1, x2 = x.clone().requires_grad_(), x.double().requires_grad_()
        w2 = w.double().requires_grad_()
        state = initial_state()
        for step in range(2):  # the second step sees the state of the first
            x1.grad = x2.grad = head.weight.grad = w2.grad = None
            loss = head(x1, labels)
            (3 * loss).backward()
            want = reference(name, x2, w2, labels, settings, state)
            (3 * want).backward()
            self.assertLessEqual(abs(float(loss) - float(want)), 1e-5 * abs(float(want)), (name, step))
            self.compare(x1.grad, x2.grad, (name, "dx", step))
            self.compare(head.weight.grad, w2.grad, (name, "dw", step))
        if head.t is not None:
            self.assertAlmostEqual(float(head.t), float(state["t"]), places=6)
        if head.length_stats is not None:
            for got, value in zip(head.length_stats, state["length_stats"]):
                self.assertAlmostEqual(float(got), float(value), places=4)

    def test_every_head(self):
        self.assertEqual(sorted(SETTINGS), sorted(HEADS))
        for name in HEADS:
            for seed in (1, 2):
                with self.subTest(head=name, seed=seed):
                    given = {"phase": "norm"} if name.startswith("qcface") else {}
                    self.check(name, {}, seed, **given)

    def test_unit_slope(self):
        self.check("arcface", dict(unit_slope=True), 3, rule="none", unit_slope=1)

    def test_training_through_a_layer(self):
        x, w, labels = scene(4)
        torch.manual_seed(0)
        layer = torch.nn.Linear(24, 24)
        twin = torch.nn.Linear(24, 24).double()
        twin.load_state_dict({key: value.double() for key, value in layer.state_dict().items()})
        head = MarginHead(24, w.shape[0], "qcface-mv", phase="norm", s=8.0)
        weight = torch.nn.Parameter(head.weight.detach().double())
        first = torch.optim.SGD([*layer.parameters(), *head.parameters()], lr=0.01, momentum=0.9, weight_decay=5e-4)
        second = torch.optim.SGD([*twin.parameters(), weight], lr=0.01, momentum=0.9, weight_decay=5e-4)
        settings = dict(s=8.0)
        for _ in range(4):
            for optimizer, loss in ((first, head(layer(x), labels)),
                                    (second, reference("qcface-mv", twin(x.double()), weight, labels, settings, {}))):
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        self.compare(layer.weight.detach(), twin.weight.detach(), "layer")
        self.compare(head.weight.detach(), weight.detach(), "class weights")

    def test_bfloat16(self):
        x, w, labels = scene(5)
        x = x.bfloat16()
        head = MarginHead(24, w.shape[0], "arcface")
        wide, narrow = x.float().requires_grad_(), x.clone().requires_grad_()
        head(wide, labels).backward()
        head(narrow, labels).backward()
        self.assertEqual(narrow.grad.dtype, torch.bfloat16)
        self.assertTrue(torch.equal(narrow.grad, wide.grad.bfloat16()))

    def test_evaluation_leaves_the_state(self):
        x, w, labels = scene(6)
        head = MarginHead(24, w.shape[0], "adaface").eval()
        head(x, labels)
        self.assertEqual(head.length_stats.tolist(), [20.0, 100.0])
        self.assertIn("length_stats", head.state_dict())

    def test_copies_and_saved_heads_go_on_alike(self):
        x, w, labels = scene(8)
        head = MarginHead(24, w.shape[0], "qcface-cur", phase="norm", s=32.0)
        head(x, labels)
        saved = io.BytesIO()
        torch.save(head, saved)
        saved.seek(0)
        whole = {"weights_only": False} if "weights_only" in inspect.signature(torch.load).parameters else {}
        for other in (copy.deepcopy(head), pickle.loads(pickle.dumps(head)), torch.load(saved, **whole)):
            twin = copy.deepcopy(head)
            self.assertEqual(float(other(x, labels)), float(twin(x, labels)))
            self.assertEqual(float(other.t), float(twin.t))
            self.assertEqual(float(other.rows["z"][3]), float(twin.rows["z"][3]))

    def test_one_head_in_several_threads(self):
        scenes = [scene(seed, n) for seed, n in ((9, 12), (10, 5), (11, 30), (12, 1))]
        width, classes = 24, scenes[0][1].shape[0]
        for name, training in (("qcface", True), ("adaface", False)):
            head = MarginHead(width, classes, name, phase="norm").train(training)
            wanted = [float(head(x, labels)) for x, _, labels in scenes]
            wrong = []

            def work(place):
                x, _, labels = scenes[place]
                for _ in range(200):
                    loss = float(head(x, labels))
                    if loss != wanted[place] or head.rows["z"].shape[0] != len(labels):
                        wrong.append((place, loss, wanted[place]))

            threads = [threading.Thread(target=work, args=(place,)) for place in range(len(scenes))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(wrong, [], name)

    def test_state_is_changed_by_one_thread_at_a_time(self):
        x, w, labels = scene(13)
        together, alone = (MarginHead(24, w.shape[0], "qcface-cur") for _ in range(2))
        with torch.no_grad():
            alone.weight.copy_(together.weight)
        threads = [threading.Thread(target=lambda: [together(x, labels) for _ in range(100)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for _ in range(400):
            alone(x, labels)
        self.assertEqual(float(together.t), float(alone.t))  # a lost update would show

    def test_bad_input_is_named(self):
        x, w, labels = scene(7)
        labels[3] = w.shape[0]
        with self.assertRaisesRegex(RuntimeError, r"labels\[3\] = 40"):
            MarginHead(24, w.shape[0])(x, labels)
        with self.assertRaisesRegex(ValueError, "unknown head"):
            MarginHead(24, 10, "nonsense")


if __name__ == "__main__":
    unittest.main()
