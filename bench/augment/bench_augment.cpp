// Decoding and augmentation on one thread: pictures per second of decode alone, decode + published augmentation, and
// decode + augmentation + resize + normalisation to float planes. Prints one JSON line a round.
//
//   qcface_bench_augment make FOLDER [identities pictures]    writes a synthetic face set
//   qcface_bench_augment FOLDER/train [seconds] [rounds]      measures on the pictures below FOLDER/train
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "core/error.h"
#include "harness/console/standard_streams.h"
#include "harness/data/augment/augment.h"
#include "harness/data/augment/pixel_ops.h"
#include "harness/data/lists/picture_list.h"
#include "harness/data/normalise.h"
#include "harness/data/resize.h"
#include "harness/data/sets/image_folder.h"
#include "harness/synth/synth.h"

namespace {

using namespace qcface::data;
using Clock = std::chrono::steady_clock;

enum class Upto { kDecode, kAugment, kNormalise };

// Pictures a second over at least `seconds`, in file order, a fresh draw for every picture.
double measure(const std::vector<std::string>& files, Upto upto, double seconds, std::uint32_t epoch) {
  ImageDecoder decoder;
  Augmenter augmenter;
  Resizer resizer;
  const Normaliser normaliser;
  Image image, resized;
  std::vector<float> planes(3 * 112 * 112);
  const auto begin = Clock::now();
  double elapsed = 0.0;
  std::size_t count = 0;
  while (elapsed < seconds) {
    for (int i = 0; i < 32; ++i, ++count) {
      const std::string& file = files[count % files.size()];
      const DecodeResult decoded = decoder.decode_file(file, image);
      qcface::require(decoded.ok(), "{}: {}", file, decoded.reason);
      if (upto == Upto::kDecode) continue;
      augmenter.apply(draw_augmentation(1, epoch, count), image);
      if (upto == Upto::kAugment) continue;
      const Image& ready = resizer.resize_shorter_side(image, 112, resized);
      normaliser.apply(ready, (ready.height() - 112) / 2, (ready.width() - 112) / 2, 112, false,
                       planes.data());
    }
    elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
  }
  return static_cast<double>(count) / elapsed;
}

constexpr const char* kUsage =
    "usage: qcface_bench_augment make FOLDER [identities pictures] | FOLDER [seconds] [rounds]\n";

int run(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  if (!args.empty() && (args[0] == "--help" || args[0] == "-h"))
    qcface::print_and_exit("qcface_bench_augment", kUsage);
  if (args.size() >= 2 && args[0] == "make") {
    qcface::synth::SynthOptions options;
    options.out = args[1];
    if (args.size() >= 4) {
      options.identities = std::stoi(args[2]);
      options.pictures_per_identity = std::stoi(args[3]);
    }
    const qcface::synth::SynthResult made = qcface::synth::synthesize_faces(options);
    std::printf("%s: %lld pictures in %.1f s%s\n", made.train.c_str(),
                static_cast<long long>(made.train_pictures), made.seconds,
                made.reused ? " (there already)" : "");
    return 0;
  }
  if (args.empty()) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  const std::vector<std::string> files = list_pictures(args[0]).files;
  const double seconds = args.size() > 1 ? std::stod(args[1]) : 1.0;
  const int rounds = args.size() > 2 ? std::stoi(args[2]) : 3;
  measure(files, Upto::kNormalise, 0.2, 99);  // warm caches and tables
  for (int round = 0; round < rounds; ++round) {
    const auto epoch = static_cast<std::uint32_t>(round);
    const double decode = measure(files, Upto::kDecode, seconds, epoch);
    const double augment = measure(files, Upto::kAugment, seconds, epoch);
    const double all = measure(files, Upto::kNormalise, seconds, epoch);
    std::printf(
        "{\"program\": \"qcface\", \"pixel_ops\": \"%s\", \"files\": %zu, \"decode\": %.1f, "
        "\"decode_augment\": %.1f, "
        "\"decode_augment_normalise\": %.1f}\n",
        pixel_ops().name, files.size(), decode, augment, all);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return qcface::run_program("qcface_bench_augment", [&] { return run(argc, argv); });
}
