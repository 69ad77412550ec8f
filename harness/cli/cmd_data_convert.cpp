// `qcface data pack` and `qcface data convert`: the first is the second with a pack as its target.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/log.h"
#include "core/text.h"
#include "harness/cli/command.h"
#include "harness/console/compute_threads.h"
#include "harness/console/usage.h"
#include "harness/convert/convert.h"
#include "harness/data/lists/pairs.h"
#include "harness/data/sets/image_folder.h"
#include "harness/data/sets/verification_pack.h"

namespace qcface::cli {
namespace {

using convert::ConvertOptions, convert::ConvertResult, convert::TargetKind;

struct ConvertFlags {
  std::string from, to, pairs;
  bool merge_by_name = false;
  std::string kind = "auto";
  ConvertOptions convert;
};

void add_common(OptionTable& table, ConvertFlags& o) {
  table.add_number("--size", o.convert.side, 1, 4096, "Side of the pixels in pixels (with --pixels)");
  table.add_number("--threads", o.convert.threads, 0, kMostThreads, "Threads; 0 takes all cores");
  table.add_flag("--check", o.convert.check,
                 "Decode also pictures that are kept as they are, and leave out what does not decode");
  table.add_flag("--merge-by-name", o.merge_by_name,
                 "Identities of the same name in several roots are one class");
}

int finish(const ConvertFlags& o, const ConvertResult& result) {
  for (const std::string& note : result.notes) log::warn("{}", note);
  log::info("{}", convert::describe(result, o.to));
  return 0;
}

int run_convert(ConvertFlags& o) {
  o.convert.kind = convert::target_of(o.to);
  for (const auto& [name, kind] : convert::kTargetNames) {
    if (o.kind == name) o.convert.kind = kind;
  }
  if (o.convert.kind == TargetKind::kBin) {
    require_usage(
        !o.pairs.empty(),
        "--pairs is missing: a verification pack is made of a folder's pictures and a list of pairs");
    const data::PairList pairs = data::read_pairs(o.pairs, o.from);
    std::vector<std::string> files;
    files.reserve(2 * pairs.size());
    for (const auto& [a, b] : pairs.pairs) {
      files.push_back(pairs.images[static_cast<std::size_t>(a)]);
      files.push_back(pairs.images[static_cast<std::size_t>(b)]);
    }
    const auto set = data::ImageFolder::from_files(files);
    return finish(o, convert::convert_set(set, o.from + "," + o.pairs, o.to, o.convert, pairs.same));
  }
  if (data::is_verification_pack(o.from)) {
    require_usage(o.convert.kind == TargetKind::kFolder,
                  "{}: holds pairs and no identities; it can become a folder with pairs.list, and {} is none",
                  o.from, o.to);
    const convert::PairPictures set(o.from);
    return finish(o, convert::convert_set(set, o.from, o.to, o.convert, set.same()));
  }
  require_usage(o.pairs.empty(), "--pairs: only a verification pack (.bin) has pairs, and {} is none", o.to);
  const auto set = data::open_pictures(o.from, o.merge_by_name);
  for (const std::string& warning : set->warnings()) log::warn("{}", warning);
  return finish(o, convert::convert_set(*set, o.from, o.to, o.convert));
}

}  // namespace

void add_data_pack(CLI::App& root, Commands& commands) {
  Command& command = add_command(root, commands, "data pack",
                                 "Pack a data set into one file that is mapped into memory; goes on where an "
                                 "earlier call was stopped");
  auto options = std::make_shared<ConvertFlags>();
  OptionTable& table = *command.table;
  table.add("--data_dirs", options->from, "Data sets as for training, separated by commas");
  table.add("--out", options->to, "File to make, for example faces.qpack");
  table.add_flag(
      "--pixels", options->convert.pixels,
      "Store decoded pixels, the shorter side resized to --size and the centre cut out, as training does");
  add_common(table, *options);
  command.run = [options] {
    require_usage(!options->from.empty(), "--data_dirs is missing: give the data set(s) to pack");
    require_usage(!options->to.empty(), "--out is missing: give the file to make, for example faces.qpack");
    options->kind = "pack";
    return run_convert(*options);
  };
}

void add_data_convert(CLI::App& root, Commands& commands) {
  Command& command = add_command(root, commands, "data convert",
                                 "Turn a data set into one of another kind: image folder, RecordIO, pack, "
                                 "verification pack; goes on where an earlier call was stopped");
  auto options = std::make_shared<ConvertFlags>();
  OptionTable& table = *command.table;
  table.add("--from", options->from, "Data set(s) of any kind, separated by commas");
  table.add("--to", options->to, "File or folder to make: .rec, .qpack, .bin, else a folder");
  std::vector<std::pair<std::string, std::string>> kinds{{"auto", "auto"}};
  for (const auto& [name, kind] : convert::kTargetNames) kinds.emplace_back(name, name);
  table.add_choice("--kind", options->kind, kinds, "Kind of target; auto: by the suffix of --to");
  table.add("--pairs", options->pairs,
            "List of pairs over the folder --from, for a verification pack (.bin)");
  table.add_flag(
      "--pixels", options->convert.pixels,
      "Decode, resize the shorter side to --size and cut out the centre: pixels in a pack, PNG elsewhere; "
      "without it every picture file keeps its bytes");
  add_common(table, *options);
  command.run = [options] {
    require_usage(!options->from.empty(), "--from is missing: give the data set(s) to read");
    require_usage(!options->to.empty(), "--to is missing: give the file or folder to make");
    return run_convert(*options);
  };
}

}  // namespace qcface::cli
