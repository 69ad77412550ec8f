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
  nlohmann::json message{{"error", nlohmann::json::binary({report.error.begin(), report.error.end()})}};
  for (const data::CorruptPicture& picture : report.corrupt)
    message["corrupt"].push_back(
        {picture.index, nlohmann::json::binary({picture.reason.begin(), picture.reason.end()})});
  const std::vector<std::uint8_t> bytes = nlohmann::json::to_cbor(message);
  return {bytes.begin(), bytes.end()};
}

Report from_text(const std::string& text) {
  const auto string = [](const nlohmann::json& value) {
    return std::string(value.get_binary().begin(), value.get_binary().end());
  };
  const nlohmann::json message = nlohmann::json::from_cbor(text.begin(), text.end());
  Report report;
  report.error = string(message.at("error"));
  for (const nlohmann::json& picture : message.value("corrupt", nlohmann::json::array()))
    report.corrupt.push_back({picture.at(0).get<std::int64_t>(), {}, string(picture.at(1))});
  return report;
}

void add_named(std::vector<data::CorruptPicture>& found, const data::PictureSource& pictures,
               std::vector<data::CorruptPicture>& to) {
  for (data::CorruptPicture& picture : found) {
    picture.path = pictures.name(picture.index);
    to.push_back(std::move(picture));
  }
}

}  // namespace

Embeddings extract_on_ranks(Embedder& embedder, const data::PictureSource& pictures,
                            const ExtractOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  Embeddings all = extract_rows_on_ranks(embedder, pictures, options);
  finish_rows(all, pictures, start);
  return all;
}

Embeddings extract_rows_on_ranks(Embedder& embedder, const data::PictureSource& pictures,
                                 const ExtractOptions& options) {
  if (options.ranks == nullptr || options.ranks->size() == 1)
    return extract_rows(embedder, pictures, options);
  Communicator& communicator = *options.ranks;
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
    add_named(of_rank.corrupt, pictures, all.corrupt);
  }
  const auto gather = [&](auto& part, auto& whole, std::int64_t width) {
    communicator.all_gather(array_of(part.data(), own.count, width),
                            array_of(whole.data(), all.count, width));
  };
  gather(mine.plain, all.plain, all.width);
  if (options.flip != FlipFusion::kNone) gather(mine.mirrored, all.mirrored, all.width);
  gather(mine.valid, all.valid, 1);
  return all;
}

void broadcast_rows(Embeddings& rows, const data::PictureSource& pictures, Communicator& communicator) {
  if (communicator.size() == 1) return;
  Report report = from_text(leaders_text(communicator, to_text({{}, rows.corrupt})));
  rows.corrupt.clear();
  add_named(report.corrupt, pictures, rows.corrupt);
  const auto broadcast = [&](auto& values, std::int64_t width) {
    communicator.broadcast(array_of(values.data(), rows.count, width), 0);
  };
  broadcast(rows.plain, rows.width);
  if (!rows.mirrored.empty()) broadcast(rows.mirrored, rows.width);
  broadcast(rows.valid, 1);
}

}  // namespace qcface::eval
