#!/usr/bin/env python3
"""Files of PyTorch, both ways: what torch.save wrote of each family gives torch's embeddings in qcface, and torch takes what
`qcface export` writes, strictly and with weights_only."""
import unittest

from support import ADAFACE, INSIGHTFACE, MAGFACE, QCFACE, Case, prepared, run
from networks import AdaFaceNet, FaceModel, IResNet, embed, randomise
import torch


def prefixed(prefix, state):
    return {prefix + name: value for name, value in state.items()}


class FromTorch(Case):
    def check(self, network, family, content, says, flags=()):
        """`content`: what the program's checkpoint holds of network.state_dict()."""
        images = prepared(self.pixels, family)
        randomise(network, images)
        wanted = embed(network, images)
        for zipped in (True, False):
            path = self.folder / "checkpoint.pth"
            torch.save(content(network.state_dict()), path, _use_new_zipfile_serialization=zipped)
            got, said = self.embed(path, *flags)
            self.assertIn(says, said)
            self.assertNotIn("warning", said)
            self.assert_close(got, wanted)

    def test_qcface(self):
        self.check(IResNet("mini", QCFACE[3], 64), QCFACE,
                   lambda s: {"epoch": 3, "arch": "mini", "state_dict":
                              {**prefixed("backbone.", s), "head.weight": torch.randn(64, 9)}}, "QCFace (names backbone.*)")

    def test_magface(self):
        self.check(IResNet("mini", MAGFACE[3], 64), MAGFACE,
                   lambda s: {"epoch": 3, "arch": "iresnet100", "optimizer": {"state": {0: {"momentum_buffer": None}}},
                              "state_dict": {**prefixed("module.features.", s), "module.fc.weight": torch.randn(64, 9)}},
                   "MagFace (names module.features.*): batch-norm eps 2e-05, BGR")

    def test_magface_sharded(self):
        self.check(IResNet("mini", MAGFACE[3], 64), MAGFACE,
                   lambda s: {"epoch": 3, "state_dict": prefixed("features.module.", s)}, "MagFace (names features.module.*)")

    def test_insightface(self):
        self.check(IResNet("mini", INSIGHTFACE[3], 64), INSIGHTFACE, lambda s: s,
                   "InsightFace (names of an iresnet): batch-norm eps 1e-05, RGB")

    def test_insightface_resume_file_and_ir18(self):
        self.check(IResNet("ir18", INSIGHTFACE[3]), INSIGHTFACE,
                   lambda s: {"epoch": 3, "global_step": 9, "state_dict_backbone": s,
                              "state_dict_softmax_fc": {"weight": torch.randn(9, 512)}, "state_optimizer": {}}, "InsightFace")

    def test_names_of_one_family_and_values_of_another(self):
        self.check(IResNet("mini", QCFACE[3], 64), QCFACE, lambda s: s, "QCFace by --family (names of an iresnet)",
                   ("--family", "qcface"))

    def test_adaface(self):
        for arch, width in (("mini", 64), ("ir18", 512)):
            self.check(AdaFaceNet(arch, width), ADAFACE,
                       lambda s: {"epoch": 3, "state_dict": {**prefixed("model.", s), "head.kernel": torch.randn(width, 9),
                                                             "head.t": torch.zeros(1), "head.batch_mean": torch.ones(1),
                                                             "head.batch_std": torch.ones(1)}},
                       "AdaFace (names model.body.*): batch-norm eps 1e-05, BGR")

    def test_half_precision(self):
        network = randomise(IResNet("mini", INSIGHTFACE[3], 64), prepared(self.pixels, INSIGHTFACE)).half()
        torch.save(network.state_dict(), self.folder / "half.pth")
        got, _ = self.embed(self.folder / "half.pth")
        self.assert_close(got, embed(network.float(), prepared(self.pixels, INSIGHTFACE)))


