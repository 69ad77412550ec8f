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
#include "core/hash.h"
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

namespace {

std::string refusal(const std::string& bytes) {
  try {
    (void)read_pytorch(test::file_of(bytes));
  } catch (const Error& error) {
    return error.what();
  }
  return "read";
}
void refused(const std::string& bytes, const std::string& expected) {
  const std::string message = refusal(bytes);
  INFO(message);
  CHECK(message.find("memory: ") == 0);
  CHECK(message.find(expected) != std::string::npos);
}
void refused_tensor(const test::TensorOpcodes& tensor, const std::string& expected) {
  refused(test::pth_of(test::state_dict({{"w", tensor.text()}})), expected);
}

}  // namespace

TEST_CASE("pth: two files of one real network give the same 333 tensors", "[pytorch]") {
  const auto folder = test::real_data("formats");
  if (folder.empty())
    QCFACE_SKIP("QCFACE_REAL_DATA names no folder with formats/checkpoints: two files of PyTorch 0.4 and 2");
  const TensorSource stream = open_tensors(folder / "checkpoints/mobilefacenet-legacy-torch04.ckpt");
  const TensorSource zip = open_tensors(folder / "checkpoints/mobilefacenet-zip.ckpt");
  REQUIRE(stream.tensors().size() == 333);
  REQUIRE(zip.tensors().size() == 333);
  std::int64_t values = 0;
  // Names and bytes as Python's own unpickler and a reader of storages of a few lines have them. (Two epochs of one training:
  // the values differ.)
  Fnv1a of_stream, of_zip;
  for (std::size_t i = 0; i < 333; ++i) {
    const TensorView &a = stream.tensors()[i], &b = zip.tensors()[i];
    INFO(a.name);
    CHECK(a.name == b.name);
    CHECK(a.shape == b.shape);
    CHECK(a.dtype == b.dtype);
    CHECK(a.bytes == b.bytes);
    values += a.elements();
    of_stream.add(a.name);
    of_stream.add(a.data, a.bytes);
    of_zip.add(b.name);
    of_zip.add(b.data, b.bytes);
  }
  CHECK(values == 1'019'186);
  CHECK(of_stream.hex() == "5ad1b74586f76321");
  CHECK(of_zip.hex() == "07d23720a229441c");
  CHECK(stream.metadata().at("pytorch.dict") == "net_state_dict");
  CHECK(zip.metadata().at("pytorch.dict") == "net_state_dict");
  CHECK(check_storages(map_file(zip.path())) == 333);
  CHECK(check_storages(map_file(stream.path())) == 0);
}

