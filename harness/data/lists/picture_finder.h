// From the names that a list uses to picture files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "harness/data/lists/picture_names.h"

namespace qcface::data {

/// Finds pictures below a root and numbers them in order of first use, each file once. Names that lead to no file are
/// kept, so that all of them can be reported at once.
class PictureFinder {
 public:
  /// With names a picture is there if it has one of them; the root need not exist.
  PictureFinder(std::filesystem::path list, std::filesystem::path root, const PictureNames* names = nullptr);

  /// `name` as a list has it: a path relative to the root or absolute, with "/" or "\", with or without suffix, a number
  /// (also 0012 and 12.0), below the root or its folder imgs. -1 if there is no such file.
  int find(const std::string& name, std::size_t line);
  /// Picture `number` of a person in the layout of LFW: NAME/NAME_0001.jpg, or NAME_0001.jpg.
  int find(const std::string& person, std::int64_t number, std::size_t line);

  /// The first of several forms of a name that leads to a file.
  int find_any(const std::vector<std::string>& forms, std::size_t line);

  /// Throws Error naming list, lines and pictures if any was not found: the first few and how many.
  void require_all() const;
  std::vector<std::string> take_images() { return std::move(images_); }

 private:
  bool is_picture_file(const std::filesystem::path& path);
  std::optional<std::string> locate(const std::string& name);
  std::optional<std::string> with_suffix(const std::filesystem::path& base);
  int add(const std::string& name, const std::optional<std::string>& file, const std::string& wanted,
          std::size_t line);

  struct Missing {
    std::size_t line;
    std::string text;
  };
  const std::filesystem::path list_, root_;
  const PictureNames* names_;
  std::string special_;  // a pipe or the like that was met in the search: " (PATH is a named pipe)"
  std::string suffix_;   // of the last hit: lists are uniform
  std::unordered_map<std::string, int> index_of_name_, index_of_file_;
  std::vector<std::string> images_;
  std::vector<Missing> missing_;
};

}  // namespace qcface::data
