// --eval-data and --degrade-data: names that differ, mistakes found before the first step, failures at the end.
#include <fmt/format.h>

#include <string>
#include <thread>
#include <vector>

#include "core/atomic_file.h"
#include "core/json.h"
#include "harness/data/lists/pairs.h"
#include "harness/synth/toy/toy.h"
#include "harness/train/evaluation.h"
#include "nn/backbones/iresnet.h"
#include "tests/core/pickle_support.h"
#include "tests/harness/train/train_support.h"
#include "tests/support/catch.h"

using namespace qcface;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> names_of(const std::vector<fs::path>& folders) {
  return train::unique_set_names(folders);
}

fs::path copy_of_verify(const fs::path& to) {
  fs::create_directories(to.parent_path());
  fs::copy(test::small_faces() / "verify", to, fs::copy_options::recursive);
  return to;
}

void require_refused_at_once(const test::ProcessResult& result, const std::string& expected) {
  INFO(result.output);
  REQUIRE(result.status == 1);
  REQUIRE(result.says(expected));
  REQUIRE_FALSE(result.says("step 1/"));
}

}  // namespace

TEST_CASE("evaluation sets have names that differ") {
  using Names = std::vector<std::string>;
  REQUIRE(names_of({"/d/lfw", "/d/cfp/"}) == Names{"lfw", "cfp"});
  REQUIRE(names_of({"/d/lfw/val", "/d/cfp/val", "/d/age"}) == Names{"lfw-val", "cfp-val", "age"});
  REQUIRE(names_of({"/a/x/val", "/b/x/val", "/b/y/val"}) == Names{"a-x-val", "b-x-val", "y-val"});
  REQUIRE(names_of({"/d/lfw/val", "/d/cfp/val", "/d/lfw-val"}) ==
          Names{"d-lfw-val-1", "cfp-val", "d-lfw-val-3"});
  REQUIRE(names_of({"/a-b/c", "/a/b/c", "/c"}).size() == 3);
  REQUIRE(names_of({"."})[0] == fs::current_path().filename().string());
  REQUIRE(names_of({"/"}) == Names{"root"});
}

TEST_CASE("sets of one last name keep a result each") {
  test::TemporaryFolder folder;
  const auto run = folder / "run";
  const auto result =
      test::train(run, {"--max-steps", "1", "--eval-data", copy_of_verify(folder / "lfw/val").string(),
                        copy_of_verify(folder / "cfp/val").string()});
  INFO(result.output);
  REQUIRE(result.ok());
  REQUIRE(fs::exists(run / "eval/verify.json"));
  REQUIRE(fs::exists(run / "eval/cfp-val/verify.json"));
  const std::string page = read_file(run / "report.html");
  REQUIRE(page.find("<h3>lfw-val</h3>") != std::string::npos);
  REQUIRE(page.find("<h3>cfp-val</h3>") != std::string::npos);
}

TEST_CASE("evaluation sets that cannot be measured are refused before the first step") {
  test::TemporaryFolder folder;
  const auto run = folder / "run";
  const fs::path set = copy_of_verify(folder / "set");
  const auto with_list = [&](const std::string& list) {
    write_file_atomically(set / "pairs.list", list);
    return test::train(run, {"--eval-data", set.string()});
  };
  std::string same, different;
  for (int i = 1; i <= 12; ++i) {
    same += fmt::format("{} {} 1\n", i, i + 1);
    different += fmt::format("{} {} 0\n", i, i + 1);
  }
  require_refused_at_once(with_list(same), "12 pairs of one person and 0 of two");
  require_refused_at_once(with_list(different), "0 pairs of one person and 12 of two");
  require_refused_at_once(with_list("1 2 1\n3 4 0\n"), "at least 10");
  require_refused_at_once(with_list(same + different + "1 999 1\n"), "999");
  write_file_atomically(set / "pairs.list", same + different);
  fs::create_directory_symlink(set, folder / "link");
  require_refused_at_once(test::train(run, {"--eval-data", set.string(), (folder / "link").string()}),
                          "is the same folder as");

  const fs::path degrade = folder / "degrade";
  fs::create_directories(degrade);
  const auto with_levels = [&](const std::string& rows) {
    write_file_atomically(degrade / "levels.csv", "file,source,kind,level\n" + rows);
    return test::train(run, {"--degrade-data", degrade.string()});
  };
  require_refused_at_once(with_levels("absent.jpg,a,blur,1\n"), "absent.jpg");
  fs::copy(set / "imgs/1.jpg", degrade / "1.jpg");
  require_refused_at_once(with_levels("1.jpg,a,blur,much\n"), "is not a number");
  require_refused_at_once(with_levels("1.jpg,a,clean,0\n"), "lists clean pictures only");
}

