#!/usr/bin/env python3
"""ONNX files of `qcface export`: the checker of onnx passes, ONNX Runtime gives the embeddings of qcface and of torch."""
import json
import unittest

from support import ADAFACE, INSIGHTFACE, MAGFACE, QCFACE, Case, prepared, run
from networks import AdaFaceNet, IResNet, embed, randomise
import numpy as np
import onnx
import onnxruntime
import torch


class ToOnnx(Case):
    def session(self, weights, *flags):
        path = self.folder / "network.onnx"
        run("export", "--weights", weights, "--out", path, *flags)
        model = onnx.load(str(path))
        onnx.checker.check_model(model, full_check=True)
        facts = {entry.key: entry.value for entry in model.metadata_props}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]), facts

    def check(self, network, family, prefix, arch, name, batches=(1, 3)):
        images = prepared(self.pixels, family)
        wanted = embed(randomise(network, images), images)
        weights = self.folder / "weights.pth"
        torch.save({"state_dict": {prefix + key: value for key, value in network.state_dict().items()}}, weights)
        self.assert_close(self.embed(weights)[0], wanted)
        pixels = self.pixels.transpose(0, 3, 1, 2).astype(np.float32)
        for flags, given in ((("--normalise", "--magnitude"), pixels), ((), images.numpy())):
            session, facts = self.session(weights, *flags)
            outputs = [output.name for output in session.get_outputs()]
            self.assertEqual(outputs, ["embeddings", "magnitudes"] if flags else ["embeddings"])
            for n in batches:
                got = session.run(None, {"images": given[4 - n:]})
                self.assertEqual(got[0].shape, (n, wanted.shape[1]))
                difference = np.abs(got[0] - wanted[4 - n:]).max()
                self.assertLessEqual(difference, 1e-4)
                if flags:
                    self.assertEqual(got[1].shape, (n,))
                    np.testing.assert_allclose(got[1], np.linalg.norm(got[0], axis=1), rtol=1e-6)
            self.assertEqual((facts["arch"], facts["family"]), (arch, name))
            self.assertEqual(tuple(json.loads(facts["mean"])), family[0])
            self.assertEqual(tuple(json.loads(facts["std"])), family[1])
            self.assertEqual(facts["channel_order"], "BGR" if family[2] else "RGB")
            self.assertEqual(float(facts["bn_eps"]), family[3])
            self.assertEqual(facts["normalisation"], "inside" if flags else "outside")

    def test_mini(self):
        self.check(IResNet("mini", QCFACE[3], 64), QCFACE, "backbone.", "mini", "qcface", (1, 2, 3, 4))

    def test_ir18_of_adaface(self):
        self.check(AdaFaceNet("ir18"), ADAFACE, "model.", "ir18", "adaface")

    def test_ir50_of_insightface(self):
        self.check(IResNet("ir50", INSIGHTFACE[3]), INSIGHTFACE, "", "ir50", "insightface")

    def test_ir100_of_magface(self):
        self.check(IResNet("ir100", MAGFACE[3]), MAGFACE, "module.features.", "ir100", "magface")


if __name__ == "__main__":
    unittest.main()
