// Small files of tensors for tests, and the whole of a network under any names.
#pragma once

#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/tensors/safetensors.h"
#include "nn/backbones/table.h"

namespace qcface::test {

class TensorFile {
 public:
  TensorFile& add(const std::string& name, const std::vector<std::int64_t>& shape, float first = 0.5f) {
    std::size_t count = 1;
    for (const std::int64_t extent : shape) count *= static_cast<std::size_t>(extent);
    std::vector<float>& values = values_.emplace_back(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = first + 0.001f * static_cast<float>(i % 97);
    tensors_.push_back({name, Dtype::kF32, shape, values.data()});
    return *this;
  }
  /// Every tensor of a mini backbone of this width; `name` makes its name in the file, empty leaves it out.
  TensorFile& add_mini(int width, const std::function<std::string(const std::string&)>& name) {
    const nn::Graph graph = nn::backbone("mini").build({.embed_dim = width});
    for (const nn::TensorSpec& spec : graph.tensors()) {
      if (const std::string named = name(spec.name); !named.empty()) add(named, spec.shape);
    }
    return *this;
  }
  std::vector<float>& values(const std::string& name) {
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      if (tensors_[i].name == name) return values_[i];
    }
    throw name;
  }
  std::filesystem::path write(const std::filesystem::path& path,
                              const std::map<std::string, std::string>& metadata = {}) const {
    write_safetensors(path, tensors_, metadata);
    return path;
  }

 private:
  std::vector<SafeTensorOut> tensors_;
  std::deque<std::vector<float>> values_;
};

inline std::function<std::string(const std::string&)> after(const std::string& prefix) {
  return [prefix](const std::string& name) { return prefix + name; };
}

}  // namespace qcface::test
