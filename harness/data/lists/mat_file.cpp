#include "harness/data/lists/mat_file.h"

#include <fmt/ranges.h>
#include <matio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <memory>
#include <span>

#include "core/error.h"
#include "core/open_file.h"
#include "core/text.h"
#include "harness/data/lists/mat_elements.h"
#include "harness/data/lists/mat_release.h"

namespace qcface::data {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMostRows = std::size_t{1} << 18;
constexpr std::int32_t kLongestName = 4096;  // characters

std::size_t rows_of(const mat::Variable& variable) {
  const mat::Matrix& head = variable.head;
  const std::size_t rows = head.elements();
  require(head.dims.size() == 2 && (head.dims[0] == 1 || head.dims[1] == 1) && rows >= 1 && rows <= kMostRows,
          "{}: {} is {}, expected one column of 1 to {} rows", variable.place.at(head.at),
          printable(head.name, kPrintedBytes), fmt::join(head.dims, " x "), kMostRows);
  return rows;
}

// Everything that libmatio will read of it is looked at: kinds, and lengths against each other.
void check_names(const mat::Variable& variable) {
  const std::size_t rows = rows_of(variable);
  require(variable.head.matrix_class == mat::kCell,
          "{}: {} is an array of class {}, expected a cell array of names",
          variable.place.at(variable.head.at), printable(variable.head.name, kPrintedBytes),
          mat::name_of_class(variable.head.matrix_class));
  mat::Elements cells(variable.place, variable.matrix.data, variable.matrix.data_at);
  mat::read_head(variable.place, variable.matrix, cells);
  for (std::size_t i = 0; i < rows; ++i) {
    require(cells.more(), "{}: {} cells where {} are announced", variable.place.at(cells.at()), i, rows);
    const mat::Element cell = cells.next();
    mat::Elements rest(variable.place, cell.data, cell.data_at);
    const mat::Matrix head = mat::read_head(variable.place, cell, rest);
    const auto wrong = [&](const std::string& what) {
      fail("{}: cell {} {}, expected a name", variable.place.at(cell.at), i + 1, what);
    };
    if (head.matrix_class != mat::kChar)
      wrong(fmt::format("is of class {}", mat::name_of_class(head.matrix_class)));
    if (head.dims.size() != 2 || head.dims[0] != 1 || head.dims[1] < 1 || head.dims[1] > kLongestName)
      wrong(fmt::format("is {} characters", fmt::join(head.dims, " x ")));
    if (!head.name.empty()) wrong("has a name of its own");
    const mat::Element text = rest.next();
    const bool known = text.type == mat::kU8 || text.type == mat::kU16 || text.type == mat::kUtf8 ||
                       text.type == mat::kUtf16;
    if (!known) wrong(fmt::format("holds type {}", text.type));
    // UTF-8 takes up to 3 bytes for each of the characters that are counted, which are those of UTF-16.
    const std::size_t characters = head.elements(), size = mat::size_of(text.type) * characters;
    const bool fits = text.type == mat::kUtf8
                          ? text.data.size() >= characters && text.data.size() <= 3 * characters
                          : text.data.size() == size;
    if (!fits)
      wrong(fmt::format("holds {} bytes of type {} for {} characters", text.data.size(), text.type,
                        characters));
    if (rest.more()) wrong("holds more than its characters");
  }
  require(!cells.more(), "{}: more than the {} cells that are announced", variable.place.at(cells.at()),
          rows);
}

void check_ids(const mat::Variable& variable) {
  const std::size_t rows = rows_of(variable);
  const mat::Matrix& head = variable.head;
  require(head.matrix_class >= mat::kFirstNumber && head.matrix_class <= mat::kLastNumber && !head.complex,
          "{}: {} is {} of class {}, expected real numbers", variable.place.at(head.at),
          printable(head.name, kPrintedBytes), head.complex ? "complex" : "an array",
          mat::name_of_class(head.matrix_class));
  mat::Elements rest(variable.place, variable.matrix.data, variable.matrix.data_at);
  mat::read_head(variable.place, variable.matrix, rest);
  const mat::Element numbers = rest.next();
  const std::size_t size =
      numbers.type == mat::kUtf8 || numbers.type == mat::kUtf16 ? 0 : mat::size_of(numbers.type);
  require(size > 0 && numbers.data.size() == size * rows, "{}: {} bytes of type {} for {} numbers",
          variable.place.at(numbers.at), numbers.data.size(), numbers.type, rows);
  require(!rest.more(), "{}: more than the {} numbers that are announced", variable.place.at(rest.at()),
          rows);
}

const mat::Variable& variable_of(const std::vector<mat::Variable>& variables, const std::string& path,
                                 std::string_view name) {
  std::string others;
  for (const mat::Variable& variable : variables) {
    if (variable.head.name == name) return variable;
    if (others.size() < kPrintedBytes)
      others += (others.empty() ? "" : ", ") + printable(variable.head.name, kPrintedBytes);
  }
  fail("{}: holds no variable {}; it holds {}", path, name, others.empty() ? "none" : others);
}

// A file without a disk behind it, of variables that were checked, not compressed.
class CheckedFile {
 public:
  CheckedFile() : fd_(::memfd_create("qcface-mat", MFD_CLOEXEC)) {
    require(fd_ >= 0, "a file in memory cannot be made: {}", std::strerror(errno));
    std::string header = "MATLAB 5.0 MAT-file, checked";
    header.resize(124, ' ');
    header += std::string("\0\1IM", 4);
    write(header.data(), header.size());
  }
  ~CheckedFile() { ::close(fd_); }
  CheckedFile(const CheckedFile&) = delete;
  CheckedFile& operator=(const CheckedFile&) = delete;

