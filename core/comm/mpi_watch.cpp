#include "core/comm/mpi_watch.h"

#include <algorithm>
#include <cstddef>
#include <exception>
#include <utility>

#include "core/comm/mpi.h"
#include "core/error.h"
#include "core/log.h"

namespace qcface {
namespace {

constexpr auto kTurn =
    std::chrono::milliseconds(20);  // how often the thread looks: a message costs nothing else
constexpr auto kBeat = std::chrono::seconds(1);
constexpr auto kAnswerTime = std::chrono::seconds(3);
constexpr std::size_t kMostOnTheirWay = 64;  // messages to a rank that does not take them
constexpr std::size_t kMostNamed = 8;

double seconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

MpiWatch::MpiWatch(MPI_Comm comm, std::vector<std::string> hosts, double silence_s)
    : comm_(comm), hosts_(std::move(hosts)), silence_s_(silence_s) {
  check_mpi(MPI_Comm_rank(comm_, &rank_), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(comm_, &size_), "MPI_Comm_size");
  previous_ = (rank_ + size_ - 1) % size_;
  next_ = (rank_ + 1) % size_;
  heard_ = last_turn_ = Clock::now();
  last_beat_ = heard_ - kBeat;
  for (Progress& progress : progress_) progress.since = heard_.time_since_epoch().count();
  thread_ = std::thread([this] { run(); });
}

void MpiWatch::enter(int communicator, std::uint64_t entered, CallKind kind) {
  Progress& progress = progress_[static_cast<std::size_t>(communicator)];
  progress.since = Clock::now().time_since_epoch().count();
  progress.call = static_cast<std::int32_t>(kind);
  progress.entered = entered;
}

void MpiWatch::leave(int communicator) {
  Progress& progress = progress_[static_cast<std::size_t>(communicator)];
  progress.since = Clock::now().time_since_epoch().count();
  progress.call = -1;
}

void MpiWatch::poll() {
  if (!has_found_) return;
  const std::lock_guard lock(mutex_);
  throw Error(found_);
}

void MpiWatch::goodbye() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

std::string MpiWatch::who_is_missing(int communicator, std::uint64_t entered) {
  const std::lock_guard one_question(ask_mutex_);
  std::vector<Answer> answers;
  {
    std::unique_lock lock(mutex_);
    ++question_;
    asked_communicator_ = communicator;
    answers_.assign(hosts_.size(), {});
    answers_missing_ = size_ - 1;
    changed_.notify_all();
    changed_.wait_for(lock, kAnswerTime, [&] { return answers_missing_ == 0; });
    answers = answers_;
  }
  std::string text;
  std::size_t missing = 0;
  for (int r = 0; r < size_; ++r) {
    const Answer& answer = answers[static_cast<std::size_t>(r)];
    if (r == rank_ || (answer.given && answer.message.leaving == 0 &&
                       answer.message.entered[static_cast<std::size_t>(communicator)] >= entered))
      continue;
    if (++missing <= kMostNamed) text += (text.empty() ? "" : "; ") + name(r) + " " + state_of(answer);
  }
  if (missing > kMostNamed) text += fmt::format("; and {} more", missing - kMostNamed);
  if (missing > 0) return text;
  return "all ranks are in it: the network between their hosts lets small messages through and this one not";
}

std::string MpiWatch::name(int rank) const {
  return fmt::format("rank {} (host {})", rank, hosts_[static_cast<std::size_t>(rank)]);
}

std::string MpiWatch::state_of(const Answer& answer) const {
  if (!answer.given) return "is missing and gives no answer: it was stopped, killed or cut off";
  const Message& message = answer.message;
  const std::uint64_t entered = message.entered[static_cast<std::size_t>(message.communicator)];
  if (message.leaving != 0)
    return fmt::format("is missing: it has come to its end after {} collectives", entered);
  if (message.call < 0)
    return fmt::format("is missing: it has been outside of collectives for {:.1f} s, after {} of them",
                       message.seconds, entered);
  return fmt::format("is missing: it has been in collective {}, {}, for {:.1f} s", entered,
                     name_of(static_cast<CallKind>(message.call)), message.seconds);
}

void MpiWatch::run() {
  std::string found;
  try {
    while (turn()) {
    }
    return;
  } catch (const std::exception& error) {
    found = error.what();
  }
  {
    const std::lock_guard lock(mutex_);
    found_ = found;
  }
  has_found_ = true;
  try {
    log::error("{} (seen by {}; all processes are ended)", found, name(rank_));
  } catch (...) {  // nothing can be written: still no reason to let the others wait
  }
  end_all_ranks(1);
}

bool MpiWatch::turn() {
  std::uint64_t question = 0;
  int communicator = 0;
  bool leaving = false;
  {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kTurn, [&] { return question_ != asked_ || (leaving_ && !said_leaving_); });
    if (question_ != asked_) question = asked_ = question_;
    communicator = asked_communicator_;
    leaving = leaving_;
  }
  const Clock::time_point now = Clock::now();
  // A process that was stopped itself finds the beats of that time waiting, not all of them at once.
  if (now - last_turn_ > kBeat) heard_ += now - last_turn_;
  last_turn_ = now;
  drop_sent();
  receive();
  if (question != 0) ask_all(question, communicator);
  if (leaving && say_goodbye()) return false;
  if (!said_bye_) beat(now);
  require_predecessor(now);
  return true;
}

MpiWatch::Message MpiWatch::message_of(Kind kind) const {
  Message message{};
  message.kind = kind;
  message.call = -1;
  message.leaving = said_leaving_ ? 1 : 0;
  for (std::size_t c = 0; c < progress_.size(); ++c) message.entered[c] = progress_[c].entered;
  return message;
}

void MpiWatch::send(int to, const Message& message) {
  Outgoing& outgoing = sent_.emplace_back(Outgoing{MPI_REQUEST_NULL, message});
  check_mpi(MPI_Isend(&outgoing.message, sizeof(Message), MPI_BYTE, to, 0, comm_, &outgoing.request),
            "MPI_Isend");
}

void MpiWatch::drop_sent() {
  for (auto outgoing = sent_.begin(); outgoing != sent_.end();) {
    int done = 0;
    check_mpi(MPI_Test(&outgoing->request, &done, MPI_STATUS_IGNORE), "MPI_Test");
    outgoing = done != 0 ? sent_.erase(outgoing) : std::next(outgoing);
  }
}

void MpiWatch::receive() {
  for (;;) {
    if (receiving_ == MPI_REQUEST_NULL) {
      if (previous_gone_ && said_bye_) return;
      check_mpi(MPI_Irecv(&received_, sizeof(Message), MPI_BYTE, MPI_ANY_SOURCE, 0, comm_, &receiving_),
                "MPI_Irecv");
    }
    int done = 0;
    MPI_Status status;
    check_mpi(MPI_Test(&receiving_, &done, &status), "MPI_Test");
    if (done == 0) return;
    take(status.MPI_SOURCE, received_);
  }
}

void MpiWatch::take(int from, const Message& message) {
  if (from == previous_) heard_ = Clock::now();
  switch (message.kind) {
    case Kind::kBeat:
      break;
    case Kind::kAsk: {
      Message answer = message_of(Kind::kAnswer);
      const Progress& progress = progress_[static_cast<std::size_t>(message.communicator)];
      answer.communicator = message.communicator;
      answer.question = message.question;
      answer.call = progress.call;
      answer.seconds = seconds(Clock::now() - Clock::time_point(Clock::duration(progress.since.load())));
      send(from, answer);
      break;
    }
    case Kind::kAnswer: {
      const std::lock_guard lock(mutex_);
      Answer& answer = answers_[static_cast<std::size_t>(from)];
      if (message.question != question_ || answer.given) break;
      answer = {true, message};
      if (--answers_missing_ == 0) changed_.notify_all();
      break;
    }
    case Kind::kLeaving:
      previous_leaves_ = true;
      previous_last_ = message;
      break;
    case Kind::kBye:
      previous_gone_ = true;
      break;
  }
}

void MpiWatch::ask_all(std::uint64_t question, int communicator) {
  Message ask = message_of(Kind::kAsk);
  ask.question = question;
  ask.communicator = communicator;
  for (int r = 0; r < size_; ++r) {
    if (r != rank_) send(r, ask);
  }
}

void MpiWatch::beat(Clock::time_point now) {
  if (now - last_beat_ < kBeat || sent_.size() >= kMostOnTheirWay) return;
  last_beat_ = now;
  send(next_, message_of(Kind::kBeat));
}

void MpiWatch::require_predecessor(Clock::time_point now) {
  if (previous_gone_) return;
  require(seconds(now - heard_) <= silence_s_,
          "{} has given no sign of life for {:.0f} s: it was stopped, killed or cut off", name(previous_),
          silence_s_);
  if (!previous_leaves_) return;
  for (std::size_t c = 0; c < progress_.size(); ++c) {
    const std::uint64_t mine = progress_[c].entered, theirs = previous_last_.entered[c];
    require(mine <= theirs,
            "{} has come to its end after {} collectives, but {} has come to number {}: every rank has to "
            "make the same "
            "calls",
            name(previous_), theirs, name(rank_), mine);
  }
}

bool MpiWatch::say_goodbye() {
  if (!said_leaving_) {
    said_leaving_ = true;
    send(next_, message_of(Kind::kLeaving));
    check_mpi(MPI_Ibarrier(comm_, &all_leave_), "MPI_Ibarrier");
  }
  if (all_leave_ != MPI_REQUEST_NULL) {
    int done = 0;
    check_mpi(MPI_Test(&all_leave_, &done, MPI_STATUS_IGNORE), "MPI_Test");
    if (done == 0) return false;
    send(next_, message_of(Kind::kBye));  // its last: messages of one rank keep their order
    said_bye_ = true;
    receive();
  }
  if (!previous_gone_) return false;
  end_sends();
  return true;
}

void MpiWatch::end_sends() {
  if (receiving_ != MPI_REQUEST_NULL) {
    check_mpi(MPI_Cancel(&receiving_), "MPI_Cancel");
    check_mpi(MPI_Wait(&receiving_, MPI_STATUS_IGNORE), "MPI_Wait");
  }
  for (Outgoing& outgoing : sent_) check_mpi(MPI_Wait(&outgoing.request, MPI_STATUS_IGNORE), "MPI_Wait");
  sent_.clear();
}

}  // namespace qcface
