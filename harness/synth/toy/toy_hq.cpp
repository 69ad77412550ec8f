// The high-quality sets as QCFace lays them out (data-formats.md section 6): ROOT/DB/imgs/N.jpg and
// ROOT/pairlists/DB_pairs.list.
#include <fmt/format.h>

#include <iterator>
#include <string>

#include "core/atomic_file.h"
#include "harness/synth/toy/toy.h"

namespace qcface::synth {
namespace {

constexpr int kPictures = 5;  // of a person
constexpr const char* kHqSets[] = {"lfw", "cfp_fp", "agedb_30"};

void make_hq(const ToyOptions& options) {
  int first = 0;  // picture of each person that a set begins with
  for (const char* set : kHqSets) {
    std::string list;
    for (int person = 0; person < options.people; ++person) {
      for (int k = 0; k < kPictures; ++k) {
        const int number = person * kPictures + k;
        write_toy_face(options, person, first + k, 112,
                       options.out / set / "imgs" / fmt::format("{}.jpg", number));
        const int next = k + 1 < kPictures ? number + 1 : number - k;
        const int other = (number + kPictures) % (options.people * kPictures);
        fmt::format_to(std::back_inserter(list), "{} {} 1\n{} {} 0\n", number, next, number, other);
      }
    }
    std::filesystem::create_directories(options.out / "pairlists");
    write_file_atomically(options.out / "pairlists" / fmt::format("{}_pairs.list", set), list);
    first += kPictures;
  }
}

}  // namespace

extern const Toy kToyHq;
const Toy kToyHq{"hq", "lfw, cfp_fp and agedb_30: DB/imgs/N.jpg, pairlists/DB_pairs.list", make_hq};

}  // namespace qcface::synth