  void add(const mat::Element& matrix) {
    const std::uint32_t tag[2] = {mat::kMatrix, static_cast<std::uint32_t>(matrix.data.size())};
    const std::byte padding[8] = {};
    write(tag, sizeof tag);
    write(matrix.data.data(), matrix.data.size());
    write(padding, (8 - matrix.data.size() % 8) % 8);
  }
  std::string path() const { return fmt::format("/proc/self/fd/{}", fd_); }

 private:
  void write(const void* data, std::size_t bytes) {
    const char* at = static_cast<const char*>(data);
    while (bytes > 0) {
      const ssize_t written = ::write(fd_, at, bytes);
      if (written < 0 && errno == EINTR) continue;
      require(written > 0, "a file in memory cannot be written: {}", std::strerror(errno));
      at += written;
      bytes -= static_cast<std::size_t>(written);
    }
  }
  int fd_;
};

// UTF-16 to UTF-8; false at half a pair.
bool append_utf16(std::string& out, std::span<const std::uint16_t> units) {
  for (std::size_t i = 0; i < units.size(); ++i) {
    std::uint32_t c = units[i];
    if (c >= 0xD800 && c < 0xE000) {
      if (c >= 0xDC00 || i + 1 == units.size() || units[i + 1] < 0xDC00 || units[i + 1] >= 0xE000)
        return false;
      c = 0x10000 + ((c - 0xD800) << 10) + (units[++i] - 0xDC00u);
    }
    append_utf8(out, c);
  }
  return true;
}

std::string name_of(const matvar_t& cell) {
  std::string name;
  if (cell.class_type != MAT_C_CHAR || cell.data == nullptr) return name;
  if (cell.data_type == MAT_T_UINT16 || cell.data_type == MAT_T_UTF16) {
    std::vector<std::uint16_t> units(cell.nbytes / 2);
    std::memcpy(units.data(), cell.data, 2 * units.size());
    if (!append_utf16(name, units)) return "";
  } else if (cell.data_type == MAT_T_UTF8 || cell.data_type == MAT_T_UINT8 || cell.data_type == MAT_T_INT8) {
    name.assign(static_cast<const char*>(cell.data), cell.nbytes);
    for (std::string_view rest = name; !rest.empty();) {
      const std::size_t length = utf8_length(rest);
      if (length == 0) return "";
      rest.remove_prefix(length);
    }
  }
  return name.find('\0') == std::string::npos ? name : "";
}

template <class T>
void take_ids(const matvar_t& variable, std::size_t rows, std::vector<std::int64_t>& ids) {
  require(variable.nbytes == rows * sizeof(T), "unexpected size");
  for (std::size_t i = 0; i < rows; ++i) {
    T value{};
    std::memcpy(&value, static_cast<const char*>(variable.data) + i * sizeof value, sizeof value);
    const auto whole = static_cast<double>(value);
    require(std::isfinite(whole) && whole == std::floor(whole) && std::abs(whole) <= 0x1p53,
            "number {} is {}, expected a whole number", i + 1, value);
    ids.push_back(static_cast<std::int64_t>(value));
  }
}

void take_ids(const matvar_t& variable, std::size_t rows, std::vector<std::int64_t>& ids) {
  switch (variable.class_type) {
    case MAT_C_DOUBLE:
      return take_ids<double>(variable, rows, ids);
    case MAT_C_SINGLE:
      return take_ids<float>(variable, rows, ids);
    case MAT_C_INT8:
      return take_ids<std::int8_t>(variable, rows, ids);
    case MAT_C_UINT8:
      return take_ids<std::uint8_t>(variable, rows, ids);
    case MAT_C_INT16:
      return take_ids<std::int16_t>(variable, rows, ids);
    case MAT_C_UINT16:
      return take_ids<std::uint16_t>(variable, rows, ids);
    case MAT_C_INT32:
      return take_ids<std::int32_t>(variable, rows, ids);
    case MAT_C_UINT32:
      return take_ids<std::uint32_t>(variable, rows, ids);
    case MAT_C_INT64:
      return take_ids<std::int64_t>(variable, rows, ids);
    case MAT_C_UINT64:
      return take_ids<std::uint64_t>(variable, rows, ids);
    default:
      fail("no numbers");
  }
}

// libmatio's answer is checked once more: it says nothing of what it could not read.
std::unique_ptr<matvar_t, MatRelease> read_checked(mat_t* file, const std::string& name, std::size_t rows) {
  std::unique_ptr<matvar_t, MatRelease> variable(Mat_VarRead(file, name.c_str()));
  require(variable && variable->rank == 2 && variable->data != nullptr && !variable->isComplex &&
              variable->dims[0] * variable->dims[1] == rows,
          "libmatio cannot read {}", printable(name, kPrintedBytes));
  return variable;
}

}  // namespace

