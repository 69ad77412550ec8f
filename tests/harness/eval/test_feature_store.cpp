// Embeddings kept with --cache: taken where everything is as it was, and never where something is not.
#include "harness/eval/features/feature_store.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "core/atomic_file.h"
#include "harness/console/interrupt.h"
#include "harness/eval/features/embed.h"
#include "tests/harness/eval/fake_embedder.h"
#include "tests/harness/eval/run_protocol.h"
#include "tests/harness/eval/same_embeddings.h"
#include "tests/harness/eval/support.h"

using namespace qcface;
using namespace qcface::eval;
namespace fs = std::filesystem;

namespace {

// Files of the cache whose name begins so.
std::vector<fs::path> kept(const fs::path& cache, const std::string& beginning) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(cache)) {
    if (entry.path().filename().string().starts_with(beginning)) files.push_back(entry.path());
  }
  return files;
}

struct Scene {
  Scene() : pictures(4, 3), cache(pictures.root / "cache"), embedder(8) {}
  Embeddings fresh(const ExtractOptions& options = {}) {
    test::FormulaEmbedder other(8);
    return extract_embeddings(other, pictures.files, options);
  }
  // Pictures that a new source embeds for these files; the result is that of a run without cache.
  std::int64_t embedded(const ExtractOptions& options = {}) {
    const std::int64_t before = embedder.pictures;
    test::require_same(NetworkFeatures(embedder, options, cache).of(pictures.files), fresh(options));
    return embedder.pictures - before;
  }
  test::PictureFolder pictures;
  fs::path cache;
  test::FormulaEmbedder embedder;
};

}  // namespace

TEST_CASE("cache: a second protocol over the same pictures runs no network and finds the same") {
  const test::PictureFolder folder(8, 4);
  test::write_pairs(folder.root, 8, 4);
  std::ofstream(folder.root / "p3" / "1.png") << "spoilt";
  const test::TemporaryFolder cache;
  test::FormulaEmbedder embedder(12);
  const auto verify = [&](const fs::path& out, const fs::path& where) {
    NetworkFeatures features(embedder, {}, where);
    auto json = test::run_protocol("verify", features, folder.root, out).json;
    json.erase("embed_seconds");
    return json;
  };
  const auto without = verify(folder.root / "a", {});
  REQUIRE(embedder.pictures == 32);
  REQUIRE(verify(folder.root / "b", cache.path()) == without);
  REQUIRE(embedder.pictures == 64);
  REQUIRE(verify(folder.root / "c", cache.path()) == without);
  REQUIRE(embedder.pictures == 64);
  for (const char* name : {"roc.csv", "roc.svg", "magnitudes.csv"}) {
    REQUIRE(read_file(folder.root / "c" / name) == read_file(folder.root / "a" / name));
  }
  // `embed` has the pictures in another order.
  for (const char* result : {"a", "b", "c"}) fs::remove_all(folder.root / result);
  NetworkFeatures features(embedder, {}, cache.path());
  REQUIRE(run_embed(features, folder.root, cache.path() / "embedded").pictures == 31);
  REQUIRE(embedder.pictures == 64);
  NetworkFeatures uncached(embedder, {});
  run_embed(uncached, folder.root, cache.path() / "anew");
  for (const char* name : {"embeddings.npy", "filenames.npy", "magnitudes.csv"}) {
    REQUIRE(read_file(cache.path() / "embedded" / name) == read_file(cache.path() / "anew" / name));
  }
}

TEST_CASE("cache: mirror images are kept for every fusion") {
  Scene scene;
  ExtractOptions options;
  options.flip = FlipFusion::kAverage;
  REQUIRE(scene.embedded(options) == 24);
  for (const FlipFusion flip : {FlipFusion::kConcat, FlipFusion::kVectorAdd, FlipFusion::kAverage}) {
    options.flip = flip;
    REQUIRE(scene.embedded(options) == 0);
  }
  options.flip = FlipFusion::kNone;  // mirror images are there beside what is wanted
  REQUIRE(scene.embedded(options) == 0);
}

TEST_CASE("cache: other weights, preparation, lists and pictures that changed are not taken") {
  Scene scene;
  REQUIRE(scene.embedded() == 12);
  REQUIRE(scene.embedded() == 0);
  scene.embedder.version = "trained on";
  REQUIRE(scene.embedded() == 12);
  scene.embedder.version = "";
  REQUIRE(scene.embedded() == 0);

  for (const std::function<void(ExtractOptions&)>& change :
       {std::function<void(ExtractOptions&)>([](ExtractOptions& o) { o.preparation.mean[1] = 0.5; }),
        std::function<void(ExtractOptions&)>([](ExtractOptions& o) { o.preparation.std[2] = 0.5; }),
        std::function<void(ExtractOptions&)>([](ExtractOptions& o) { o.preparation.swap_rb = true; }),
        std::function<void(ExtractOptions&)>(
            [](ExtractOptions& o) { o.preparation.non_square = data::NonSquare::kReject; })}) {
    ExtractOptions options;
    change(options);
    REQUIRE(scene.embedded(options) == 12);
    REQUIRE(scene.embedded(options) == 0);
  }

  // A part of the pictures, or more of them, runs the network for the new ones alone.
  const std::string last = scene.pictures.files.back();
  scene.pictures.files.pop_back();
  REQUIRE(scene.embedded() == 0);
  const std::string another = (scene.pictures.root / "another.png").string();
  data::write_image(another, test::make_picture(7, 7));
  scene.pictures.files.push_back(another);
  scene.pictures.files.push_back(last);
  REQUIRE(scene.embedded() == 1);
  std::reverse(scene.pictures.files.begin(), scene.pictures.files.end());
  scene.pictures.files.push_back(last);  // twice in the list
  REQUIRE(scene.embedded() == 0);

  // Another picture under the same name, with size and time of the one before.
  const auto time = fs::last_write_time(last);
  const std::string bytes = read_file(last);
  data::write_image(last, test::make_picture(9, 9));
  REQUIRE(scene.embedded() == 2);
  REQUIRE(scene.embedded() == 0);
  std::ofstream(last, std::ios::binary) << bytes;
  fs::last_write_time(last, time);
  REQUIRE(scene.embedded() == 2);
  fs::remove(last);
  std::ofstream(last) << "no picture";
  REQUIRE(scene.embedded() == 2);
  REQUIRE(scene.embedded() == 0);
}

