// Named tensors of a file, whatever its format. A format is a reader of a mapped file and a line in read_tensors().
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/open_file.h"

namespace qcface {

enum class Dtype { kF64, kF32, kF16, kBF16, kI64, kI32, kI16, kI8, kU8, kBool, kU32, kU64 };
std::size_t size_of(Dtype dtype);
const char* name_of(Dtype dtype);

/// Extents that a tensor has at most, as in NumPy and PyTorch.
inline constexpr std::size_t kMostExtents = 64;

/// Data stays valid as long as its TensorSource, in row-major order; it may start at any byte.
struct TensorView {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<std::int64_t> shape;
  const std::byte* data = nullptr;
  std::size_t bytes = 0;
  std::int64_t elements() const;
  /// Values as float, converted from F32, F64, F16 or BF16; any other type is an Error naming the tensor.
  std::vector<float> to_float() const;
  /// The same of the values from `first` on, as many as `values` holds.
  void to_float(std::int64_t first, std::span<float> values) const;
};

class TensorSource {
 public:
  /// `memory` owns what the views point at. `refused`: names in the file that stand for no tensor that is read, and why, as
  /// the end of a sentence that begins with the tensor.
  TensorSource(std::string path, std::vector<TensorView> tensors, std::map<std::string, std::string> metadata,
               std::shared_ptr<const void> memory, std::map<std::string, std::string> refused = {});

  /// The file, for messages.
  const std::string& path() const { return path_; }
  const std::vector<TensorView>& tensors() const { return tensors_; }  // in file order
  /// Null where the file holds no such name. Throws Error naming the file and the tensor where it is one of refused().
  const TensorView* find(const std::string& name) const;
  /// Throws Error naming the file and the missing tensor.
  const TensorView& at(const std::string& name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::map<std::string, std::string>& refused() const { return refused_; }

 private:
  std::string path_;
  std::vector<TensorView> tensors_;
  std::unordered_map<std::string, std::size_t> index_;
  std::map<std::string, std::string> metadata_;
  std::shared_ptr<const void> memory_;
  std::map<std::string, std::string> refused_;
};

/// Reads a file of tensors: safetensors (safetensors.h), of PyTorch (pytorch.h), or the index of a set of safetensors files
/// (sharded.h), which a folder that holds one stands for as well. The content says which format a file has, its name does not.
/// Throws Error naming the file: what it looks like and what was expected, or what is malformed and where.
TensorSource open_tensors(const std::filesystem::path& path);
/// The same of one file in memory; an index is not one.
TensorSource read_tensors(const MappedFile& file);

}  // namespace qcface
