// Embeddings that another program made: --features and --names, and real ones with known answers.
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <vector>

#include "core/atomic_file.h"
#include "core/npy.h"
#include "harness/eval/features/features.h"
#include "tests/harness/eval/run_protocol.h"
#include "tests/harness/eval/support.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;
using namespace qcface::eval;
namespace fs = std::filesystem;

namespace {

fs::path write_rows(const fs::path& file, const std::vector<float>& rows,
                    const std::vector<std::int64_t>& shape) {
  AtomicFile out(file);
  write_npy(out, rows, shape);
  out.commit();
  return file;
}

fs::path write_text(const fs::path& file, const std::string& text) {
  std::ofstream(file) << text;
  return file;
}

// A protocol over embeddings alone.
Result measure_file(const char* protocol_name, const fs::path& features, const fs::path& names,
                    std::optional<FlipFusion> flip, const fs::path& data,
                    const std::vector<std::string>& arguments) {
  FileFeatures source(features, names, flip);
  const auto measurement = test::make_measurement(protocol(protocol_name), data, arguments);
  measurement->names = &source.names();
  measurement->read();
  return measure(*measurement, source);
}

}  // namespace

TEST_CASE("features: names lead from pictures to rows, with and without folders and suffixes") {
  const test::TemporaryFolder folder;
  const data::PictureNames names({"./ann/1.jpg", "bob\\1", "ann/2.png"}, "names");
  CHECK(names.find("ann/1.jpg") == 0);
  CHECK(names.find("/data/set/ann/1.png") == 0);
  CHECK(names.find("bob/1.jpg") == 1);
  CHECK(names.find("2.jpg") == 2);               // one name alone ends so
  CHECK_FALSE(names.find("1.jpg").has_value());  // two end so
  CHECK_FALSE(names.find("eve/2.jpg").has_value());
  CHECK_FALSE(names.find("").has_value());
  CHECK(names[1] == "bob/1");
  CHECK(test::contains(test::error_of([] {
                         data::PictureNames({"a.jpg", "b.jpg", "./a.png"}, "list.txt");
                       }),
                       "list.txt: name 3 is name 1 again"));
  CHECK(test::contains(test::error_of([] { data::PictureNames({}, "list.txt"); }), "list.txt: no names"));
  const fs::path text = write_text(folder.path() / "names.txt",
                                   "\xEF\xBB\xBF"
                                   "a.jpg\r\nb.jpg\r\n");
  CHECK(data::PictureNames(text).find("b.jpg") == 1);
}

TEST_CASE("features: rows come out in the order that is asked for, mirror images fused") {
  const test::TemporaryFolder folder;
  const fs::path rows = write_rows(folder.path() / "x.npy", {3, 4, 4, 3, 1, 0, 0, 1}, {2, 2, 2});
  const fs::path names = write_text(folder.path() / "n.txt", "a.jpg\nb.jpg\n");
  const std::vector<std::string> files{"b.jpg", "a.jpg", "b.jpg"};
  const Embeddings plain = FileFeatures(rows, names, FlipFusion::kNone).of(files);
  CHECK(plain.count == 3);
  CHECK(plain.plain == std::vector<float>{1, 0, 3, 4, 1, 0});
  CHECK(plain.magnitudes == std::vector<double>{1, 5, 1});
  FileFeatures added(rows, names, FlipFusion::kVectorAdd);
  const Embeddings sums = added.of(files);
  CHECK(std::vector<float>(sums.row(1).begin(), sums.row(1).end()) == std::vector<float>{7, 7});
  CHECK(FileFeatures(rows, names, std::nullopt, FlipFusion::kAverage).options().flip == FlipFusion::kAverage);
  const fs::path flat = write_rows(folder.path() / "flat.npy", {3, 4, 4, 3}, {2, 2});
  CHECK(FileFeatures(flat, names, std::nullopt, FlipFusion::kAverage).options().flip == FlipFusion::kNone);
  CHECK(added.model() == FileFeatures(rows, names, FlipFusion::kNone).model());
  CHECK(added.model() != FileFeatures(flat, names, FlipFusion::kNone).model());
}

