// The thread that knows whether the other processes live, on a communicator of its own; all calls of MPI on that one are this
// thread's. Rank r sends a beat a second to rank r + 1 and expects those of rank r - 1, the last one those of the first.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/comm/call.h"
#include "core/comm/mpi_api.h"

namespace qcface {

class MpiWatch {
 public:
  static constexpr int kMostCommunicators = 4;

  /// Starts the thread. `hosts` by rank. Every rank has to come here within `silence_s`.
  MpiWatch(MPI_Comm comm, std::vector<std::string> hosts, double silence_s);
  MpiWatch(const MpiWatch&) = delete;
  MpiWatch& operator=(const MpiWatch&) = delete;

  /// What the other ranks may ask about this one: it is in its collective number `entered`; it is out of it.
  void enter(int communicator, std::uint64_t entered, CallKind kind);
  void leave(int communicator);
  /// Asks all ranks about collective `entered` of a communicator and says who has not come: "rank 2 (host b) is missing: ...".
  /// Takes some seconds where a rank does not answer.
  std::string who_is_missing(int communicator, std::uint64_t entered);
  /// Throws Error with what the thread has found. It ends all ranks itself, so that this comes first only by chance.
  void poll();
  /// Returns when every rank has called it; the thread has ended then. Ranks that are lost meanwhile are found as before.
  void goodbye();

 private:
  using Clock = std::chrono::steady_clock;
  enum class Kind : std::int32_t { kBeat, kAsk, kAnswer, kLeaving, kBye };
  struct Message {
    Kind kind;
    std::int32_t communicator, call;  // of an answer: the CallKind it is in, -1 outside
    std::int32_t leaving;
    std::uint64_t question;
    std::array<std::uint64_t, kMostCommunicators> entered;
    double seconds;  // of an answer: how long it has been in or outside
  };
  struct Outgoing {
    MPI_Request request;
    Message message;
  };
  struct Progress {
    std::atomic<std::uint64_t> entered{0};
    std::atomic<std::int32_t> call{-1};
    std::atomic<std::int64_t> since{0};  // Clock's ticks
  };
  struct Answer {
    bool given = false;
    Message message{};
  };

  // The thread's own.
  void run();
  bool turn();  // false: its work is done
  Message message_of(Kind kind) const;
  void send(int to, const Message& message);
  void drop_sent();
  void receive();
  void take(int from, const Message& message);
  void ask_all(std::uint64_t question, int communicator);
  void beat(Clock::time_point now);
  void require_predecessor(Clock::time_point now);
  bool say_goodbye();
  void end_sends();

  std::string name(int rank) const;
  std::string state_of(const Answer& answer) const;

  const MPI_Comm comm_;
  const std::vector<std::string> hosts_;
  const double silence_s_;
  int rank_ = 0, size_ = 1, previous_ = 0, next_ = 0;
  std::array<Progress, kMostCommunicators> progress_;

  std::list<Outgoing> sent_;
  MPI_Request receiving_ = MPI_REQUEST_NULL, all_leave_ = MPI_REQUEST_NULL;
  Message received_{};
  Clock::time_point heard_, last_turn_, last_beat_;
  bool previous_leaves_ = false, previous_gone_ = false, said_leaving_ = false, said_bye_ = false;
  Message previous_last_{};

  std::mutex ask_mutex_;  // one question at a time
  std::mutex mutex_;      // what follows
  std::condition_variable changed_;
  std::string found_;
  bool leaving_ = false;
  std::uint64_t question_ = 0, asked_ = 0;
  int asked_communicator_ = 0, answers_missing_ = 0;
  std::vector<Answer> answers_;  // to question_

  std::atomic<bool> has_found_{false};
  std::thread thread_;
};

}  // namespace qcface
