#include <filesystem>
#include <fstream>
#include <string>

#include "harness/data/lists/list_text.h"
#include "harness/data/lists/pairs.h"
#include "tests/fuzz/target.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;

namespace {

// What the seeds name. Nothing of it is read.
class PictureFolder {
 public:
  PictureFolder() {
    for (const char* name : {"imgs/0.jpg", "imgs/1.jpg", "imgs/2.png", "3.jpg", "a.jpg", "b c.jpg",
                             "Bob/Bob_0001.jpg", "Bob/Bob_0002.jpg", "Ann_0001.jpg"}) {
      std::filesystem::create_directories((folder_ / name).parent_path());
      std::ofstream(folder_ / name) << "picture";
    }
  }
  const std::filesystem::path& path() const { return folder_.path(); }

 private:
  test::TemporaryFolder folder_;
};

}  // namespace

QCFACE_FUZZ_TARGET(list_text) {
  const data::ListText list(fuzz::file_of(bytes));
  for (const data::ListLine& line : list.lines()) {
    for (const auto separator : {data::Separator::kTab, data::Separator::kComma, data::Separator::kSemicolon,
                                 data::Separator::kBlanks, data::Separator::kBlanksOrComma}) {
      const auto fields = data::split_fields(line.text, separator);
      if (!fields) continue;
      fuzz::expect(!fields->empty(), "a line without a field");
      for (const std::string& field : *fields) {
        (void)data::whole_number(field);
        (void)data::lower_case(field);
      }
    }
  }
}

QCFACE_FUZZ_TARGET(pairs) {
  static const PictureFolder folder;
  const data::PairList list = data::read_pairs(fuzz::file_of(bytes), folder.path());
  const auto images = static_cast<int>(list.images.size());
  fuzz::expect(list.size() > 0 && list.same.size() == list.size(), "pairs without labels");
  for (const auto& [a, b] : list.pairs)
    fuzz::expect(a >= 0 && a < images && b >= 0 && b < images, "a pair of a picture that is not there");
}