TEST_CASE("pth: strides other than row-major are copied, within a bound", "[pytorch]") {
  const float stored[] = {0, 1, 2, 3, 4, 5, 6, 7};
  const std::string storage(reinterpret_cast<const char*>(stored), sizeof stored);
  const auto values = [&](std::vector<std::int64_t> size, std::vector<std::int64_t> stride,
                          std::int64_t first) {
    const test::TensorOpcodes tensor{
        .size = std::move(size), .stride = std::move(stride), .first = first, .elements = 8};
    const std::string file = test::pth_of(test::state_dict({{"w", tensor.text()}}), storage);
    return read_pytorch(test::file_of(file)).at("w").to_float();
  };
  CHECK(values({2, 3}, {1, 2}, 1) == std::vector<float>{1, 3, 5, 2, 4, 6});
  CHECK(values({2, 2, 2}, {4, 1, 2}, 0) == std::vector<float>{0, 2, 1, 3, 4, 6, 5, 7});  // channels last
  CHECK(values({3}, {3}, 1) == std::vector<float>{1, 4, 7});
  CHECK(values({1, 2}, {0, 1}, 6) == std::vector<float>{6, 7});
  CHECK(values({2, 1, 3}, {3, 99, 1}, 1) == std::vector<float>{1, 2, 3, 4, 5, 6});
  CHECK(values({0, 3}, {3, 1}, 0).empty());
  CHECK(values({}, {}, 7) == std::vector<float>{7});
  // A copy serves every name of the same place; different ones are not more than the file holds.
  std::vector<std::pair<std::string, std::string>> entries;
  const std::string transposed = test::TensorOpcodes{.size = {2, 4}, .stride = {1, 2}, .elements = 8}.text();
  for (int i = 0; i < 1000; ++i) entries.emplace_back("w" + std::to_string(i), transposed);
  const std::string file = test::pth_of(test::state_dict(entries), storage);
  const TensorSource source = read_pytorch(test::file_of(file));
  CHECK(source.at("w0").data == source.at("w999").data);
  std::string large(1 << 20, '\0');
  entries.clear();
  for (std::int64_t i = 0; i < 20; ++i) {
    const test::TensorOpcodes tensor{.size = {2, 100'000}, .stride = {1, 2}, .first = i, .elements = 1 << 18};
    entries.emplace_back("w" + std::to_string(i), tensor.text());
  }
  refused(test::pth_of(test::state_dict(entries), large), "need more bytes than the file has");
}

TEST_CASE("pth: tensors that do not fit their storage", "[pytorch]") {
  REQUIRE(refusal(test::pth_of(
              test::state_dict({{"w", test::TensorOpcodes{.size = {4}, .stride = {1}}.text()}}))) == "read");
  refused_tensor({.size = {5}, .stride = {1}},
                 "tensor w: offset 0, shape [5] and strides [1] reach past its storage of 4 elements");
  refused_tensor({.size = {4}, .stride = {1}, .first = 1}, "reach past its storage");
  refused_tensor({.size = {4}, .stride = {1}, .first = -1}, "reach past its storage");
  refused_tensor({.size = {}, .stride = {}, .first = 4}, "reach past its storage");
  refused_tensor({.size = {2, 2}, .stride = {4, 1}}, "reach past its storage");
  refused_tensor({.size = {INT64_MAX, INT64_MAX}, .stride = {1, 1}}, "reach past its storage");
  refused_tensor({.size = {2}, .stride = {INT64_MAX}, .first = INT64_MAX}, "reach past its storage");
  refused_tensor({.size = {0, INT64_MAX, INT64_MAX}, .stride = {1, 1, 1}}, "reach past its storage");
  refused_tensor({.size = {-1}, .stride = {1}}, "an extent or a stride is no integer, or negative");
  refused_tensor({.size = {1}, .stride = {-1}}, "an extent or a stride is no integer, or negative");
  refused_tensor({.size = {1, 1}, .stride = {1}}, "2 extents and 1 strides");
  refused_tensor({.size = std::vector<std::int64_t>(65, 1), .stride = std::vector<std::int64_t>(65, 1)},
                 "at most 64");
  refused_tensor({.size = {4}, .stride = {1}, .elements = 5},
                 "its storage has 16 bytes, but 5 elements of 4 bytes were announced");
  refused_tensor({.size = {4}, .stride = {1}, .storage_class = "DoubleStorage"}, "its storage has 16 bytes");
  refused_tensor({.size = {4}, .stride = {1}, .elements = INT64_MAX}, "its storage has 16 bytes");
  refused_tensor({.size = {4}, .stride = {1}, .key = "7"}, "storage 7 has no entry a/data/7");
  refused_tensor({.size = {4}, .stride = {1}, .view = "K\x01"}, "the storage is a view of another");
}

TEST_CASE("pth: a gigabyte of claims in a small file allocates nothing", "[pytorch]") {
  for (const test::TensorOpcodes& tensor : {test::TensorOpcodes{.size = {1 << 30}, .stride = {0}},
                                            test::TensorOpcodes{.size = {1 << 20, 1 << 20}, .stride = {0, 0}},
                                            test::TensorOpcodes{.size = {3, 2}, .stride = {1, 1}},
                                            test::TensorOpcodes{.size = {2}, .stride = {0}}}) {
    const std::string file = test::pth_of(test::state_dict({{"w", tensor.text()}}));
    const TensorSource source = read_pytorch(test::file_of(file));
    CHECK(source.tensors().empty());
    CHECK_THROWS_WITH(source.at("w"), test::contains("memory: tensor w is expanded: its shape ["));
  }
  const test::TensorOpcodes unknown{.size = {4}, .stride = {1}, .storage_class = "ComplexFloatStorage"};
  const std::string file = test::pth_of(test::state_dict({{"w", unknown.text()}}));
  CHECK_THROWS_WITH(read_pytorch(test::file_of(file)).at("w"),
                    test::contains("has a storage torch.ComplexFloatStorage (byte"));
}

TEST_CASE("pth: where the dict of tensors lies", "[pytorch]") {
  const std::string tensor = test::TensorOpcodes{.size = {4}, .stride = {1}}.text();
  const std::string dict = "}" + test::text_opcode("w") + tensor + "s";
  const auto place = [](const std::string& body) {
    const std::string file = test::pth_of(body);
    return read_pytorch(test::file_of(file)).metadata().at("pytorch.dict");
  };
  const auto under = [&](const std::string& key, const std::string& value) {
    return test::text_opcode(key) + value + "s";
  };
  CHECK(place(dict) == "");
  CHECK(place("}" + under("anything", dict)) == "anything");
  CHECK(place("}" + under("best", tensor) + under("model", dict)) == "model");
  CHECK(place("}" + under("optimizer", "}" + under("state", dict)) +
              under("net", "}" + under("state_dict", dict))) == "net.state_dict");
  CHECK(place("}" + under("model", "K\x01") + under("w", tensor)) == "");
  CHECK(place("}U\x0astate_dict" + dict + "s") == "state_dict");  // a text of Python 2
  refused(test::pth_of("}" + under("epoch", "K\x01")),
          "holds no dict of tensors; its keys are: the text 'epoch'");
  refused(test::pth_of("]"), "holds a list of 0, expected a dict of tensors");
  refused(test::pth_of("cmodels\nNet\n)\x81}b"),
          "holds an object of models.Net, whose code would have to run; save its state_dict()");
  const std::string facts =
      test::pth_of("}" + under("state_dict", dict) + under("lr", std::string("G\x3f\xe0\0\0\0\0\0\0", 9)) +
                   under("config", test::text_opcode("c.yaml")) + under("done", "\x88"));
  const TensorSource source = read_pytorch(test::file_of(facts));
  CHECK(source.metadata().at("lr") == "0.5");
  CHECK(source.metadata().at("pytorch.config") == "c.yaml");
  CHECK(source.metadata().at("done") == "true");
  // The last of two values of a name counts; what is no tensor is refused when asked for.
  const std::string twice =
      test::pth_of("}" + under("state_dict", "}" + under("w", "N") + under("v", "]") + under("w", tensor)));
  const TensorSource last = read_pytorch(test::file_of(twice));
  CHECK(last.at("w").shape == std::vector<std::int64_t>{4});
  CHECK_THROWS_WITH(last.at("v"), test::contains("tensor v is a list of 0; expected a tensor"));
}

TEST_CASE("pth: archives that are none of PyTorch's, or not readable here", "[pytorch]") {
  const std::string object =
      test::pickle(test::state_dict({{"w", test::TensorOpcodes{.size = {4}, .stride = {1}}.text()}}));
  const std::string storage(16, '\0');
  REQUIRE(refusal(test::zip_of({{"a/data.pkl", object}, {"a/data/0", storage}, {"a/byteorder", "little"}})) ==
          "read");
  refused(test::zip_of({{"a/data.pkl", object}, {"a/data/0", storage}, {"a/byteorder", "big"}}),
          "its tensors are big-endian; save");
  refused(test::zip_of({{"a/data.pkl", object}, {"a/data/0", storage}, {"a/byteorder", "middle"}}),
          "the order of bytes is 'middle'");
  refused(test::zip_of({{"a/data/0", storage}}), "without an entry that ends in /data.pkl");
  refused(test::zip_of({{"a/data.pkl", object}, {"b/data.pkl", object}}), "a second entry b/data.pkl");
  refused(test::zip_of({{.name = "a/data.pkl", .data = object, .crc_error = 1}, {"a/data/0", storage}}),
          "entry a/data.pkl has the CRC-32");
  const std::string spoilt =
      test::zip_of({{"a/data.pkl", object}, {.name = "a/data/0", .data = storage, .crc_error = 1}});
  CHECK(refusal(spoilt) == "read");
  CHECK_THROWS_WITH(check_storages(test::file_of(spoilt)), test::contains("entry a/data/0 has the CRC-32"));
}

TEST_CASE("pth: the older stream, cut off or spoilt", "[pytorch]") {
  const std::string magic = test::pickle(std::string("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12));
  const std::string protocol = test::pickle("M\xe9\x03");
  const auto system = [](const char* little) {
    return test::pickle("}" + test::text_opcode("little_endian") + little + "s");
  };
  const std::string object = test::pickle(
      test::state_dict({{"w", test::TensorOpcodes{.size = {4}, .stride = {1}, .view = "N"}.text()}}));
  const std::string keys = test::pickle("]" + test::text_opcode("0") + "a");
  const std::string data = test::number(std::int64_t{4}) + std::string(16, '\0');
  const std::string head = magic + protocol + system("\x88");
  const std::string whole = head + object + keys + data;
  REQUIRE(refusal(whole) == "read");
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK(refusal(whole.substr(0, size)) != "read");
  refused(test::pickle("K\x01") + whole,
          "byte 0: is a pickle that begins with the number 1, expected the magic number");
  refused(magic + test::pickle("M\xe8\x03"), "protocol is the number 1000, expected 1001");
  refused(magic + protocol + system("\x89") + object + keys + data,
          "its tensors are not marked as little-endian");
  refused(magic + protocol + test::pickle("}") + object + keys + data, "not marked as little-endian");
  refused(head + object + test::pickle(")") + data, "a tuple of 0 where the list of storages is expected");
  refused(head + object + test::pickle("]" + test::text_opcode("9") + "a") + data,
          "the text '9' is no key of a storage");
  refused(head + object + test::pickle("]") + data, "storage 0 is not in the list of the file");
  refused(head + object + test::pickle("](" + test::text_opcode("0") + test::text_opcode("0") + "e") + data +
              data,
          "storage 0 is there twice");
  refused(head + object + keys + test::number(std::int64_t{5}) + std::string(20, '\0'),
          "storage 0 has 5 elements, but 4 were announced");
  refused(head + object + keys + test::number(std::int64_t{-1}), "has -1 elements");
  const std::string claims = test::pickle(test::state_dict(
      {{"w", test::TensorOpcodes{.size = {4}, .stride = {1}, .elements = INT64_MAX}.text()}}));
  refused(head + claims + keys + test::number(std::int64_t{INT64_MAX}),
          "where 0 bytes are left; the file is cut off");
}
