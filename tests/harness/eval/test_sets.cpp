// `hq` and `bin`: layouts, official lists, the files of the published script.
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "core/atomic_file.h"
#include "harness/data/lists/cfp_pairs.h"
#include "harness/eval/protocols/hq_layout.h"
#include "harness/eval/protocols/verify.h"
#include "harness/synth/toy/toy.h"
#include "tests/harness/eval/fake_embedder.h"
#include "tests/harness/eval/run_protocol.h"
#include "tests/harness/eval/support.h"

using namespace qcface;
using namespace qcface::eval;
namespace fs = std::filesystem;

namespace {

const fs::path& toy() {
  static const test::TemporaryFolder folder;
  static const fs::path root = [] {
    synth::ToyOptions options;
    options.out = folder.path() / "hq";
    options.people = 6;
    synth::make_toy("hq", options);
    return options.out;
  }();
  return root;
}

void write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

std::string names_of(const std::vector<VerifySet>& sets) {
  std::string names;
  for (const VerifySet& set : sets) names += (names.empty() ? "" : ",") + set.name;
  return names;
}

}  // namespace

TEST_CASE("hq: every set that is there, in the published order, with the files of the published script") {
  const test::TemporaryFolder out;
  test::FormulaEmbedder embedder(8);
  NetworkFeatures features(embedder, {}, out.path() / "cache");
  const Result result = test::run_protocol("hq", features, toy(), out.path() / "r",
                                           {"--alpha", "0.05", "--beta", "0.08", "--euclid"});
  const nlohmann::json json = test::read_json(out.path() / "r" / "hq.json");
  REQUIRE(json.at("sets").size() == 3);
  CHECK(json.at("sets")[0].at("name") == "agedb_30");
  CHECK(json.at("sets")[2].at("name") == "lfw");
  CHECK(json.at("data").at("pictures") == 3 * 30);
  CHECK(embedder.pictures == 90);

  // Each set is what `verify` makes of its list.
  const VerifySet lfw = open_verify_set(toy() / "lfw", toy() / "pairlists" / "lfw_pairs.list");
  const VerifyResult want =
      verify_embeddings(lfw.pairs, features.of(*lfw.pictures), QmfConstants{0.05, 0.08, "given"}, true);
  CHECK(embedder.pictures == 90);  // kept
  const nlohmann::json& set = json.at("sets")[2];
  CHECK(set.at("cosine").at("accuracy_mean") == want.cosine->kfold->accuracy_mean);
  CHECK(set.at("qmf").at("auc") == want.qmf->auc);
  CHECK(set.at("euclid").at("auc_kfold") == want.euclid->kfold->auc_kfold);
  CHECK(result.figures.at("lfw_accuracy") == want.cosine->kfold->accuracy_mean);

  // 600 lines of FPR, TPR and threshold, thresholds ascending, numbers as Python writes them.
  std::istringstream lines(read_file(out.path() / "r" / "lfw" / "cos_lfw.txt"));
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    std::istringstream fields(line);
    double fpr = -1, tpr = -1, threshold = -1;
    REQUIRE(fields >> fpr >> tpr >> threshold);
    CHECK(fpr == want.cosine->kfold->mean_roc[count].fpr);
    CHECK(tpr == want.cosine->kfold->mean_roc[count].tpr);
    CHECK(threshold == want.cosine->kfold->mean_roc[count].threshold);
    CHECK(line.substr(0, line.find(' ')).find_first_of(".e") != std::string::npos);
  }
  CHECK(count == 600);
  CHECK(fs::exists(out.path() / "r" / "cfp_fp" / "qmag_cfp_fp.txt"));
  CHECK(fs::exists(out.path() / "r" / "agedb_30" / "euclid_agedb_30.txt"));
  CHECK(test::contains(read_file(out.path() / "r" / "results.txt"), "db\t\tQMagFace\t\tCosine"));
  const std::string screen = screen_text(protocol("hq").present(result));
  for (const char* part : {"agedb_30", "quality-aware", "euclid", "alpha 0.05", "not resolvable"}) {
    CAPTURE(part);
    CHECK(test::contains(screen, part));
  }
}