class ToTorch(Case):
    def export(self, weights, name, *flags):
        path = self.folder / name
        said = run("export", "--weights", weights, "--out", path, *flags)
        return torch.load(path, map_location="cpu", weights_only=True), said

    def strict(self, state, arch, eps, width, classes, t=False):
        """The network of a state dict that the published module takes as it is, names, order and all."""
        module = FaceModel(IResNet(arch, eps, width), classes, width, t)
        self.assertEqual(list(state), list(module.state_dict()))
        module.load_state_dict(state, strict=True)
        for name, value in state.items():
            self.assertEqual(value.dtype, torch.int64 if name.endswith("num_batches_tracked") else torch.float32, name)
        return module.backbone

    def test_a_checkpoint_of_a_run(self):
        faces = self.folder / "faces"
        run("data", "synth", "--out", faces, "--identities", 4, "--pictures", 4, "--verify-identities", 4,
            "--verify-pictures", 4, "--pairs", 20, "--degrade-sources", 0, "--threads", 2)
        run("train", "--data_dirs", faces / "train", "--arch", "mini", "--embed_dims", 32, "--loss_model", "qcface-cur",
            "--batch-size", 8, "--epochs", 2, "--lr", 0.05, "--device", "cpu", "--threads", 2, "--no-report",
            "--pth-save-fold", self.folder / "run")
        weights = max((self.folder / "run/checkpoints").glob("step-*"))
        file, said = self.export(weights, "run.pth")
        self.assertIn("with head.weight", said)
        self.assertNotIn("shifted", said)
        self.assertEqual((file["epoch"], file["arch"]), (2, "mini"))
        state = file["state_dict"]
        self.assertEqual(int(state["backbone.bn1.num_batches_tracked"]), 4)
        self.assertNotEqual(float(state["head.t"]), 0)
        network = self.strict(state, "mini", QCFACE[3], 32, 4, t=True)
        wanted = embed(network, prepared(self.pixels, QCFACE))
        got, _ = self.embed(weights)
        self.assert_close(got, wanted)
        # Ours, through torch.save, and back.
        for zipped in (True, False):
            torch.save(file, self.folder / "again.pth", _use_new_zipfile_serialization=zipped)
            self.assert_close(self.embed(self.folder / "again.pth")[0], wanted)

    def test_other_families_under_the_published_names_and_eps(self):
        network = randomise(IResNet("mini", INSIGHTFACE[3], 64), prepared(self.pixels, INSIGHTFACE))
        with torch.no_grad():  # a variance that is as small as the eps
            network.conv1.weight *= 3e-3
            network.bn1.running_mean *= 3e-3
            network.bn1.running_var *= 9e-6
        wanted = embed(network, prepared(self.pixels, INSIGHTFACE))
        rows = torch.randn(9, 64)
        torch.save({"state_dict_backbone": network.state_dict(), "state_dict_softmax_fc": {"weight": rows}},
                   self.folder / "foreign.pt")
        file, said = self.export(self.folder / "foreign.pt", "ours.pth")
        self.assertIn("running variances are shifted", said)
        self.assertTrue(torch.equal(file["state_dict"]["head.weight"], rows.T))
        ours = self.strict(file["state_dict"], "mini", QCFACE[3], 64, 9)
        self.assert_close(embed(ours, prepared(self.pixels, INSIGHTFACE)), wanted)
        got, said = self.embed(self.folder / "ours.pth")
        self.assertIn("of this program, from InsightFace (names backbone.*): batch-norm eps 2e-05, RGB pixels, mean (0.5", said)
        self.assert_close(got, wanted)

    def test_bare_names_and_adaface(self):
        network = randomise(AdaFaceNet("mini", 64), prepared(self.pixels, ADAFACE))
        wanted = embed(network, prepared(self.pixels, ADAFACE))
        torch.save({"state_dict": prefixed("model.", network.state_dict())}, self.folder / "adaface.ckpt")
        state, _ = self.export(self.folder / "adaface.ckpt", "bare.pth", "--bare")
        module = IResNet("mini", INSIGHTFACE[3], 64)
        self.assertEqual(list(state), list(module.state_dict()))
        module.load_state_dict(state, strict=True)
        self.assert_close(embed(module, prepared(self.pixels, ADAFACE)), wanted)

    def test_nothing_is_written_of_weights_that_are_not_finite(self):
        state = IResNet("mini", INSIGHTFACE[3], 64).state_dict()
        state["layer2.0.bn1.bias"][3] = float("nan")
        torch.save(state, self.folder / "nan.pth")
        for name in ("nan-out.pth", "nan-out.safetensors", "nan-out.onnx"):
            said = run("export", "--weights", self.folder / "nan.pth", "--out", self.folder / name, status=1)
            self.assertIn("layer2.0.bn1.bias holds NaN or infinity", said)
            self.assertFalse((self.folder / name).exists())


if __name__ == "__main__":
    unittest.main()
