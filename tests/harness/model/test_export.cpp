// What `qcface export` writes, byte by byte where other programs rely on it. That they read it: tests/interop.
#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/open_file.h"
#include "core/tensors/pytorch.h"
#include "core/zip_directory.h"
#include "harness/export/export.h"
#include "harness/export/zip_writer.h"
#include "tests/harness/model/tensors.h"
#include "tests/support/catch.h"
#include "tests/support/process.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;
using exports::Format;
using test::TensorFile;
namespace fs = std::filesystem;

namespace {

test::ProcessResult qcface_export(const fs::path& weights, const fs::path& out,
                                  const std::vector<std::string>& flags = {}) {
  std::vector<std::string> arguments{QCFACE_EXECUTABLE, "export", "--weights",
                                     weights.string(),  "--out",  out.string()};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  return test::run_process(arguments);
}

}  // namespace

TEST_CASE("a .pth is a zip of aligned, checked storages that gives the same tensors back") {
  const test::TemporaryFolder folder;
  TensorFile weights;
  weights.add_mini(4, test::after("backbone."))
      .add("head.weight", {4, 7})
      .add("head.t", {1})
      .add("slot0.head.weight", {4, 7});
  const model::ModelFile file = model::open_model(weights.write(
      folder / "w.safetensors", {{"config", R"({"bn-eps":2e-5})"}, {"state", R"({"epoch":3})"}}));
  exports::export_model(file, folder / "w.pth", {});
  const MappedFile mapped = map_file(folder / "w.pth");
  const ZipDirectory directory = read_zip_directory("w.pth", mapped.bytes);
  REQUIRE(directory.contains("archive/data.pkl"));
  for (const auto& [name, entry] : directory) {
    CHECK(entry.offset % 64 == 0);
    check_crc("w.pth", name, entry);
  }
  CHECK(check_storages(mapped) == directory.size() - 3);
  const TensorSource read = open_tensors(folder / "w.pth");
  CHECK(read.metadata().at("epoch") == "3");
  CHECK(read.metadata().at("arch") == "mini");
  std::size_t counters = 0;
  for (const TensorView& view : read.tensors()) {
    CHECK_FALSE(view.name.starts_with("slot0."));
    if (view.name.ends_with("num_batches_tracked")) {
      CHECK((view.dtype == Dtype::kI64 && view.shape.empty()));
      ++counters;
      continue;
    }
    const TensorView& from = file.tensors.at(view.name);
    CHECK(view.shape == from.shape);
    CHECK(view.to_float() == from.to_float());
  }
  CHECK(read.tensors().size() - counters == file.tensors.tensors().size() - 1);  // all but the slot
  // Equal weights give equal files.
  exports::export_model(file, folder / "again.pth", {});
  CHECK(read_file(folder / "again.pth") == read_file(folder / "w.pth"));
}

TEST_CASE("Zip64 says the size of an entry of 4 GiB, and where the next one begins") {
  // Nothing of that size is written: the content hands out nothing, and the rest of the file is made a hole.
  const test::TemporaryFolder folder;
  const std::uint64_t large = std::uint64_t{5} << 30;
  AtomicFile file(folder / "large.zip");
  exports::ZipWriter zip(file);
  zip.add("archive/data/0", large, [](const auto&) {});
  zip.add("archive/version", "3\n");
  zip.finish();
  file.commit();
  std::string bytes = read_file(folder / "large.zip");
  const std::size_t second = bytes.find("PK\x03\x04", 4);
  REQUIRE(second != std::string::npos);
  std::ofstream out(folder / "holed.zip", std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(second));
  out.seekp(static_cast<std::streamoff>(second + large));
  out.write(bytes.data() + second, static_cast<std::streamsize>(bytes.size() - second));
  out.close();
  const MappedFile mapped = map_file(folder / "holed.zip");
  const ZipDirectory directory = read_zip_directory("holed.zip", mapped.bytes);
  CHECK(directory.at("archive/data/0").bytes.size() == large);
  CHECK(directory.at("archive/version").offset > large);
  check_crc("holed.zip", "archive/version", directory.at("archive/version"));
}

TEST_CASE("variances are shifted for a program of another eps and nowhere else") {
  const test::TemporaryFolder folder;
  TensorFile weights;
  weights.add_mini(4, test::after(""));  // InsightFace: 1e-5
  const model::ModelFile file = model::open_model(weights.write(folder / "w.safetensors"));
  const float before = file.tensors.at("backbone.bn1.running_var").to_float().front();
  const auto after = [&](const char* out, const exports::ExportOptions& options, const char* name) {
    exports::export_model(file, folder / out, options);
    return open_tensors(folder / out).at(name).to_float().front();
  };
  CHECK(after("a.pth", {}, "backbone.bn1.running_var") == before + static_cast<float>(1e-5 - 2e-5));
  CHECK(after("b.pth", {.bare = true}, "bn1.running_var") == before);
  CHECK(after("c.safetensors", {.format = Format::kSafetensors}, "backbone.bn1.running_var") == before);
  CHECK(model::open_model(folder / "a.pth").bn_eps == 2e-5);
  CHECK(model::open_model(folder / "a.pth").preparation.mean[0] == 0.5);
  CHECK(model::open_model(folder / "c.safetensors").bn_eps == 1e-5);
}