TEST_CASE("hq: sets by name, aliases, packs and faults") {
  const auto open = [](const std::string& wanted, const fs::path& root = toy()) {
    return open_hq_sets({root, {}, wanted, nullptr, false});
  };
  CHECK(names_of(open("lfw,agedb")) == "lfw,agedb_30");
  CHECK(names_of(open("cfp")) == "cfp_fp");
  CHECK(test::contains(test::error_of([&] { open("calfw"); }),
                       "no pictures of calfw: expected a folder calfw"));
  CHECK(test::contains(test::error_of([&] { open("lfw,lfw"); }), "lfw stands there twice"));
  CHECK(test::contains(test::error_of([&] { open("lfw,"); }), "a name is empty"));
  const test::TemporaryFolder empty;
  CHECK(test::contains(test::error_of([&] { open("", empty.path()); }),
                       "none of the high-quality sets is there"));
  // XQLFW's list over LFW's folder, and LFW's own form.
  fs::create_directories(empty.path() / "lfw" / "Ann");
  fs::copy_file(toy() / "lfw" / "imgs" / "0.jpg", empty.path() / "lfw" / "Ann" / "Ann_0001.jpg");
  fs::copy_file(toy() / "lfw" / "imgs" / "1.jpg", empty.path() / "lfw" / "Ann" / "Ann_0002.jpg");
  fs::create_directories(empty.path() / "lfw" / "Bob");
  fs::copy_file(toy() / "lfw" / "imgs" / "5.jpg", empty.path() / "lfw" / "Bob" / "Bob_0001.jpg");
  write(empty.path() / "xqlfw_pairs.txt", "Ann\t1\t2\nAnn\t2\tBob\t1\n");
  const auto found = open("", empty.path());
  CHECK(names_of(found) == "xqlfw");
  CHECK(found[0].pairs.images.size() == 3);
  CHECK(test::contains(test::error_of([&] { open("lfw", empty.path()); }), "no pair list of lfw"));
}

TEST_CASE("hq: constants fitted on Adience's pictures, whose names hold the person's number") {
  const test::TemporaryFolder folder;
  fs::copy(toy(), folder.path() / "hq", fs::copy_options::recursive);
  const fs::path training = folder.path() / "hq" / "AdienceGender" / "aligned" / "7";
  fs::create_directories(training);
  for (int i = 0; i < 30; ++i) {
    fs::copy_file(
        toy() / "lfw" / "imgs" / (std::to_string(i) + ".jpg"),
        training / ("landmark_aligned_face." + std::to_string(i / 5) + ".a" + std::to_string(i) + "_o.jpg"));
  }
  const LabelledPictures people = adience_pictures(folder.path() / "hq" / "AdienceGender");
  REQUIRE(people.files.size() == 30);
  CHECK(std::set<std::int64_t>(people.labels.begin(), people.labels.end()).size() == 6);
  test::FormulaEmbedder embedder(8);
  NetworkFeatures features(embedder, {});
  const Result result = test::run_protocol("hq", features, folder.path() / "hq", folder.path() / "out",
                                           {"--train_db", "AdienceGender", "--test_db", "lfw"});
  const nlohmann::json& constants = result.json.at("sets")[0].at("qmf_constants");
  CHECK(constants.contains("fit"));
  CHECK(test::contains(constants.at("source"), "AdienceGender, seed 0"));
  // Another run takes them from there.
  const Result again =
      test::run_protocol("hq", features, folder.path() / "hq", folder.path() / "again",
                         {"--qmf-from", (folder.path() / "out/hq.json").string(), "--test_db", "lfw"});
  CHECK(again.json.at("sets")[0].at("qmf") == result.json.at("sets")[0].at("qmf"));
  CHECK(again.json.at("data") == result.json.at("data"));
  write(folder.path() / "hq" / "AdienceGender" / "noperson.jpg", "x");
  CHECK(test::contains(test::error_of([&] { adience_pictures(folder.path() / "hq" / "AdienceGender"); }),
                       "noperson.jpg: expected the number of the person between the first two dots"));
}

