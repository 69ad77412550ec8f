// Whether what a data set holds is what was put there (`qcface data verify`): checksums, framing, and that every picture
// decodes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace qcface::convert {

/// One data set, opened for checking. What is checked is numbered, and any thread may check any number.
class Checker {
 public:
  virtual ~Checker() = default;
  /// "packed pictures", "pictures": what count() counts.
  virtual const char* what() const = 0;
  virtual std::int64_t count() const = 0;
  /// What is wrong with the set as a whole, found when it was opened: sentences with file and byte or line.
  virtual std::vector<std::string> problems() const { return {}; }
  /// Changes when the set does, as far as its listing shows.
  virtual std::string listing() const = 0;
  /// A function for one thread: empty, or a sentence with file and byte where number i is bad.
  virtual std::function<std::string(std::int64_t)> worker() const = 0;
};
/// By content: a pack, a RecordIO file (or a folder with train.rec), a verification pack, or a folder with pictures at any
/// depth. decode: also the pictures of packs, whose checksums vouch for their bytes but not for what was packed. Throws Error
/// where nothing of the set can be checked.
std::unique_ptr<Checker> open_checker(const std::filesystem::path& place, bool decode);

struct VerifyOptions {
  bool decode = false;
  int threads = 0;                // 0: all cores
  std::filesystem::path journal;  // empty: none
};
struct VerifyResult {
  std::int64_t checked = 0;
  std::int64_t bad = 0;  // of them, and places that cannot be opened
};
/// `say` gets each bad thing's sentence once, those that an earlier, stopped call has found first.
VerifyResult verify_places(const std::vector<std::string>& places, const VerifyOptions& options,
                           const std::function<void(const std::string&)>& say);

}  // namespace qcface::convert