TEST_CASE("a verification pack serves as a set, and its pairs have to be measurable") {
  test::TemporaryFolder folder;
  const data::PairList list =
      data::read_pairs(test::small_faces() / "verify/pairs.list", test::small_faces() / "verify");
  const auto write_pack = [&](const fs::path& file, bool all) {
    std::string pictures, labels;
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (!all && list.same[i] == 0) continue;
      for (const int picture : {list.pairs[i].first, list.pairs[i].second}) {
        const std::string bytes = read_file(list.images[static_cast<std::size_t>(picture)]);
        pictures += "B" + test::number(static_cast<std::uint32_t>(bytes.size())) + bytes;
      }
      labels += list.same[i] != 0 ? "\x88" : "\x89";
    }
    write_file_atomically(file, test::pickle("](" + pictures + "e](" + labels + "e\x86"));
  };
  write_pack(folder / "lfw.bin", true);
  write_pack(folder / "same.bin", false);
  train::TrainOptions options;
  options.arch = "mini";
  options.workers = 1;
  options.eval_data = {(folder / "lfw.bin").string(), (test::small_faces() / "verify").string()};
  const auto alone = make_single_communicator();
  const auto backend = nn::make_cpu_backend(1);
  nn::Network network(nn::iresnet_graph(nn::iresnet_config("mini", 32)), *backend);
  network.parameters().initialise(1);
  std::vector<train::EvalSet> sets = train::read_eval_sets(options);
  REQUIRE(sets.at(0).name == "lfw.bin");
  const double of_pack =
      train::verify_set(network, sets[0], options, 1, *alone).figures.at("accuracy").get<double>();
  CHECK(of_pack ==
        train::verify_set(network, sets[1], options, 1, *alone).figures.at("accuracy").get<double>());
  options.eval_data = {(folder / "same.bin").string()};
  CHECK_THROWS_WITH(train::read_eval_sets(options),
                    test::contains("--eval-data ") && test::contains("both kinds are needed"));
}

TEST_CASE("any protocol is measured between epochs, and the best is told by any of its figures") {
  test::TemporaryFolder folder;
  synth::ToyOptions toy;
  toy.out = folder / "faces";
  toy.people = 4;
  synth::make_toy("hq", toy);
  const auto run = folder / "run";
  const std::string sets = fmt::format("hq:{} --test_db lfw,cfp_fp --flip average", toy.out.string());
  const auto result =
      test::train(run, {"--epochs", "2", "--eval-data", sets, (test::small_faces() / "verify").string(),
                        "--best-by", "faces/lfw_auc"});
  INFO(result.output);
  REQUIRE(result.ok());
  REQUIRE(result.says("verified faces after epoch 2: accuracy"));
  const auto found = parse_json(read_file(run / "eval/hq.json"));
  CHECK(found.at("sets").size() == 2);
  CHECK(found.at("conditions").at("flip") == "average");
  CHECK(fs::exists(run / "eval/verify/verify.json"));
  CHECK(read_file(run / "metrics.jsonl").find("\"lfw_auc\":") != std::string::npos);
  CHECK(read_file(run / "report.html").find("Verification sets") != std::string::npos);
  CHECK(read_file(run / "checkpoints/best.safetensors").find("lfw_auc of faces") != std::string::npos);

  const auto absent = test::train(folder / "b", {"--eval-data", sets, "--best-by", "lfw/auc"});
  CHECK(absent.status == 2);
  CHECK(absent.says("no set lfw among those of --eval-data: faces"));
  const auto unknown = test::train(folder / "c", {"--eval-data", sets + " --no-such 1"});
  CHECK(unknown.status == 2);
  CHECK(unknown.says("--no-such"));
  const auto without =
      test::train(folder / "d", {"--epochs", "1", "--eval-data", sets, "--best-by", "rank1"});
  INFO(without.output);
  CHECK(without.ok());
  CHECK(without.says("no set gives the figure 'rank1' that --best-by names"));
}

