#include "harness/eval/features/spread.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/comm/agreement.h"
#include "core/error.h"
#include "harness/eval/features/subset.h"

namespace qcface::eval {
namespace {

// What the others have to know of a rank's part beside its rows. Texts may hold any bytes, so JSON's own texts would not do.
struct Report {
  std::string error;
  std::vector<data::CorruptPicture> corrupt;
};

std::string to_text(const Report& report) {
  nlohmann::json json{{"error", nlohmann::json::binary({report.error.begin(), report.error.end()})}};
  for (const data::CorruptPicture& picture : report.corrupt)
    json["corrupt"].push_back(
        {picture.index, nlohmann::json::binary({picture.reason.begin(), picture.reason.end()})});
  const std::vector<std::uint8_t> bytes = nlohmann::json::to_cbor(json);
  return {bytes.begin(), bytes.end()};
}

Report from_text(const std::string& text) {
  const auto string = [](const nlohmann::json& json) {
    return std::string(json.get_binary().begin(), json.get_binary().end());
  };
  const nlohmann::json json = nlohmann::json::from_cbor(text.begin(), text.end());
  Report report;
  report.error = string(json.at("error"));
  for (const nlohmann::json& picture : json.value("corrupt", nlohmann::json::array()))
    report.corrupt.push_back({picture.at(0).get<std::int64_t>(), {}, string(picture.at(1))});
  return report;
}

}  // namespace

Embeddings extract_on_ranks(Embedder& embedder, const data::PictureSource& pictures,
                            const ExtractOptions& options, Communicator& communicator) {
  if (communicator.size() == 1) return extract_embeddings(embedder, pictures, options);
  const auto start = std::chrono::steady_clock::now();
  const Share own = share_of(pictures.size(), communicator.rank(), communicator.size());
  Embeddings mine = empty_embeddings(own.count, embedder.width(), options.flip);
  Report report;
  try {
    std::vector<std::int64_t> places(static_cast<std::size_t>(own.count));
    std::iota(places.begin(), places.end(), own.first);
    if (own.count > 0) mine = extract_rows(embedder, Subset(pictures, places), options);
    for (const data::CorruptPicture& picture : mine.corrupt)
      report.corrupt.push_back({own.first + picture.index, picture.path, picture.reason});
  } catch (const Error& error) {
    report.error = error.what();
  }
  Embeddings all = empty_embeddings(pictures.size(), embedder.width(), options.flip);
  for (const std::string& text : texts_of_ranks(communicator, to_text(report))) {
    Report of_rank = from_text(text);
    if (!of_rank.error.empty()) throw Error(of_rank.error);
    for (data::CorruptPicture& picture : of_rank.corrupt) {
      picture.path = pictures.name(picture.index);
      all.corrupt.push_back(std::move(picture));
    }
  }
  const auto gather = [&](auto& part, auto& whole, std::int64_t width) {
    communicator.all_gather(array_of(part.data(), own.count, width),
                            array_of(whole.data(), all.count, width));
  };
  gather(mine.plain, all.plain, all.width);
  if (options.flip != FlipFusion::kNone) gather(mine.mirrored, all.mirrored, all.width);
  gather(mine.valid, all.valid, 1);
  require_readable(all, pictures);
  fuse_rows(all);
  all.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return all;
}

}  // namespace qcface::eval
