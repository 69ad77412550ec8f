#include "harness/data/lists/mat_file.h"
#include "tests/fuzz/target.h"

using namespace qcface;

namespace {

void read(const std::string& path, const char* names, const char* ids) {
  const data::IdPairs pairs = data::read_id_pairs(path, names, ids);
  fuzz::expect(!pairs.names.empty() && pairs.names.size() == pairs.ids.size(), "names without ids");
  for (const std::string& name : pairs.names) fuzz::expect(!name.empty(), "a name without a character");
}

}  // namespace

QCFACE_FUZZ_TARGET(mat) {
  const std::string& path = fuzz::file_of(bytes);
  bool gallery = false;
  for (const data::MatVariable& variable : data::list_mat_variables(path))
    gallery = gallery || variable.name == "gallery_set";
  if (gallery) {
    read(path, "gallery_set", "gallery_ids");
  } else {
    read(path, "probe_set", "probe_ids");
  }
}