TEST_CASE("lists: CFP's official protocol and CPLFW's own form") {
  const test::TemporaryFolder folder;
  const fs::path root = folder.path() / "pictures", protocol = folder.path() / "Protocol";
  for (const char* name :
       {"001/frontal_01.jpg", "001/profile_01.jpg", "002/frontal_01.jpg", "002/profile/01.jpg"})
    write(root / name, "x");
  write(protocol / "Pair_list_F.txt",
        "1 ../Data/Images/001/frontal/01.jpg\n2 ../Data/Images/002/frontal/01.jpg\n");
  write(protocol / "Pair_list_P.txt",
        "1 ../Data/Images/001/profile/01.jpg\n2 ../Data/Images/002/profile/01.jpg\n");
  for (const char* fold : {"01", "02"}) {
    write(protocol / "Split" / "FP" / fold / "same.txt", "1,1\n2,2\n");
    write(protocol / "Split" / "FP" / fold / "diff.txt", "1,2\n2,1\n");
    write(protocol / "Split" / "FF" / fold / "same.txt", "1,1\n");
    write(protocol / "Split" / "FF" / fold / "diff.txt", "1,2\n");
  }
  const data::PairList fp = data::read_pairs(protocol / "Split" / "FP", root);
  CHECK(fp.size() == 8);
  CHECK(fp.same == std::vector<char>{1, 1, 0, 0, 1, 1, 0, 0});
  CHECK(fp.images.size() == 4);
  CHECK(fp.images[1] == (root / "001/profile_01.jpg").string());
  CHECK(data::read_pairs(protocol / "Split" / "FF", root).size() == 4);

  fs::remove(root / "002/profile/01.jpg");
  CHECK(test::contains(test::error_of([&] { data::read_pairs(protocol / "Split" / "FP", root); }),
                       "line 2: there is no picture 002/profile/01.jpg"));
  const data::PairList rest = data::read_pairs(protocol / "Split" / "FP", root, {nullptr, true});
  CHECK(rest.size() == 4);
  CHECK(rest.left_out == 4);
  const auto refused = [&](const char* file, const std::string& text, const std::string& part) {
    const std::string before = read_file(protocol / file);
    write(protocol / file, text);
    const std::string problem = test::error_of([&] {
      data::read_pairs(protocol / "Split" / "FF", root, {nullptr, true});
    });
    CAPTURE(problem, part);
    CHECK(test::contains(problem, part));
    write(protocol / file, before);
  };
  refused("Split/FF/02/diff.txt", "1,3\n", "02/diff.txt: line 1: 3 is no number of Pair_list_F.txt");
  refused("Split/FF/01/same.txt", "1 2 3\n", "01/same.txt: line 1: expected two numbers");
  refused("Pair_list_F.txt", "1 a/frontal/01.jpg\n1 b/frontal/01.jpg\n",
          "line 2: number 1 stands there twice");
  refused("Pair_list_F.txt", "x a/frontal/01.jpg\n", "line 1: expected a number and the path of a picture");
  CHECK(
      test::contains(test::error_of([&] { data::read_pairs(protocol, root); }), "not Split/FF or Split/FP"));

  const fs::path own = folder.path() / "pairs_CPLFW.txt";
  for (const char* name : {"A_1.jpg", "A_2.jpg", "B_1.jpg"}) write(root / name, "x");
  write(own, "name same_person\nA_1.jpg 1\nA_2.jpg 1\nA_1.jpg 0\nB_1.jpg 0\n");
  const data::PairList cplfw = data::read_pairs(own, root);
  CHECK(cplfw.size() == 2);
  CHECK(cplfw.same == std::vector<char>{1, 0});
  CHECK(cplfw.pairs[1] == std::pair<int, int>{0, 2});
  write(own, "A_1.jpg 1\nA_2.jpg 0\n");
  CHECK(test::contains(test::error_of([&] { data::read_pairs(own, root); }),
                       "line 1: says 1, but line 2 of the same pair says 0"));
  write(own, "A_1.jpg 1\nA_2.jpg 1\nB_1.jpg 1\n");
  CHECK(test::contains(test::error_of([&] { data::read_pairs(own, root); }),
                       "line 3: the last picture has no neighbour"));
}

TEST_CASE("lists: the official lists as they are published") {
  const fs::path lists = test::real_data("lists"), cfp = test::real_data("cfp_112");
  if (lists.empty() || cfp.empty()) QCFACE_SKIP("QCFACE_REAL_DATA names no folder with lists and cfp_112");
  for (const char* split : {"FF", "FP"}) {
    const data::PairList pairs =
        data::read_pairs(lists / "cfp_protocol" / "Split" / split, cfp, {nullptr, true});
    CHECK(static_cast<std::int64_t>(pairs.size()) + pairs.left_out == 7000);
    CHECK(pairs.left_out < 100);  // 20 pictures have no face that was found
  }
  // Names alone, with every name that the lists have.
  const auto named = [&](const fs::path& list, const std::vector<std::string>& names) {
    return data::read_pairs(list, "", {std::make_unique<data::PictureNames>(names, "names").get()});
  };
  std::set<std::string> cplfw;
  std::istringstream lines(read_file(lists / "pairs_CPLFW.txt"));
  for (std::string name, label; lines >> name >> label;) {
    if (name.ends_with(".jpg")) cplfw.insert(name);
  }
  CHECK(named(lists / "pairs_CPLFW.txt", {cplfw.begin(), cplfw.end()}).size() == 6000);
  std::vector<std::string> numbers;
  for (int i = 0; i < 14000; ++i) numbers.push_back(std::to_string(i) + ".jpg");
  CHECK(named(lists / "numbered" / "agedb_pairs.txt", numbers).size() == 6000);
  CHECK(named(lists / "numbered" / "cfp_pairs.txt", numbers).size() == 7000);
}

TEST_CASE("bin: packs of a folder, each with InsightFace's figures") {
  const test::TemporaryFolder folder;
  std::ofstream(folder.path() / "x.bin") << "no pack";
  CHECK(test::contains(test::error_of([&] { open_packs(folder.path(), ""); }), "x.bin"));
  CHECK(test::contains(test::error_of([&] { open_packs(folder.path(), "lfw"); }), "there is no such pack"));
  CHECK(protocol("bin").flip == FlipFusion::kVectorAdd);
  for (const char* pack : {"py3_protocol3.bin", "py2_protocol2.bin"})
    fs::copy_file(test::vectors("bin") / pack, folder.path() / pack);
  fs::remove(folder.path() / "x.bin");
  const auto packs = open_packs(folder.path(), "");
  CHECK(names_of(packs) == "py2_protocol2,py3_protocol3");
  CHECK(names_of(open_packs(folder.path() / "py3_protocol3.bin", "")) == "py3_protocol3");
}