TEST_CASE("cache: a stopped extraction goes on where it was") {
  const test::PictureFolder pictures(30, 20);
  const test::TemporaryFolder cache;
  const auto fresh = [&] {
    test::FormulaEmbedder other(4);
    return extract_embeddings(other, pictures.files, {});
  }();
  test::FormulaEmbedder embedder(4);
  ExtractOptions options;
  options.progress = [](std::size_t done, std::size_t) {
    if (done > 400) throw Interrupted();  // as a signal does
  };
  const std::string stopped =
      test::error_of([&] { NetworkFeatures(embedder, options, cache.path()).of(pictures.files); });
  REQUIRE(!stopped.empty());
  const std::int64_t before = embedder.pictures;
  REQUIRE(before >= 400);
  test::require_same(NetworkFeatures(embedder, {}, cache.path()).of(pictures.files), fresh);
  REQUIRE(embedder.pictures - before < 600);
  REQUIRE(embedder.pictures - before >= 600 - 512);
}

TEST_CASE("cache: what it keeps is what --features and --names take") {
  Scene scene;
  ExtractOptions options;
  options.flip = FlipFusion::kAverage;
  REQUIRE(scene.embedded(options) == 24);
  REQUIRE(kept(scene.cache, "features_").size() == 3);
  fs::path rows, names;
  for (const fs::path& file : kept(scene.cache, "features_")) {
    if (file.extension() == ".npy") rows = file;
    if (file.extension() == ".txt") names = file;
  }
  FileFeatures features(rows, names, std::nullopt, FlipFusion::kAverage);
  REQUIRE(features.options().flip == FlipFusion::kAverage);
  test::require_same(features.of(scene.pictures.files), scene.fresh(options));
  REQUIRE(features.data()["fingerprint"] == [&] {
    NetworkFeatures network(scene.embedder, {}, scene.cache);
    network.of(scene.pictures.files);
    return network.data()["fingerprint"];
  }());
}

TEST_CASE("cache: damaged files are left aside and made anew") {
  Scene scene;
  ExtractOptions options;
  options.flip = FlipFusion::kAverage;
  REQUIRE(scene.embedded(options) == 24);
  const auto damaged_by = [&](const char* what, const std::function<void(const fs::path&)>& damage) {
    INFO(what);
    fs::path file;
    for (const fs::path& each : kept(scene.cache, "features_")) {
      if (each.extension() == what) file = each;
    }
    REQUIRE(!file.empty());
    damage(file);
    REQUIRE(scene.embedded(options) == 24);
    REQUIRE(scene.embedded(options) == 0);
    fs::remove_all(scene.cache);
    REQUIRE(scene.embedded(options) == 24);
  };
  for (const char* what : {".npy", ".txt", ".json"}) {
    damaged_by(what, [](const fs::path& file) { fs::resize_file(file, fs::file_size(file) / 2); });
    damaged_by(what, [](const fs::path& file) { fs::remove(file); });
    damaged_by(what, [](const fs::path& file) { std::ofstream(file) << "[3]"; });
    damaged_by(what, [](const fs::path& file) {
      std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
      stream.seekg(-30, std::ios::end);
      const int byte = stream.get();
      stream.seekp(-30, std::ios::end);
      stream.put(static_cast<char>(byte ^ 1));
    });
  }
  for (const nlohmann::json& row : {nlohmann::json(3), nlohmann::json(4711), nlohmann::json("first")}) {
    damaged_by(".json", [&row](const fs::path& file) {
      auto facts = test::read_json(file);
      facts["unreadable"] = {{{"row", row}, {"reason", "x"}}};
      std::ofstream(file) << facts;
    });
  }
}

TEST_CASE(
    "cache: a folder that cannot be written is named at once, one that fills up costs nothing but time") {
  Scene scene;
  std::ofstream(scene.pictures.root / "file") << "x";
  REQUIRE(test::contains(
      test::error_of([&] { NetworkFeatures(scene.embedder, {}, scene.pictures.root / "file" / "cache"); }),
      "--cache"));
  REQUIRE(scene.embedded() == 12);
  for (const fs::path& file : kept(scene.cache, "features_")) {
    if (file.extension() == ".npy") fs::create_directory(file.string() + ".tmp");
    fs::remove(file);
  }
  REQUIRE(scene.embedded() == 12);
  REQUIRE(kept(scene.cache, "features_").size() == 1);  // the folder in the way
}