TEST_CASE("features: what does not fit together is named") {
  const test::TemporaryFolder folder;
  const fs::path rows = write_rows(folder.path() / "x.npy", {3, 4, 4, 3}, {2, 2});
  const fs::path names = write_text(folder.path() / "n.txt", "a.jpg\nb.jpg\n");
  const auto refused = [&](const fs::path& x, const fs::path& n, std::optional<FlipFusion> flip,
                           const std::vector<std::string>& files, const std::string& part) {
    const std::string problem = test::error_of([&] { (void)FileFeatures(x, n, flip).of(files); });
    CAPTURE(problem, part);
    CHECK(test::contains(problem, part));
  };
  refused(rows, write_text(folder.path() / "three.txt", "a\nb\nc\n"), {}, {"a"}, "2 rows, but");
  refused(rows, names, FlipFusion::kAverage, {"a.jpg"},
          "--flip average needs the embeddings of the mirror images");
  refused(rows, names, {}, {"c.jpg"}, "no embedding of c.jpg among the 2 of");
  refused(rows, names, {}, {"x/a.jpg", "y/a.jpg"}, "name 1 (a.jpg) would stand for x/a.jpg and y/a.jpg");
  refused(write_rows(folder.path() / "nan.npy", {3, 4, 4, std::numeric_limits<float>::quiet_NaN()}, {2, 2}),
          names, {}, {"b.jpg"}, "row 1 (b.jpg) holds NaN or infinity");
  refused(write_rows(folder.path() / "cube.npy", {1, 2, 3, 4, 5, 6}, {2, 3, 1}), names, {}, {"a.jpg"},
          "expected float32 of shape [n, D], or [n, 2, D]");
  AtomicFile text(folder.path() / "text.npy");
  const std::vector<std::string> words{"a", "b"};
  write_npy(text, words);
  text.commit();
  refused(folder.path() / "text.npy", names, {}, {"a.jpg"}, "expected float32");
}

TEST_CASE("features: real embeddings of LFW give the known answers without a picture") {
  const fs::path features = test::real_data("features"), lists = test::real_data("lists");
  if (features.empty() || lists.empty())
    QCFACE_SKIP("QCFACE_REAL_DATA names no folder with features/lfw_y1.npy and lists/lfw_pairs.txt");
  const Result result =
      measure_file("verify", features / "lfw_y1.npy", features / "lfw_y1_names.txt", FlipFusion::kVectorAdd,
                   "", {"--pairs", (lists / "lfw_pairs.txt").string()});
  const nlohmann::json& cosine = result.json.at("cosine");
  CHECK(result.json.at("pairs").at("used") == 6000);
  CHECK(std::fabs(cosine.at("accuracy_mean").get<double>() - 0.9927) < 5e-5);
  CHECK(std::fabs(cosine.at("accuracy_std").get<double>() - 0.0048) < 5e-5);
  CHECK(std::fabs(cosine.at("auc").get<double>() - 0.99853) < 5e-6);
  const auto strict = [&](std::size_t row) {
    return cosine.at("tar_at_far")[row].at("tar_strict").get<double>();
  };
  CHECK(std::fabs(strict(4) - 0.9920) < 5e-5);   // FAR 1e-2
  CHECK(std::fabs(strict(3) - 0.98467) < 5e-6);  // FAR 1e-3
  CHECK(result.json.at("data").at("pictures") == 7701);
  // The official list of XQLFW names pictures of LFW, and the numbered copy of View 2 is that list.
  const Result copy =
      measure_file("verify", features / "lfw_y1.npy", features / "lfw_y1_names.txt", FlipFusion::kVectorAdd,
                   "", {"--pairs", (lists / "numbered" / "lfw_pairs.txt").string()});
  CHECK(copy.json.at("cosine") == cosine);
}
