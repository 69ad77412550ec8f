#include <algorithm>
#include <cstdint>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "core/tensors/safetensors.h"
#include "tests/harness/cli/qcface_program.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_data.h"

using namespace qcface;

TEST_CASE("inspect shows foreign names without obeying them", "[cli]") {
  const test::TemporaryFolder folder;
  const float values[] = {1, 2};
  const SafeTensorOut tensors[] = {{"\x1b[2Jname\nnext", Dtype::kF32, {2}, values}};
  write_safetensors(folder / "a.safetensors", tensors, {{"k\x1b", "v\x1b\tx"}, {"arch", "\x1b]0;title\x07"}});
  const test::ProcessResult result = test::run_qcface({"inspect", (folder / "a.safetensors").string()});
  INFO(result.output);
  CHECK(result.ok());
  CHECK(result.output.find('\x1b') == std::string::npos);
  CHECK(result.says(R"(\x1b[2Jname\nnext)"));
  CHECK(result.says(R"(k\x1b: v\x1b\tx)"));
  CHECK(result.says("min 1 max 2 rms 1.581"));
}

TEST_CASE("inspect prints a bounded number of lines, and all of them with --all", "[cli]") {
  const test::TemporaryFolder folder;
  std::vector<SafeTensorOut> tensors;
  const float value = 1;
  for (int i = 0; i < 3000; ++i) tensors.push_back({"t" + std::to_string(i), Dtype::kF32, {1}, &value});
  std::string list = "{\"a\": [0";
  for (int i = 0; i < 5000; ++i) list += ",1";
  write_safetensors(folder / "a.safetensors", tensors,
                    {{"config", list + "]}"}, {"long", std::string(100000, 'x')}});
  const std::string file = (folder / "a.safetensors").string();
  const auto lines = [](const std::string& text) { return std::count(text.begin(), text.end(), '\n'); };
  const test::ProcessResult some = test::run_qcface({"inspect", file});
  CHECK(some.ok());
  CHECK(lines(some.output) < 1300);
  CHECK(some.output.size() < 100000);
  CHECK(some.says("and 2000 more tensors (--all shows them)"));
  const test::ProcessResult all = test::run_qcface({"inspect", "--all", file});
  CHECK(all.ok());
  CHECK(lines(all.output) > 8000);
}

TEST_CASE("inspect of metadata that nests 100,000 deep ends", "[cli]") {
  const test::TemporaryFolder folder;
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += R"({"a":)";
  deep += "1" + std::string(100000, '}');
  write_safetensors(folder / "value.safetensors", {}, {{"config", deep}});  // as text: valid, shown cut
  const test::ProcessResult value = test::run_qcface({"inspect", (folder / "value.safetensors").string()});
  CHECK(value.ok());
  CHECK(value.output.size() < 10000);
  const std::string header = R"({"__metadata__":{"config":)" + deep + "}}";
  std::ofstream file(folder / "header.safetensors", std::ios::binary);
  const std::uint64_t size = header.size();
  file.write(reinterpret_cast<const char*>(&size), sizeof size);
  file << header;
  file.close();
  const test::ProcessResult refused = test::run_qcface({"inspect", (folder / "header.safetensors").string()});
  INFO(refused.output);
  CHECK(refused.status == 1);
  CHECK(refused.says("header at byte 8 is malformed: values nest deeper than 64"));
}

TEST_CASE("statistics of a tensor of several blocks, with and without values that are not finite", "[cli]") {
  const test::TemporaryFolder folder;
  std::vector<float> values((std::size_t{1} << 20) + 5, 0.5f);
  values.back() = -2;
  const std::int64_t count = static_cast<std::int64_t>(values.size());
  const SafeTensorOut good[] = {{"a", Dtype::kF32, {count}, values.data()}};
  write_safetensors(folder / "a.safetensors", good, {});
  CHECK(test::run_qcface({"inspect", (folder / "a.safetensors").string()}).says("min -2 max 0.5 rms 0.5"));
  values[3] = std::numeric_limits<float>::quiet_NaN();
  values.back() = std::numeric_limits<float>::infinity();
  write_safetensors(folder / "a.safetensors", good, {});
  CHECK(test::run_qcface({"inspect", (folder / "a.safetensors").string()})
            .says("2 values are NaN or infinite"));
}

TEST_CASE("inspect of PyTorch's files says which container it is, where the tensors lay and what is refused",
          "[cli]") {
  const auto inspect = [](const char* name) {
    const auto file = test::vectors((std::string("pth/") + name).c_str()).string();
    return test::run_qcface({"inspect", "--checksums", file});
  };
  const test::ProcessResult zip = inspect("qcface_zip.pth");
  INFO(zip.output);
  CHECK(zip.ok());
  CHECK(zip.says("qcface_zip.pth: 23 tensors"));
  CHECK(
      zip.says("format: PyTorch (zip container), tensors under state_dict\nchecksums: those of all 21 "
               "storages are right\n"));
  CHECK(zip.says("epoch: 12"));
  CHECK(zip.says("backbone: ir18"));
  const test::ProcessResult bad = inspect("reject_global_in_state_dict.pth");
  CHECK(bad.ok());
  CHECK(bad.says("refused: it is what calling __builtin__.print would make"));
  CHECK_FALSE(bad.says("this must never be printed"));
  const test::ProcessResult stream = inspect("qcface_legacy.pth");
  CHECK(stream.status == 1);
  CHECK(stream.says("--checksums: "));
  const auto file = test::vectors("pth/qcface_legacy.pth").string();
  CHECK(test::run_qcface({"inspect", file})
            .says("format: PyTorch (stream, as versions before 1.6 wrote), tensors under state_dict"));
  CHECK(test::run_qcface({"inspect", test::vectors("pth/insightface_backbone.pth").string()})
            .says("format: PyTorch (zip container), tensors in the file itself"));
  const test::ProcessResult outside =
      test::run_qcface({"inspect", test::vectors("pth/reject_out_of_bounds.pth").string()});
  CHECK(outside.status == 1);
  CHECK(outside.says("reject_out_of_bounds.pth: byte 264: tensor backbone.conv1.weight: offset 0, shape"));
}

TEST_CASE("inspect takes the folder of a model in several files", "[cli]") {
  const test::TemporaryFolder folder;
  const float value = 1;
  const SafeTensorOut tensors[] = {{"a", Dtype::kF32, {1}, &value}};
  write_safetensors(folder / "m-1.safetensors", tensors, {});
  std::ofstream(folder / "model.safetensors.index.json") << R"({"weight_map": {"a": "m-1.safetensors"}})";
  const test::ProcessResult result = test::run_qcface({"inspect", folder.path().string()});
  INFO(result.output);
  CHECK(result.ok());
  CHECK(result.says("format: safetensors, 1 files of one index"));
}