TEST_CASE("a set that vanishes costs its result and the exit status, not the run") {
  test::TemporaryFolder folder;
  const auto run = folder / "run";
  const fs::path set = copy_of_verify(folder / "set");
  std::thread vanish = test::remove_when_logged(run, "step 1/", set);
  const auto result = test::train(run, {"--epochs", "2", "--eval-data", set.string(),
                                        copy_of_verify(folder / "stays").string(), "--no-report"});
  vanish.join();
  INFO(result.output);
  REQUIRE(result.status == 1);
  REQUIRE(result.says("set could not be verified after epoch 1"));
  REQUIRE(result.says("the final verification on set failed"));
  REQUIRE(result.says("finished after 8 steps"));
  REQUIRE(fs::exists(run / "eval/stays/verify.json"));
  REQUIRE(test::newest_checkpoint(run).filename() == "step-000000008.safetensors");
}

TEST_CASE("the final evaluation writes the last verification, and embeds anew for other weights") {
  test::TemporaryFolder folder;
  const fs::path set = copy_of_verify(folder / "set");
  train::TrainOptions options;
  options.arch = "mini";
  options.workers = 1;
  options.eval_data = {set.string()};
  const auto alone = make_single_communicator();
  const auto backend = nn::make_cpu_backend(1);
  nn::Network network(nn::iresnet_graph(nn::iresnet_config("mini", 32)), *backend);
  network.parameters().initialise(1);
  const auto final_result = [&](std::vector<train::EvalSet>& sets, const fs::path& run, std::int64_t step) {
    return train::write_final_evaluation(network, sets, options, run, "w", "cpu", step, *alone);
  };
  std::vector<train::EvalSet> fresh = train::read_eval_sets(options);
  REQUIRE(final_result(fresh, folder / "fresh", 8));

  std::vector<train::EvalSet> sets = train::read_eval_sets(options);
  const double accuracy =
      train::verify_set(network, sets[0], options, 8, *alone).figures.at("accuracy").get<double>();
  fs::remove_all(set / "imgs");  // nothing can be embedded any more
  REQUIRE(final_result(sets, folder / "kept", 8));
  for (const char* name : {"roc.csv", "roc.svg", "magnitudes.csv"}) {
    REQUIRE(read_file(folder / "kept/eval" / name) == read_file(folder / "fresh/eval" / name));
  }
  auto kept = parse_json(read_file(folder / "kept/eval/verify.json"));
  auto anew = parse_json(read_file(folder / "fresh/eval/verify.json"));
  kept.erase("embed_seconds");
  anew.erase("embed_seconds");
  REQUIRE(kept == anew);
  REQUIRE(kept.at("cosine").at("accuracy_mean").get<double>() == accuracy);
  REQUIRE(kept.at("conditions").at("set") == "set");

  REQUIRE_FALSE(final_result(sets, folder / "later", 9));  // other weights: it would have to embed
  REQUIRE_FALSE(fs::exists(folder / "later/eval/verify.json"));
}
