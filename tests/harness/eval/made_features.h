// Embeddings that another program might have made: people in random directions, pictures of lower quality shorter and further
// from their person.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "core/npy.h"
#include "core/random.h"
#include "tests/support/temporary_folder.h"

namespace qcface::test {

/// features.npy [people * pictures, 16], names.txt (p3/1.jpg), pairs.list, quality.csv and lists of the first and of the second half
/// of each person's pictures, in a folder of its own. No picture is there.
struct MadeFeatures {
  MadeFeatures(int people, int pictures, std::uint64_t seed) {
    constexpr int kWidth = 16;
    RandomStream random(seed, RandomPurpose::kTest);
    RandomStream centres(99, RandomPurpose::kTest);
    std::vector<float> rows;
    std::ofstream names(folder / "names.txt"), quality(folder / "quality.csv"), pairs(folder / "pairs.list");
    std::ofstream first(folder / "first.txt"), second(folder / "second.txt");
    quality << "name,value\n";
    for (int person = 0; person < people; ++person) {
      double centre[kWidth];
      for (double& value : centre) value = centres.normal();
      for (int picture = 0; picture < pictures; ++picture) {
        const double good = random.uniform(0.1, 1);
        const std::string name = "p" + std::to_string(person) + "/" + std::to_string(picture) + ".jpg";
        names << name << "\n";
        (picture < pictures / 2 ? first : second) << name << "\n";
        quality << name << "," << good + 0.1 * random.normal() << "\n";
        for (const double value : centre)
          rows.push_back(static_cast<float>(5 * good * (value + (1.2 - good) * random.normal())));
      }
    }
    for (int person = 0; person < people; ++person) {
      for (int picture = 0; picture + 1 < pictures; ++picture) {
        const auto name = [&](int who, int which) {
          return "p" + std::to_string(who % people) + "/" + std::to_string(which) + ".jpg";
        };
        pairs << name(person, picture) << " " << name(person, picture + 1) << " 1\n";
        pairs << name(person, picture) << " " << name(person + 1 + picture, picture + 1) << " 0\n";
      }
    }
    const std::int64_t shape[] = {static_cast<std::int64_t>(people) * pictures, kWidth};
    AtomicFile file(folder / "features.npy");
    write_npy(file, std::span<const float>(rows), shape);
    file.commit();
  }
  TemporaryFolder folder;
};

}  // namespace qcface::test
