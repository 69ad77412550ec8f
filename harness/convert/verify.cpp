#include "harness/convert/verify.h"

#include <chrono>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "harness/console/progress.h"
#include "harness/convert/in_order.h"
#include "harness/convert/journal.h"

namespace qcface::convert {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

// How far a stopped call came.
struct Before {
  std::size_t place = 0;  // places in front of it are done
  std::int64_t next = 0;  // number of `place` to go on with
  std::string listing;    // of `place`
  VerifyResult result;    // of everything in front
};

void read_blocks(const Journal& journal, Before& before, const std::function<void(const std::string&)>& say) {
  for (const std::string& block : journal.blocks()) {
    const auto json = try_parse_json<Json>(block);
    require(json && json->is_object(), "{}: is damaged; remove it to start over", journal.path().string());
    try {
      before.place = json->at("place").get<std::size_t>();
      before.next = json->at("next").get<std::int64_t>();
      before.listing = json->at("listing").get<std::string>();
      before.result.checked = json->at("checked").get<std::int64_t>();
      for (const Json& bad : json->at("bad")) {
        say(from_json_text(bad.get_ref<const std::string&>()));
        ++before.result.bad;
      }
    } catch (const nlohmann::json::exception& error) {
      fail("{}: is damaged ({}); remove it to start over", journal.path().string(), json_problem(error));
    }
    require(before.next >= 0, "{}: is damaged; remove it to start over", journal.path().string());
  }
}

class Verification {
 public:
  Verification(const VerifyOptions& options, Journal* journal,
               const std::function<void(const std::string&)>& say)
      : options_(options), journal_(journal), say_(say) {
    if (journal_ != nullptr) read_blocks(*journal_, before_, say_);
    result_ = before_.result;
    if (before_.place > 0 || before_.next > 0)
      log::info("going on behind {} pictures, which an earlier call has checked ({} bad)", result_.checked,
                result_.bad);
  }

  void check(std::size_t number, const std::string& place) {
    if (number < before_.place) return;
    place_ = number;
    listing_.clear();
    std::unique_ptr<Checker> checker;
    try {
      checker = open_checker(place, options_.decode);
    } catch (const Error& error) {
      bad(error.what());
      note(number + 1, 0);
      return;
    }
    listing_ = checker->listing();
    std::int64_t first = 0;
    const bool resumed = number == before_.place && !before_.listing.empty();
    if (!resumed) {
      for (const std::string& problem : checker->problems()) bad(problem);
    } else {
      require(listing_ == before_.listing && before_.next <= checker->count(),
              "{}: has changed since the stopped call; remove {} to start over", place,
              options_.journal.string());
      first = before_.next;
    }
    const std::int64_t count = checker->count();
    Progress progress("checking " + printable(place, 60), static_cast<std::size_t>(count - first),
                      checker->what());
    std::int64_t next = first;
    try {
      for_each_in_order<std::string>(
          first, count, options_.threads,
          [&] {
            return [check = checker->worker()](std::int64_t i, std::string& problem) { problem = check(i); };
          },
          [&](std::int64_t i, std::string& problem) {
            if (!problem.empty()) {
              progress.clear();
              bad(problem);
            }
            ++result_.checked;
            next = i + 1;
            if (next % 64 != 0) return;
            progress.update(static_cast<std::size_t>(next - first));
            if (Clock::now() - last_note_ >= std::chrono::seconds(2)) note(number, next);
          });
    } catch (const Interrupted&) {
      progress.clear();
      note(number, next);
      if (journal_ != nullptr)
        log::info("{} of {} are checked; the same command goes on from there", next, count);
      throw;
    }
    note(number + 1, 0);
  }

  const VerifyResult& result() const { return result_; }

 private:
  void bad(const std::string& sentence) {
    ++result_.bad;
    say_(sentence);
    if (journal_ != nullptr) new_bad_.push_back(to_json_text(sentence));
  }
  void note(std::size_t place, std::int64_t next) {
    last_note_ = Clock::now();
    if (journal_ == nullptr) return;
    journal_->append(Json{{"place", place},
                          {"next", next},
                          {"listing", place == place_ ? listing_ : ""},
                          {"checked", result_.checked},
                          {"bad", std::exchange(new_bad_, {})}}
                         .dump());
  }

  const VerifyOptions& options_;
  Journal* journal_;
  const std::function<void(const std::string&)>& say_;
  Before before_;
  VerifyResult result_;
  std::size_t place_ = 0;
  std::string listing_;
  std::vector<std::string> new_bad_;
  Clock::time_point last_note_ = Clock::now();
};

}  // namespace

VerifyResult verify_places(const std::vector<std::string>& places, const VerifyOptions& options,
                           const std::function<void(const std::string&)>& say) {
  std::optional<Journal> journal;
  if (!options.journal.empty()) {
    Json described = Json::array();
    for (const std::string& place : places) described.push_back(describe_place(place));
    journal.emplace(options.journal, Json{{"places", described}, {"decode", options.decode}},
                    std::vector<std::filesystem::path>{});
  }
  Verification verification(options, journal ? &*journal : nullptr, say);
  for (std::size_t i = 0; i < places.size(); ++i) verification.check(i, places[i]);
  if (journal) journal->remove();
  return verification.result();
}

}  // namespace qcface::convert
