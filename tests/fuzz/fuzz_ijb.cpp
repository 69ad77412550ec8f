// The metadata of IJB-C. The first byte says which file the others are; the rest of the set is sound.
#include <array>
#include <filesystem>
#include <fstream>
#include <string>

#include "harness/data/lists/ijb_lists.h"
#include "tests/fuzz/target.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;

namespace {

struct File {
  const char* name;
  const char* text;
};
constexpr std::array<File, 6> kFiles{{
    {"name_5pts_score.txt",
     "1.jpg 38 51 73 51 56 71 41 92 70 92 0.9\n2.jpg 38 51 73 51 56 71 41 92 70 92 0.8\n"},
    {"face_tid_mid.txt", "1.jpg 5 10\n2.jpg 7 10\n"},
    {"template_pair_label.txt", "5 7 1\n7 5 0\n"},
    {"1N_gallery_G1.csv", "TEMPLATE_ID,SUBJECT_ID,FILENAME\n5,1,img/1\n"},
    {"1N_gallery_G2.csv", "TEMPLATE_ID,SUBJECT_ID,FILENAME\n7,2,img/2\n"},
    {"1N_probe_mixed.csv", "TEMPLATE_ID,SUBJECT_ID,FILENAME\n5,1,img/1\n"},
}};

}  // namespace

QCFACE_FUZZ_TARGET(ijb) {
  if (bytes.empty()) return;
  const test::TemporaryFolder folder;
  std::filesystem::create_directories(folder / "meta");
  for (std::size_t i = 0; i < kFiles.size(); ++i) {
    std::ofstream file(folder / "meta" / (std::string("ijbc_") + kFiles[i].name), std::ios::binary);
    if (static_cast<std::size_t>(bytes[0]) % kFiles.size() == i) {
      file.write(reinterpret_cast<const char*>(bytes.data()) + 1,
                 static_cast<std::streamsize>(bytes.size() - 1));
    } else {
      file << kFiles[i].text;
    }
  }
  const data::IjbLists lists = data::read_ijb_lists({"IJBC", folder.path()}, {}, 1);
  fuzz::expect(lists.files.size() == lists.template_of.size(), "pictures without a template");
  for (const nn::RowPair pair : lists.pairs) {
    fuzz::expect(pair.a >= 0 && static_cast<std::size_t>(pair.a) < lists.templates.size() && pair.b >= 0 &&
                     static_cast<std::size_t>(pair.b) < lists.templates.size(),
                 "a pair of a template that is not there");
  }
}
