#include "harness/data/lists/mat_write.h"

#include <matio.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "core/error.h"
#include "harness/data/lists/mat_release.h"

namespace qcface::data {
void write_id_pairs(const std::filesystem::path& path, const IdPairs& pairs, const std::string& names,
                    const std::string& ids) {
  // Without a text of its own the header would hold the time.
  const std::unique_ptr<mat_t, MatRelease> file(
      Mat_CreateVer(path.c_str(), "MATLAB 5.0 MAT-file", MAT_FT_MAT5));
  require(file != nullptr, "{}: cannot be written", path.string());
  const std::size_t rows = pairs.names.size();
  std::size_t dims[2] = {rows, 1};
  std::vector<matvar_t*> cells;  // libmatio copies what it is given, though it takes no pointer to const
  for (const std::string& name : pairs.names) {
    std::size_t length[2] = {1, name.size()};
    cells.push_back(
        Mat_VarCreate(nullptr, MAT_C_CHAR, MAT_T_UTF8, 2, length, const_cast<char*>(name.data()), 0));
  }
  std::vector<double> numbers(pairs.ids.begin(), pairs.ids.end());
  const std::unique_ptr<matvar_t, MatRelease> texts(
      Mat_VarCreate(names.c_str(), MAT_C_CELL, MAT_T_CELL, 2, dims, cells.data(), 0));
  const std::unique_ptr<matvar_t, MatRelease> values(
      Mat_VarCreate(ids.c_str(), MAT_C_DOUBLE, MAT_T_DOUBLE, 2, dims, numbers.data(), 0));
  require(texts != nullptr && values != nullptr &&
              Mat_VarWrite(file.get(), texts.get(), MAT_COMPRESSION_NONE) == 0 &&
              Mat_VarWrite(file.get(), values.get(), MAT_COMPRESSION_NONE) == 0,
          "{}: cannot be written", path.string());
}

}  // namespace qcface::data
