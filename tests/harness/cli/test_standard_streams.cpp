#include <algorithm>
#include <filesystem>
#include <string>

#include "core/atomic_file.h"
#include "core/tensors/safetensors.h"
#include "tests/harness/cli/qcface_program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;

TEST_CASE("every command has a help that exits with 0", "[cli]") {
  for (const char* command : {"", "train", "eval", "eval verify", "eval degradation", "embed", "inspect",
                              "report", "data", "data synth", "data bench", "docs"}) {
    const test::ProcessResult result = test::run_shell(std::string("\"$0\" ") + command + " --help");
    INFO(command);
    CHECK(result.status == 0);
    CHECK(result.says("--help"));
  }
}

TEST_CASE("what was printed and did not arrive is an exit status and one sentence", "[cli]") {
  const test::TemporaryFolder folder;
  const float values[] = {1, 2};
  const SafeTensorOut tensor[] = {{"a", Dtype::kF32, {2}, values}};
  write_safetensors(folder / "a.safetensors", tensor, {});
  for (const std::string& command :
       {std::string("--help"), std::string("--version"), std::string("train --help"), std::string("docs"),
        "inspect " + (folder / "a.safetensors").string()}) {
    const test::ProcessResult result = test::run_shell("exec \"$0\" " + command + " > /dev/full");
    INFO(command + ": " + result.output);
    CHECK(result.status == 1);
    CHECK(result.output.find("qcface: standard output could not be written: ") == 0);
    CHECK(std::count(result.output.begin(), result.output.end(), '\n') == 1);
  }
  // A reader that has seen enough is no error.
  const test::ProcessResult gone = test::run_shell("\"$0\" docs | :");
  CHECK(gone.output.empty());
}

TEST_CASE("closed standard streams do not become the files of a run", "[cli]") {
  const test::TemporaryFolder folder;
  test::ProcessOptions options;
  options.closed = {0, 1, 2};
  options.working_folder = folder.path().string();
  const test::ProcessResult result = test::draw_tiny_faces("faces", 1, options);
  CHECK(result.status == 0);
  CHECK(result.output.empty());
  const std::string list = read_file(folder / "faces/verify/pairs.list");
  CHECK(list.find("faces") == std::string::npos);
  CHECK(std::count(list.begin(), list.end(), '\n') == 20);
}

TEST_CASE("descriptors that are closed are opened before anything else", "[cli]") {
  const test::ProcessResult result = test::run_shell(
      "for c in '<&-' '>&-' '2>&-' '<&- >&- 2>&-'; do eval \"\\\"\\$0\\\" inspect none $c\"; echo $?; done");
  INFO(result.output);
  CHECK(result.output.find("1\n") != std::string::npos);
  CHECK(result.says("none: cannot be opened: No such file or directory"));
}
