// safetensors files (https://github.com/huggingface/safetensors#format): u64 header length, JSON header,
// data. Reading maps the file read-only and checks every offset against the file before any tensor is handed
// out. Writing goes through AtomicFile, tensor by tensor, without a second copy of the data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace qcface {

enum class SafeDtype { kF64, kF32, kF16, kBF16, kI64, kI32, kI16, kI8, kU8, kBool, kU32, kU64 };
std::size_t size_of(SafeDtype dtype);
const char* name_of(SafeDtype dtype);

/// A tensor to be written; data is borrowed until write_safetensors returns.
struct SafeTensorOut {
  std::string name;
  SafeDtype dtype = SafeDtype::kF32;
  std::vector<std::int64_t> shape;
  const void* data = nullptr;
};

/// A tensor in a mapped file; data stays valid as long as its SafeTensorsFile.
struct SafeTensorView {
  std::string name;
  SafeDtype dtype = SafeDtype::kF32;
  std::vector<std::int64_t> shape;
  const std::byte* data = nullptr;
  std::size_t bytes = 0;
  std::int64_t elements() const;
  /// Values as float, converted from F32, F64, F16 or BF16; any other type is an Error naming the tensor.
  std::vector<float> to_float() const;
  /// The same of the values from `first` on, as many as `values` holds.
  void to_float(std::int64_t first, std::span<float> values) const;
};

class SafeTensorsFile {
 public:
  /// Throws Error naming the file and byte offset for anything malformed.
  explicit SafeTensorsFile(const std::filesystem::path& path);
  ~SafeTensorsFile();
  SafeTensorsFile(SafeTensorsFile&&) noexcept;
  SafeTensorsFile& operator=(SafeTensorsFile&&) noexcept;

  const std::vector<SafeTensorView>& tensors() const;  // in file order
  const SafeTensorView* find(const std::string& name) const;
  /// Throws Error naming the file and the missing tensor.
  const SafeTensorView& at(const std::string& name) const;
  const std::map<std::string, std::string>& metadata() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Writes atomically. metadata becomes "__metadata__".
void write_safetensors(const std::filesystem::path& path, std::span<const SafeTensorOut> tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace qcface
