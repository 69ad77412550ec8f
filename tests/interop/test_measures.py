"""Figures of pairs against SciPy and scikit-learn: AUC, DeLong's interval and p value, Spearman, Kendall, error versus reject."""
import json
import unittest

import support

try:
    import scipy.stats
    import sklearn.metrics
except ImportError as error:
    support.skip(f"SciPy or scikit-learn is missing (third_party/install-python.sh): {error}")
import numpy as np

PEOPLE, PICTURES, WIDTH = 60, 6, 24


def placements(scores, same):
    """V10 and V01 by the definition, all pairs of pairs."""
    positive, negative = scores[same], scores[~same]
    kernel = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    return kernel.mean(1), kernel.mean(0)


def variance(v10, v01):
    return v10.var(ddof=1) / v10.size + v01.var(ddof=1) / v01.size


class Measures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = support.pathlib.Path(support.tempfile.mkdtemp())
        cls.addClassCleanup(support.shutil.rmtree, cls.folder, ignore_errors=True)
        random = np.random.default_rng(5)
        names = [f"p{person}/{picture}.jpg" for person in range(PEOPLE) for picture in range(PICTURES)]
        (cls.folder / "names.txt").write_text("\n".join(names) + "\n")
        centres = random.normal(size=(PEOPLE, 1, WIDTH))
        good = random.uniform(0.1, 1, size=(PEOPLE, PICTURES, 1))
        cls.rows = {}
        for model in ("one", "two"):
            noise = random.normal(size=(PEOPLE, PICTURES, WIDTH))
            rows = (4 * good * (centres + (1.6 - good) * noise)).astype("<f4").reshape(-1, WIDTH)
            cls.rows[model] = rows
            np.save(cls.folder / f"{model}.npy", rows)
        cls.pairs, cls.same = [], []
        for person in range(PEOPLE):
            for picture in range(PICTURES - 1):
                first = person * PICTURES + picture
                cls.pairs += [(first, first + 1), (first, (first + PICTURES * (1 + picture) + 1) % len(names))]
                cls.same += [True, False]
        cls.same = np.array(cls.same)
        (cls.folder / "pairs.list").write_text(
            "".join(f"{names[a]} {names[b]} {int(s)}\n" for (a, b), s in zip(cls.pairs, cls.same)))
        for model in cls.rows:
            for protocol in ("verify", "quality"):
                cls.run_qcface("eval", protocol, "--features", cls.folder / f"{model}.npy", "--names",
                               cls.folder / "names.txt", "--data", cls.folder, "--out", cls.folder / model)
        cls.run_qcface("compare", cls.folder / "one", cls.folder / "two", "--out", cls.folder / "compared")

    @staticmethod
    def run_qcface(*arguments):
        done = support.subprocess.run([support.os.environ["QCFACE_EXECUTABLE"], *map(str, arguments)],
                                      stdout=support.subprocess.PIPE, stderr=support.subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise AssertionError(done.stdout)

    def read(self, name):
        return json.loads((self.folder / name).read_text())

    def scores(self, model):
        rows = self.rows[model].astype(np.float64)
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        first, second = np.array(self.pairs).T
        return (unit[first] * unit[second]).sum(1)

    def quality(self, model):
        length = np.linalg.norm(self.rows[model].astype(np.float64), axis=1)
        first, second = np.array(self.pairs).T
        return np.minimum(length[first], length[second])

    def test_scores_file(self):
        kept = np.load(self.folder / "one" / "scores.npy")
        self.assertEqual(kept.dtype, np.float64)
        np.testing.assert_array_equal(kept[:, 0] != 0, self.same)
        np.testing.assert_allclose(kept[:, 1], self.scores("one"), rtol=0, atol=1e-12)

    def test_auc_and_interval(self):
        for model in self.rows:
            scores, found = self.scores(model), self.read(f"{model}/verify.json")["cosine"]
            self.assertAlmostEqual(found["auc"], sklearn.metrics.roc_auc_score(self.same, scores), delta=1e-12)
            error = variance(*placements(scores, self.same)) ** 0.5
            self.assertAlmostEqual(found["auc_standard_error"], error, delta=1e-12)
            half = scipy.stats.norm.ppf(0.975) * error
            self.assertAlmostEqual(found["auc_interval_95"][0], max(0, found["auc"] - half), delta=1e-12)
            self.assertAlmostEqual(found["auc_interval_95"][1], min(1, found["auc"] + half), delta=1e-12)

    def test_difference_of_auc(self):
        first, second = (placements(self.scores(model), self.same) for model in ("one", "two"))
        error = variance(first[0] - second[0], first[1] - second[1]) ** 0.5
        difference = first[0].mean() - second[0].mean()
        compared = next(c for c in self.read("compared/compare.json")["comparisons"] if c["protocol"] == "verify")
        found = next(d for d in compared["differences"] if d["measure"] == "AUC")
        self.assertAlmostEqual(found["difference"], difference, delta=1e-12)
        self.assertAlmostEqual(found["p"], 2 * scipy.stats.norm.sf(abs(difference) / error), delta=1e-12)
        self.assertGreater(error, 0)

    def test_rank_correlations(self):
        for model in self.rows:
            quality, scores = self.quality(model)[self.same], self.scores(model)[self.same]
            found = self.read(f"{model}/quality.json")["correlation"][0]
            self.assertAlmostEqual(found["spearman"], scipy.stats.spearmanr(quality, scores)[0], delta=1e-12)
            self.assertAlmostEqual(found["kendall"], scipy.stats.kendalltau(quality, scores)[0], delta=1e-12)

    def test_error_versus_reject(self):
        scores, quality = self.scores("one"), self.quality("one")
        curve = self.read("one/quality.json")["curves"][0]
        self.assertEqual((curve["variant"], curve["fmr"]), ("fixed", 0.01))
        impostors = np.sort(scores[~self.same])[::-1]
        threshold = impostors[int(0.01 * impostors.size + 1e-9)]
        missed = (scores[self.same] <= threshold)[np.argsort(quality[self.same], kind="stable")]
        after = np.array([missed[m:].mean() for m in range(missed.size)])
        self.assertAlmostEqual(curve["threshold"], threshold, delta=1e-12)
        self.assertAlmostEqual(curve["fnmr_at_zero"], after[0], delta=1e-12)
        self.assertGreater(after[0], 0)
        grid = after[[int(0.05 * i * missed.size + 1e-9) for i in range(20)]]
        self.assertAlmostEqual(curve["area"], sklearn.metrics.auc(0.05 * np.arange(20), grid), delta=1e-12)


if __name__ == "__main__":
    unittest.main()
