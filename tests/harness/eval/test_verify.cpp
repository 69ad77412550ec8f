// Verification from embeddings in memory, and through picture files with a formula in place of the network.
#include "harness/eval/protocols/verify.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <vector>

#include "harness/data/image.h"
#include "harness/data/normalise.h"
#include "tests/harness/eval/fake_embedder.h"
#include "tests/harness/eval/support.h"

using namespace qcface;
using namespace qcface::eval;
namespace fs = std::filesystem;

namespace {

// 24 pictures of 8 people, 60 pairs, embeddings near a direction a person.
struct Scene {
  data::PairList pairs;
  Embeddings embeddings;
};

Scene make_scene(bool random_identity = false) {
  constexpr int kWidth = 16;
  RandomStream random(21, RandomPurpose::kTest);
  Scene scene;
  std::vector<std::vector<double>> centre(8, std::vector<double>(kWidth));
  for (auto& row : centre) {
    for (double& value : row) value = random.normal();
  }
  Embeddings& e = scene.embeddings;
  e.count = 24;
  e.width = kWidth;
  for (int image = 0; image < 24; ++image) {
    scene.pairs.images.push_back("person" + std::to_string(image / 3) + "/" + std::to_string(image) + ".png");
    const double size = random.uniform(5, 30);
    double length = 0;
    for (int d = 0; d < kWidth; ++d) {
      const double direction = random_identity
                                   ? random.normal()
                                   : centre[static_cast<std::size_t>(image / 3)][static_cast<std::size_t>(d)];
      e.plain.push_back(static_cast<float>(size * (direction + 0.4 * random.normal())));
      length += static_cast<double>(e.plain.back()) * e.plain.back();
    }
    e.magnitudes.push_back(std::sqrt(length));
    e.valid.push_back(1);
  }
  for (int i = 0; i < 60; ++i) {
    const bool same = i % 2 == 0;
    const int a = static_cast<int>(random.below(24));
    int b = a;
    while (b == a || (a / 3 == b / 3) != same) b = static_cast<int>(random.below(24));
    scene.pairs.pairs.emplace_back(a, b);
    scene.pairs.same.push_back(same ? 1 : 0);
  }
  return scene;
}

}  // namespace

TEST_CASE("verify: good embeddings separate, random ones do not") {
  const Scene good = make_scene();
  const VerifyResult result = verify_embeddings(good.pairs, good.embeddings);
  REQUIRE(result.cosine->auc >= 0.95);
  REQUIRE(result.cosine->kfold->accuracy_mean >= 0.9);
  REQUIRE(result.same == 30);
  REQUIRE(result.different == 30);
  REQUIRE(!result.qmf.has_value());
  const Scene random = make_scene(true);
  const VerifyResult chance = verify_embeddings(random.pairs, random.embeddings);
  REQUIRE(std::fabs(chance.cosine->auc - 0.5) <= 0.25);
}

TEST_CASE("verify: exchanging the pictures of every pair changes nothing") {
  Scene scene = make_scene();
  const QmfConstants constants = qmf_preset("qcface/ir50");
  const VerifyResult before = verify_embeddings(scene.pairs, scene.embeddings, constants);
  for (auto& [a, b] : scene.pairs.pairs) std::swap(a, b);
  const VerifyResult after = verify_embeddings(scene.pairs, scene.embeddings, constants);
  REQUIRE(after.cosine_scores == before.cosine_scores);
  REQUIRE(after.qualities == before.qualities);
  REQUIRE(after.cosine->kfold->accuracy_mean == before.cosine->kfold->accuracy_mean);
  REQUIRE(after.qmf->auc == before.qmf->auc);
  REQUIRE(after.insightface->accuracy_mean == before.insightface->accuracy_mean);
  REQUIRE(after.insightface_val->val_mean == before.insightface_val->val_mean);
}

TEST_CASE("verify: scaling every embedding changes the quality-aware score alone") {
  Scene scene = make_scene();
  const QmfConstants constants = qmf_preset("qcface/ir50");
  const VerifyResult before = verify_embeddings(scene.pairs, scene.embeddings, constants);
  for (float& value : scene.embeddings.plain) value *= 8;
  for (double& value : scene.embeddings.magnitudes) value *= 8;
  const VerifyResult after = verify_embeddings(scene.pairs, scene.embeddings, constants);
  REQUIRE(after.cosine_scores == before.cosine_scores);
  REQUIRE(after.cosine->auc == before.cosine->auc);
  REQUIRE(after.insightface->accuracy_mean == before.insightface->accuracy_mean);
  bool changed = false;
  for (std::size_t i = 1; i < after.qmf->roc.points.size() && i < before.qmf->roc.points.size(); ++i) {
    changed |= after.qmf->roc.points[i].threshold != before.qmf->roc.points[i].threshold;
  }
  REQUIRE(changed);
  REQUIRE(after.magnitude_mean == 8 * before.magnitude_mean);
}