IdPairs read_id_pairs(const fs::path& path, std::string_view names, std::string_view ids) {
  const MappedFile file = map_file(path);
  const std::vector<mat::Variable> variables = mat::read_variables(file.path, file.bytes);
  const mat::Variable& name_variable = variable_of(variables, file.path, names);
  const mat::Variable& id_variable = variable_of(variables, file.path, ids);
  check_names(name_variable);
  check_ids(id_variable);
  const std::size_t rows = name_variable.head.elements();
  require(rows == id_variable.head.elements(), "{}: {} has {} rows, {} has {}: expected as many", file.path,
          names, rows, ids, id_variable.head.elements());
  CheckedFile checked;
  checked.add(name_variable.matrix);
  checked.add(id_variable.matrix);
  Mat_LogInitFunc("qcface", [](int, char*) {});
  try {
    const std::unique_ptr<mat_t, MatRelease> opened(Mat_Open(checked.path().c_str(), MAT_ACC_RDONLY));
    require(opened != nullptr, "libmatio cannot open it");
    IdPairs pairs;
    {
      const auto variable = read_checked(opened.get(), name_variable.head.name, rows);
      require(variable->class_type == MAT_C_CELL, "libmatio takes {} for something else", names);
      for (std::size_t i = 0; i < rows; ++i) {
        const matvar_t* const cell = static_cast<matvar_t**>(variable->data)[i];
        pairs.names.push_back(cell == nullptr ? "" : name_of(*cell));
        require(!pairs.names.back().empty(), "cell {} of {} is no text", i + 1, names);
      }
    }
    take_ids(*read_checked(opened.get(), id_variable.head.name, rows), rows, pairs.ids);
    return pairs;
  } catch (const Error& error) {
    fail("{}: {}", file.path, error.what());
  }
}

bool is_mat_file(const fs::path& path) {
  try {
    return mat::is_mat(map_file(path).bytes);
  } catch (const Error&) {
    return false;
  }
}

std::vector<MatVariable> list_mat_variables(const fs::path& path) {
  const MappedFile file = map_file(path);
  std::vector<MatVariable> list;
  for (const mat::Variable& variable : mat::read_variables(file.path, file.bytes))
    list.push_back({variable.head.name, mat::name_of_class(variable.head.matrix_class), variable.head.dims});
  return list;
}

}  // namespace qcface::data