TEST_CASE("what cannot be exported is refused, and the file of that name stays as it was") {
  const test::TemporaryFolder folder;
  TensorFile weights;
  weights.add_mini(4, test::after("backbone.")).add("head.weight", {3, 3});
  const fs::path file = weights.write(folder / "w.safetensors");
  const auto refused = [&](const fs::path& from, const std::string& out, const std::string& text, int status,
                           const std::vector<std::string>& flags = {}) {
    const auto result = qcface_export(from, folder / out, flags);
    INFO(result.output);
    CHECK(result.status == status);
    CHECK(result.says(text));
    CHECK_FALSE(fs::exists(folder / out));
    CHECK_FALSE(fs::exists((folder / out).string() + ".tmp"));
  };
  refused(file, "w.pth", "head.weight has shape [3, 3], expected [D, K] with D = 4; --no-head leaves it out",
          1);
  refused(file, "w.txt", "no format has this suffix", 2);
  refused(file, "w.onnx", "--bare and --no-head are for .pth", 2, {"--bare"});
  refused(file, "w.pth", "--normalise and --magnitude are for .onnx", 2, {"--magnitude"});
  refused(folder / "none", "w.pth", "No such file", 1);
  CHECK(qcface_export(file, folder / "w.bin", {"--no-head", "--format", "onnx"}).status == 2);
  CHECK(qcface_export(file, folder / "no-head.bin", {"--no-head", "--format", "pth"}).ok());
  CHECK(open_tensors(folder / "no-head.bin").find("head.weight") == nullptr);

  for (const char* out : {"nan.pth", "nan.safetensors", "nan.onnx"}) {
    std::ofstream(folder / out) << "before";
    weights.values("backbone.layer2.0.bn1.bias")[2] = std::numeric_limits<float>::quiet_NaN();
    const model::ModelFile bad = model::open_model(weights.write(folder / "bad.safetensors"));
    const std::string suffix = fs::path(out).extension();
    const Format format = suffix == ".pth"    ? Format::kPytorch
                          : suffix == ".onnx" ? Format::kOnnx
                                              : Format::kSafetensors;
    CHECK_THROWS_WITH(
        exports::export_model(bad, folder / out, {.format = format, .head = false}),
        test::contains("tensor backbone.layer2.0.bn1.bias holds NaN or infinity: nothing was written"));
    CHECK(read_file(folder / out) == "before");
  }
  TensorFile part;
  part.add_mini(4, [](const std::string& name) { return name == "bn2.bias" ? "" : "backbone." + name; });
  refused(part.write(folder / "part.safetensors"), "part.pth",
          "1 of 96 backbone tensors are missing, for example bn2.bias", 1);
}

TEST_CASE("an ONNX file of 2 GiB is refused before anything of it is read") {
  const test::TemporaryFolder folder;
  const std::int64_t width = 90000;  // fc.weight [90000, 6272] has 2.26e9 bytes: a hole in a sparse file
  std::string header = "{";
  std::uint64_t offset = 0;
  const nn::Graph graph = nn::backbone("mini").build({.embed_dim = static_cast<int>(width)});
  for (const nn::TensorSpec& spec : graph.tensors()) {
    const std::uint64_t bytes = spec.elements() * sizeof(float);
    header +=
        fmt::format("{}\"backbone.{}\":{{\"dtype\":\"F32\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                    offset > 0 ? "," : "", spec.name, fmt::join(spec.shape, ","), offset, offset + bytes);
    offset += bytes;
  }
  header += "}";
  const std::uint64_t size = header.size();
  std::ofstream file(folder / "wide.safetensors", std::ios::binary);
  file.write(reinterpret_cast<const char*>(&size), sizeof size);
  file << header;
  file.close();
  fs::resize_file(folder / "wide.safetensors", 8 + size + offset);
  const model::ModelFile wide = model::open_model(folder / "wide.safetensors");
  CHECK_THROWS_WITH(exports::export_model(wide, folder / "wide.onnx", {.format = Format::kOnnx}),
                    test::contains("an ONNX file may have 2147483647"));
  CHECK_FALSE(fs::exists(folder / "wide.onnx"));
}
