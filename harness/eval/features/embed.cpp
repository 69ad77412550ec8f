#include "harness/eval/features/embed.h"

#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <string>

#include "core/atomic_file.h"
#include "core/log.h"
#include "core/npy.h"
#include "harness/data/lists/picture_list.h"

namespace qcface::eval {

EmbedResult run_embed(FeatureSource& features, const std::filesystem::path& images,
                      const std::filesystem::path& out) {
  const data::PictureList list = data::list_pictures(images);
  const std::vector<std::string>& files = list.files;
  if (list.left_out.count() > 0 && features.options().leads()) {
    log::warn("{}: left out: {}", images.string(), list.left_out.describe());
  }
  std::vector<std::string> relative;
  for (const std::string& file : files) {
    relative.push_back(std::filesystem::path(file).lexically_relative(images).generic_string());
  }
  if (features.options().leads()) require_writable_folder(out, "--out");
  const Embeddings embeddings = features.of(files);

  EmbedResult result;
  result.left_out = list.left_out;
  result.corrupt = embeddings.corrupt;
  result.width = static_cast<std::int64_t>(embeddings.row(0).size());
  result.magnitude_min = std::numeric_limits<double>::infinity();
  std::vector<float> rows;
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < embeddings.count; ++i) {
    const std::size_t place = static_cast<std::size_t>(i);
    if (!embeddings.valid[place]) continue;
    const std::span<const float> row = embeddings.row(i);
    rows.insert(rows.end(), row.begin(), row.end());
    names.push_back(relative[place]);
    const double magnitude = embeddings.magnitudes[place];
    result.magnitude_min = std::min(result.magnitude_min, magnitude);
    result.magnitude_max = std::max(result.magnitude_max, magnitude);
    result.magnitude_mean += magnitude;
  }
  result.pictures = static_cast<std::int64_t>(names.size());
  result.magnitude_mean /= static_cast<double>(names.size());
  if (!features.options().leads()) return result;
  const std::array<std::int64_t, 2> shape{result.pictures, result.width};
  FileGroup group;
  group.add(out / "magnitudes.csv").write(magnitudes_csv(relative, embeddings));
  write_npy(group.add(out / "filenames.npy"), names);
  write_npy(group.add(out / "embeddings.npy"), std::span<const float>(rows), shape);
  group.commit();
  return result;
}

}  // namespace qcface::eval