TEST_CASE("verify: pairs with an unreadable picture are excluded and counted") {
  Scene scene = make_scene();
  scene.embeddings.valid[5] = 0;
  std::int64_t touched = 0;
  for (const auto& [a, b] : scene.pairs.pairs) touched += a == 5 || b == 5;
  REQUIRE(touched > 0);
  const VerifyResult result = verify_embeddings(scene.pairs, scene.embeddings);
  REQUIRE(result.pairs_excluded == touched);
  REQUIRE(result.same + result.different == 60 - touched);
  scene.embeddings.valid.assign(24, 0);
  REQUIRE(test::contains(test::error_of([&] { (void)verify_embeddings(scene.pairs, scene.embeddings); }),
                         "no pair is left: 60 listed, 60 excluded"));
}

TEST_CASE("verify: a NaN magnitude is an error that names the pair") {
  Scene scene = make_scene();
  scene.embeddings.magnitudes[3] = std::numeric_limits<double>::quiet_NaN();
  scene.embeddings.plain[3 * 16] = std::numeric_limits<float>::quiet_NaN();
  const std::string message = test::error_of([&] { (void)verify_embeddings(scene.pairs, scene.embeddings); });
  REQUIRE(test::contains(message, "is nan"));
  REQUIRE(test::contains(message, "the score of pair"));
}

TEST_CASE("verify: flip adds InsightFace's two accuracies and its mean norm") {
  Scene scene = make_scene();
  Embeddings& e = scene.embeddings;
  e.mirrored = e.plain;
  for (float& value : e.mirrored) value *= 2;
  e.flip = FlipFusion::kAverage;
  e.fused_columns = e.width;
  e.fused = e.plain;
  for (float& value : e.fused) value *= 1.5f;
  const VerifyResult result = verify_embeddings(scene.pairs, e);
  REQUIRE(result.insightface_plain.has_value());
  REQUIRE(result.insightface_plain->accuracy_mean == result.insightface->accuracy_mean);
  double mean = 0;
  for (std::int64_t i = 0; i < e.count; ++i)
    mean += 1.5 * magnitude(e.plain_row(i)) / static_cast<double>(e.count);
  REQUIRE(std::fabs(result.insightface_mean_norm - mean) <= 1e-9 * mean);
}

TEST_CASE("extract: rows follow the list, whatever the batch size and the number of workers") {
  const test::PictureFolder folder(4, 3);
  test::FormulaEmbedder embedder(8);
  ExtractOptions options;
  options.batch_size = 5;
  options.workers = 2;
  std::size_t last = 0;
  options.progress = [&](std::size_t done, std::size_t total) {
    REQUIRE(done > last);
    REQUIRE(total == 12);
    last = done;
  };
  const Embeddings first = extract_embeddings(embedder, folder.files, options);
  REQUIRE(last == 12);
  REQUIRE(first.count == 12);
  REQUIRE(embedder.pictures == 12);
  for (const int workers : {0, 1, 3}) {
    ExtractOptions other;
    other.batch_size = 1 + workers;
    other.workers = workers;
    const Embeddings again = extract_embeddings(embedder, folder.files, other);
    REQUIRE(again.plain == first.plain);
    REQUIRE(again.magnitudes == first.magnitudes);
  }
  options.flip = FlipFusion::kAverage;
  last = 0;
  const Embeddings flipped = extract_embeddings(embedder, folder.files, options);
  REQUIRE(flipped.plain == first.plain);
  REQUIRE(flipped.mirrored.size() == first.plain.size());
  REQUIRE(flipped.mirrored != first.plain);
  data::ImageDecoder decoder;
  data::Image image;
  std::vector<float> normalised(3 * 112 * 112), row(static_cast<std::size_t>(embedder.width()));
  for (const bool mirror : {false, true}) {
    REQUIRE(decoder.decode_file(folder.files[5], image).ok());
    data::Normaliser(options.preparation.mean, options.preparation.std)
        .apply(image, 0, 0, 112, mirror, normalised.data());
    embedder.embed(normalised.data(), 1, row.data());
    const auto kept = mirror ? flipped.mirrored_row(5) : flipped.plain_row(5);
    REQUIRE(std::equal(row.begin(), row.end(), kept.begin(), kept.end()));
  }
  REQUIRE(flipped.fused.size() == first.plain.size());
}

TEST_CASE("extract: a corrupt picture is named and marked, a NaN stops") {
  const test::PictureFolder folder(3, 2);
  std::vector<std::string> files = folder.files;
  std::ofstream(folder.root / "p0" / "broken.jpg") << "this is no picture";
  files.insert(files.begin() + 2, (folder.root / "p0" / "broken.jpg").string());
  test::FormulaEmbedder embedder(8);
  const Embeddings e = extract_embeddings(embedder, files, {});
  REQUIRE(e.corrupt.size() == 1);
  REQUIRE(test::contains(e.corrupt[0].path, "broken.jpg"));
  REQUIRE(!e.corrupt[0].reason.empty());
  REQUIRE(e.valid[2] == 0);
  REQUIRE(e.valid[3] == 1);
  REQUIRE(e.magnitudes[2] == 0);

  embedder.poison = embedder.pictures + 4;
  const std::string message = test::error_of([&] { (void)extract_embeddings(embedder, files, {}); });
  REQUIRE(test::contains(message, files[4]));
  REQUIRE(test::contains(message, "nan"));

  const std::vector<std::string> broken{files[2]};
  test::FormulaEmbedder other(8);
  REQUIRE(test::contains(test::error_of([&] { (void)extract_embeddings(other, broken, {}); }),
                         "none of the 1 pictures could be read"));
}
