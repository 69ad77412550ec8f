#!/usr/bin/env python3
"""safetensors both ways: theirs, whole and in shards, give torch's embeddings in qcface, and their reader takes ours."""
import json
import unittest

from support import INSIGHTFACE, MAGFACE, QCFACE, Case, prepared, run
from networks import IResNet, embed, randomise
import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
import torch


def arrays(state, prefix=""):
    return {prefix + name: value.numpy() for name, value in state.items()}


class Both(Case):
    def network(self, family):
        images = prepared(self.pixels, family)
        network = randomise(IResNet("mini", family[3], 64), images)
        return network, embed(network, images)

    def test_their_shards(self):
        network, wanted = self.network(MAGFACE)
        state = arrays(network.state_dict(), "module.features.")
        parts, names = {}, list(state)
        for i, part in enumerate((names[:20], names[20:50], names[50:])):
            file = f"model-{i + 1:05d}-of-00003.safetensors"
            save_file({name: state[name] for name in part}, str(self.folder / file))
            parts.update({name: file for name in part})
        index = self.folder / "model.safetensors.index.json"
        index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": parts}))
        got, said = self.embed(index)
        self.assertIn("MagFace (names module.features.*)", said)
        self.assert_close(got, wanted)

    def test_ours_with_everything(self):
        network, wanted = self.network(INSIGHTFACE)
        classes = np.random.default_rng(1).standard_normal((7, 64)).astype(np.float32)
        torch.save({"state_dict_backbone": network.state_dict(), "state_dict_softmax_fc": {"weight": torch.from_numpy(classes)}},
                   self.folder / "foreign.pt")
        ours = self.folder / "ours.safetensors"
        run("export", "--weights", self.folder / "foreign.pt", "--out", ours)
        read = load_file(str(ours))
        self.assertEqual(set(read), {"backbone." + name for name in network.state_dict()} | {"head.weight"})
        np.testing.assert_array_equal(read["head.weight"], classes.T)
        for name, value in network.state_dict().items():
            np.testing.assert_array_equal(read["backbone." + name], value.numpy())
        with safe_open(str(ours), "np") as file:
            words = json.loads(file.metadata()["qcface"])
        self.assertEqual((words["family"], words["bn-eps"], words["mean"]), ("insightface", 1e-5, [0.5, 0.5, 0.5]))
        got, said = self.embed(ours)
        self.assertIn("of this program, from InsightFace (names backbone.*): batch-norm eps 1e-05", said)
        self.assert_close(got, wanted)

    def test_ours_bare(self):
        network, wanted = self.network(QCFACE)
        save_file(arrays(network.state_dict(), "backbone."), str(self.folder / "theirs.safetensors"))
        self.assert_close(self.embed(self.folder / "theirs.safetensors")[0], wanted)
        bare = self.folder / "bare.safetensors"
        run("export", "--weights", self.folder / "theirs.safetensors", "--out", bare, "--bare")
        self.assertEqual(set(load_file(str(bare))), set(network.state_dict()))
        self.assert_close(self.embed(bare)[0], wanted)  # its metadata says that these are no InsightFace weights


if __name__ == "__main__":
    unittest.main()
