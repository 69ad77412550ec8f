// Models in several safetensors files with an index.
#include "core/tensors/sharded.h"

#include <filesystem>
#include <string>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/tensors/safetensors.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;

namespace {

const std::string kIndex = "model.safetensors.index.json";

// Two files with a, b and c, and the given weight_map.
void write_model(const test::TemporaryFolder& folder, const std::string& map) {
  const float one = 1, two[] = {2, 3};
  const SafeTensorOut first[] = {{"a", Dtype::kF32, {1}, &one}};
  const SafeTensorOut second[] = {{"b", Dtype::kF32, {2}, two}, {"c", Dtype::kF32, {1}, &one}};
  write_safetensors(folder / "model-1.safetensors", first, {{"format", "pt"}});
  write_safetensors(folder / "model-2.safetensors", second, {});
  write_file_atomically(folder / kIndex, R"({"metadata": {"total_size": 16}, "weight_map": {)" + map + "}}");
}

constexpr const char* kGood =
    R"("a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-2.safetensors")";

}  // namespace

TEST_CASE("sharded safetensors: opened by the index or by its folder", "[safetensors]") {
  const test::TemporaryFolder folder;
  write_model(folder, kGood);
  for (const std::filesystem::path& path : {folder / kIndex, folder.path()}) {
    const TensorSource source = open_tensors(path);
    CHECK(source.tensors().size() == 3);
    CHECK(source.at("b").to_float() == std::vector<float>{2, 3});
    CHECK(source.at("a").to_float() == std::vector<float>{1});
    CHECK(source.metadata().at("total_size") == "16");
    CHECK(source.metadata().at("format") == "pt");
    CHECK(source.metadata().at(kShardCount) == "2");
  }
  std::filesystem::rename(folder / kIndex, folder / "other.safetensors.index.json");
  CHECK(open_tensors(folder.path()).tensors().size() == 3);
  std::filesystem::copy_file(folder / "other.safetensors.index.json", folder / "z.safetensors.index.json");
  CHECK_THROWS_WITH(open_tensors(folder.path()),
                    test::contains("holds 2 indexes, for example other.safetensors.index.json"));
}

TEST_CASE("sharded safetensors: what does not agree is named", "[safetensors]") {
  const test::TemporaryFolder folder;
  const auto refused = [&](const std::string& map, const std::string& expected) {
    write_model(folder, map);
    CHECK_THROWS_WITH(open_tensors(folder / kIndex), test::contains(kIndex) && test::contains(expected));
  };
  refused(std::string(kGood) + R"(, "d": "model-3.safetensors", "e": "model-4.safetensors")",
          "2 of its 4 files are missing: model-3.safetensors, model-4.safetensors");
  refused(std::string(kGood) + R"(, "d": "model-2.safetensors")",
          "model-2.safetensors: holds no tensor d, where ");
  refused(R"("a": "model-1.safetensors", "b": "model-2.safetensors")",
          "model-2.safetensors: holds tensor c, which ");
  for (const char* name : {"../model-1.safetensors", "/etc/passwd", "sub/model.safetensors", "..", ".", "",
                           "a\\\\b", "a\\u0000b"})
    refused(R"("a": ")" + std::string(name) + "\"", "weight_map: tensor a is in '");
  refused(R"("a": 3)", "the file of tensor a is no text");
  write_file_atomically(folder / kIndex, R"({"a": 1})");
  CHECK_THROWS_WITH(open_tensors(folder / kIndex), test::contains("without an object weight_map"));
  write_file_atomically(folder / kIndex, "{ nonsense");
  CHECK_THROWS_WITH(open_tensors(folder / kIndex), test::contains(kIndex) && test::contains("parse error"));
  const test::TemporaryFolder empty;
  CHECK_THROWS_WITH(open_tensors(empty.path()),
                    test::contains("is a folder without model.safetensors.index.json"));
}
