#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "harness/console/usage.h"
#include "tests/harness/cli/qcface_program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;

namespace {

void refused(const std::vector<std::string>& arguments, const std::string& sentence) {
  const test::ProcessResult result = test::run_qcface(arguments);
  INFO(result.output);
  CHECK(result.status == 2);
  CHECK(result.says(sentence));
}

}  // namespace

TEST_CASE("the nearest word is suggested, and none where none is near", "[cli]") {
  const std::vector<std::string> options{"--batch-size", "--lr", "--wd", "--no-shuffle", "-b"};
  CHECK(did_you_mean("--batchsize", options) == "; did you mean --batch-size?");
  CHECK(did_you_mean("-batch_size", options) == "; did you mean --batch-size?");
  CHECK(did_you_mean("--BATCH-SIZE", options) == "; did you mean --batch-size?");
  CHECK(did_you_mean("--no-shufle", options) == "; did you mean --no-shuffle?");
  CHECK(did_you_mean("shuffel-no", options).empty());
  CHECK(did_you_mean("--x", options).empty());
  CHECK(did_you_mean("", options).empty());
  CHECK(did_you_mean("--" + std::string(100000, 'b'), options).empty());
}

TEST_CASE("errors of usage exit with 2 and name the nearest command or option", "[cli]") {
  refused({}, "expected one of train, eval, embed, export, checkpoint, compare, inspect, report, data");
  refused({"evl"}, "unknown command qcface evl; did you mean eval?");
  refused({"eval"}, "expected one of verify, hq, bin, ijb");
  refused({"eval", "verfy"}, "unknown command qcface eval verfy; did you mean verify?");
  refused({"--verison"}, "unknown option --verison; did you mean --version?");
  refused({"train", "--batchsize", "12"}, "unknown option --batchsize; did you mean --batch-size?");
  refused({"train", "--batchsize=12"}, "unknown option --batchsize; did you mean --batch-size?");
  refused({"data", "synth", "--identites", "3"}, "did you mean --identities?");
  refused({"inspect", "--al", "file"}, "did you mean --all?");
  refused({"inspect"}, "FILE is required");
  refused({"inspect", "a", "b"}, "unexpected argument b");
  refused({"train", "--epochs"}, "--epochs");
  refused({"train", "--arch", "ir5O"},
          "--arch is ir5O, expected one of ir18, ir34, ir50, ir100, mini; did you mean ir50?");
  refused({"train", "--mean", "0.5", "0.5"}, "--mean");
  refused({"train", "--mean", "0.5", "0.5", "0.5", "0.5"}, "unexpected argument 0.5");
  refused({"train"}, "--data_dirs is missing");
  refused({"embed"}, "--data is missing");
  refused({"eval", "verify", "--data", ".", "--alpha", "1"}, "--alpha and --qmf off contradict each other");
}

TEST_CASE("numbers of the command line are whole, decimal, finite and in range", "[cli]") {
  refused({"train", "--epochs", "4294967297"},
          "--epochs is 4294967297, expected an integer from 1 to 1000000");
  refused({"train", "--epochs", "0x10"}, "--epochs is 0x10, expected an integer");
  refused({"train", "--epochs", "1e3"}, "--epochs is 1e3, expected an integer");
  refused({"train", "--epochs", ""}, "--epochs is empty, expected an integer");
  refused({"train", "--seed", "-1"}, "--seed is -1, expected an integer from 0 to 18446744073709551615");
  refused({"train", "--seed", "18446744073709551616"}, "--seed is 18446744073709551616");
  refused({"train", "--lr", "1e999"}, "--lr is 1e999, expected a number");
  refused({"train", "--lr", "nan"}, "--lr is nan, expected a number");
  refused({"train", "--lr-drop-epoch", "5", "4294967296"}, "--lr-drop-epoch is 4294967296");
  refused({"train", "--embed_dims", "2000000000"},
          "--embed_dims is 2000000000, expected an integer from 1 to 65536");
  refused({"embed", "--threads", "100000"}, "--threads is 100000, expected an integer from 0 to 1024");
  refused({"data", "bench", "-j", "1000"}, "--workers is 1000, expected an integer from 0 to 256");
}

TEST_CASE("a configuration file is held to the same rules as the command line", "[cli]") {
  const test::TemporaryFolder folder;
  const std::string file = (folder / "c.json").string();
  const auto refused_file = [&](const std::string& content, const std::string& sentence) {
    write_file_atomically(file, content);
    refused({"train", "--config", file}, file + ": " + sentence);
  };
  refused_file(R"({"epochs": 4294967297})",
               "option \"epochs\" is 4294967297, expected an integer from 1 to 1000000");
  refused_file(R"({"batchsize": 3})", "unknown option \"batchsize\"; did you mean batch-size?");
  refused_file(R"({"lr": 1e999})", "not a configuration file: number overflow parsing '1e999' (at \"lr\")");
  refused_file(std::string(100000, '['), "not a configuration file: values nest deeper than 64");
}
