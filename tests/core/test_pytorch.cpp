// Files of PyTorch: the vectors of data-formats.md section 5, which PyTorch 1.13 wrote, and hostile ones.
#include "core/tensors/pytorch.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "tests/core/pickle_support.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_data.h"

using namespace qcface;

namespace {

nlohmann::json expected() {
  std::ifstream stream(test::vectors("pth/expected.json"));
  return nlohmann::json::parse(stream);
}

std::vector<double> values_of(const TensorView& view) {
  std::vector<double> values;
  const auto read = [&](auto sample) {
    for (std::int64_t i = 0; i < view.elements(); ++i) {
      std::memcpy(&sample, view.data + static_cast<std::size_t>(i) * sizeof sample, sizeof sample);
      values.push_back(static_cast<double>(sample));
    }
  };
  switch (view.dtype) {
    case Dtype::kI64:
      read(std::int64_t{});
      break;
    case Dtype::kI32:
      read(std::int32_t{});
      break;
    case Dtype::kU8:
    case Dtype::kBool:
      read(std::uint8_t{});
      break;
    case Dtype::kF64:
      read(double{});
      break;
    default:
      for (const float value : view.to_float()) values.push_back(static_cast<double>(value));
  }
  return values;
}

const std::map<std::string, Dtype> kDtypes{
    {"float32", Dtype::kF32}, {"int64", Dtype::kI64}, {"float16", Dtype::kF16}, {"bfloat16", Dtype::kBF16},
    {"float64", Dtype::kF64}, {"bool", Dtype::kBool}, {"int32", Dtype::kI32},   {"uint8", Dtype::kU8}};

void check_tensor(const TensorView& view, const nlohmann::json& wanted) {
  INFO(view.name);
  CHECK(view.dtype == kDtypes.at(wanted.at("dtype").get<std::string>()));
  CHECK(view.shape == wanted.at("shape").get<std::vector<std::int64_t>>());
  CHECK(view.bytes == static_cast<std::size_t>(view.elements()) * size_of(view.dtype));
  std::vector<double> values;
  for (const auto& value : wanted.at("values"))
    values.push_back(value.is_boolean() ? (value.get<bool>() ? 1.0 : 0.0) : value.get<double>());
  CHECK(values_of(view) == values);
}

TensorSource open(const char* name) {
  return open_tensors(test::vectors((std::string("pth/") + name).c_str()));
}

}  // namespace

TEST_CASE("pth: one state dict in four containers gives the same tensors, in the order of the dict",
          "[pytorch]") {
  const nlohmann::json wanted = expected();
  const auto order = wanted.at("qcface").at("order").get<std::vector<std::string>>();
  for (const char* name :
       {"qcface_zip.pth", "qcface_zip_modern_cuda.pth", "qcface_zip64.pth", "qcface_legacy.pth"}) {
    INFO(name);
    const TensorSource source = open(name);
    REQUIRE(source.tensors().size() == order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      CHECK(source.tensors()[i].name == order[i]);
      check_tensor(source.at(order[i]), wanted.at("qcface").at("state_dict").at(order[i]));
    }
    CHECK(source.metadata().at("epoch") == "12");
    CHECK(source.metadata().at("arch") == "ir18");
    CHECK(source.metadata().at("pytorch.dict") == "state_dict");
    CHECK(source.metadata().at("pytorch.format") ==
          (std::string(name) == "qcface_legacy.pth" ? "stream" : "zip"));
    CHECK(source.refused().empty());
  }
}

TEST_CASE("pth: element types", "[pytorch]") {
  const nlohmann::json wanted = expected().at("dtypes");
  const TensorSource source = open("dtypes.pth");
  REQUIRE(source.tensors().size() == wanted.size());
  for (const auto& [name, tensor] : wanted.items()) check_tensor(source.at(name), tensor);
}

TEST_CASE("pth: the dict of tensors of every family is found, its names as they are", "[pytorch]") {
  const nlohmann::json wanted = expected();
  const TensorSource parallel = open("magface_dp.pth");
  CHECK(parallel.metadata().at("pytorch.dict") == "state_dict");
  std::vector<std::string> names;
  for (const TensorView& view : parallel.tensors()) names.push_back(view.name);
  CHECK(names == wanted.at("magface_dp_keys").get<std::vector<std::string>>());
  CHECK(open("magface_ddp.pth").find("features.module.conv1.weight") != nullptr);

  const TensorSource bare = open("insightface_backbone.pth");
  CHECK(bare.metadata().at("pytorch.dict").empty());
  CHECK(bare.find("layer1.11.bn1.weight") != nullptr);
  const TensorSource resume = open("insightface_checkpoint.pt");
  CHECK(resume.metadata().at("pytorch.dict") == "state_dict_backbone");
  CHECK(resume.find("conv1.weight") != nullptr);
  CHECK(resume.find("state_dict_softmax_fc.weight") != nullptr);
  CHECK(resume.tensors().size() == bare.tensors().size() + 1);

  const TensorSource lightning = open("lightning_adaface.ckpt");
  for (const auto& [name, tensor] : wanted.at("lightning").at("state_dict").items())
    check_tensor(lightning.at(name), tensor);
  CHECK(lightning.tensors().size() == wanted.at("lightning").at("state_dict").size());
  CHECK(lightning.metadata().at("pytorch-lightning_version") == "1.4.4");
  CHECK(lightning.refused().empty());
}

TEST_CASE("pth: a bad entry is an error when it is asked for, a bad tensor at once", "[pytorch]") {
  const TensorSource source = open("reject_global_in_state_dict.pth");
  CHECK(source.at("backbone.x").to_float().size() == 2);
  CHECK(source.tensors().size() == 1);
  const std::string message =
      "reject_global_in_state_dict.pth: tensor backbone.y is what calling __builtin__.print would "
      "make (byte 432), which is never done; expected a tensor";
  CHECK_THROWS_WITH(source.at("backbone.y"), test::contains(message));
  CHECK_THROWS_WITH(source.find("backbone.y"), test::contains(message));
  CHECK_THROWS_WITH(open("reject_out_of_bounds.pth"), test::contains("reject_out_of_bounds.pth: byte ") &&
                                                          test::contains("reach past its storage"));
}
