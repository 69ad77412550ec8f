// Collectives over MPI. Every one starts with the exchange of a slip, which says what the rank calls and carries small arrays
// whole; larger ones follow in pieces, over memory of this class's own. So counts stay small whatever the arrays' sizes, and late
// messages of a rank that was given up never reach an array.
//
// One all_reduce of B bytes moves 2 B (R - 1) / R into and out of every rank, as much as any algorithm needs.
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "core/comm/call.h"
#include "core/comm/mpi.h"
#include "core/comm/mpi_session.h"
#include "core/comm/reduction.h"
#include "core/error.h"
#include "core/log.h"

namespace qcface {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kSpins = 64;  // looks without a pause
constexpr auto kYielding =
    std::chrono::milliseconds(1);  // then other threads first, as ranks may be more than cores
constexpr auto kSleep = std::chrono::microseconds(100);  // then this long between looks
constexpr std::int64_t kTogetherBytes = std::int64_t{256}
                                        << 10;  // of all ranks: reduced by every rank for itself

struct Slip {
  CollectiveCall call;
  std::byte values[256 - sizeof(CollectiveCall)];
};
static_assert(sizeof(Slip) == 256);
constexpr std::int64_t kSlipBytes = sizeof(Slip::values);

class MpiRanks final : public MpiCommunicator {
 public:
  explicit MpiRanks(const MpiOptions& options)
      : options_(options), session_(open_mpi(options, &comm_)), number_(session_.made - 1) {
    const std::size_t ranks = static_cast<std::size_t>(session_.size);
    block_ = static_cast<std::int64_t>(std::max<std::size_t>(options.staging_bytes / ranks / 64, 1) * 64);
    slips_.resize(ranks);
  }

  ~MpiRanks() override {
    if (std::uncaught_exceptions() > exceptions_) return;
    try {
      finish();
    } catch (const std::exception& error) {
      log::error("{}", error.what());
    }
  }

  int rank() const override { return session_.rank; }
  int size() const override { return session_.size; }
  int local_rank() const override { return session_.local_rank; }
  int local_size() const override { return session_.local_size; }
  const std::string& host(int r) const override { return session_.hosts.at(static_cast<std::size_t>(r)); }

  void poll() override {
    if (session_.watch) session_.watch->poll();
  }

  void barrier() override {
    const Inside inside(*this, {});
    swap_slips();
  }

  void finish() override {
    if (finished_) return;
    finished_ = true;
    if (!session_.broken()) close_mpi(session_);
  }

  std::unique_ptr<Communicator> another() override {
    if (!session_.threads || size() == 1) return nullptr;
    barrier();  // which says who is missing; MPI's own making of one would wait for ever
    return std::make_unique<MpiRanks>(options_);
  }
  void abandon() noexcept override { abandoned_ = true; }

 protected:
  void do_all_reduce(const Array& values, Reduce reduce, void*) override {
    const Inside inside(*this, make_call(CallKind::kAllReduce, values, reduce), values);
    const std::int64_t count = values.count(), element = bytes_of(values.type), ranks = size();
    if (count * element <= kSlipBytes) {
      read(values, 0, count, own_slip().values);
      swap_slips();
      reduce_in_order(slip_values(), count, values.type, reduce, own_slip().values);
      write(values, 0, count, own_slip().values);
      return;
    }
    swap_slips();
    if (count * element * ranks <= kTogetherBytes && count * element <= block_) {
      std::byte* const all = room(receive_, count * element * ranks);
      read(values, 0, count, all + rank() * count * element);
      gather(all, count * element);
      reduce_in_order(parts(all, count * element), count, values.type, reduce, all);
      write(values, 0, count, all);
      return;
    }
    const std::int64_t most = block_ / element * ranks;
    for (std::int64_t first = 0; first < count; first += most) {
      const std::int64_t length = std::min(most, count - first), share = (length + ranks - 1) / ranks;
      std::byte* const sent = room(send_, share * element * ranks);
      std::byte* const all = room(receive_, share * element * ranks);
      read(values, first, length, sent);
      transpose(sent, all, share * element);
      reduce_in_order(parts(all, share * element),
                      std::clamp<std::int64_t>(length - rank() * share, 0, share), values.type, reduce,
                      all + rank() * share * element);
      gather(all, share * element);
      write(values, first, length, all);
    }
  }

  void do_reduce_scatter(const Array& in, const Array& out, Reduce reduce, void*) override {
    const Inside inside(*this, make_call(CallKind::kReduceScatter, in, reduce), in);
    const std::int64_t element = bytes_of(in.type);
    const Share mine = share(in, rank());
    if (in.count() * element <= kSlipBytes) {
      read(in, 0, in.count(), own_slip().values);
      swap_slips();
      reduce_in_order(slip_values(), in.count(), in.type, reduce, own_slip().values);
      write(out, 0, mine.count, own_slip().values + mine.first * element);
      return;
    }
    swap_slips();
    const std::int64_t longest = longest_share(in), most = block_ / element;
    for (std::int64_t first = 0; first < longest; first += most) {
      const std::int64_t length = std::min(most, longest - first), bytes = length * element;
      std::byte* const sent = room(send_, bytes * size());
      std::byte* const all = room(receive_, bytes * size());
      for (int r = 0; r < size(); ++r) {
        const Share theirs = share(in, r);
        read(in, theirs.first + first, within(theirs, first, length), sent + r * bytes);
      }
      transpose(sent, all, bytes);
      reduce_in_order(parts(all, bytes), within(mine, first, length), in.type, reduce, all);
      write(out, first, within(mine, first, length), all);
    }
  }

  void do_all_gather(const Array& in, const Array& out, void*) override {
    const Inside inside(*this, make_call(CallKind::kAllGather, out), out);
    const std::int64_t element = bytes_of(out.type), longest = longest_share(out);
    if (longest * element <= kSlipBytes) {
      read(in, 0, in.count(), own_slip().values);
      swap_slips();
      for (int r = 0; r < size(); ++r) {
        const Share theirs = share(out, r);
        write(out, theirs.first, theirs.count, slips_[static_cast<std::size_t>(r)].values);
      }
      return;
    }
    swap_slips();
    const std::int64_t most = block_ / element;
    for (std::int64_t first = 0; first < longest; first += most) {
      const std::int64_t length = std::min(most, longest - first), bytes = length * element;
      std::byte* const all = room(receive_, bytes * size());
      read(in, first, within(share(out, rank()), first, length), all + rank() * bytes);
      gather(all, bytes);
      for (int r = 0; r < size(); ++r) {
        const Share theirs = share(out, r);
        write(out, theirs.first + first, within(theirs, first, length), all + r * bytes);
      }
    }
  }

  void do_broadcast(const Array& values, int root, void*) override {
    const Inside inside(*this, make_call(CallKind::kBroadcast, values, Reduce::kSum, root), values);
    const std::int64_t count = values.count(), element = bytes_of(values.type);
    if (count * element <= kSlipBytes) {
      if (rank() == root) read(values, 0, count, own_slip().values);
      swap_slips();
      if (rank() != root) write(values, 0, count, slips_[static_cast<std::size_t>(root)].values);
      return;
    }
    swap_slips();
    const std::int64_t most = std::min(block_ * size(), kMostBroadcast) / element;
    for (std::int64_t first = 0; first < count; first += most) {
      const std::int64_t length = std::min(most, count - first);
      std::byte* const piece = room(receive_, length * element);
      if (rank() == root) read(values, first, length, piece);
      wait([&](MPI_Request* request) {
        return MPI_Ibcast(piece, static_cast<int>(length * element), MPI_BYTE, root, comm_, request);
      });
      if (rank() != root) write(values, first, length, piece);
    }
  }

 private:
  static constexpr std::int64_t kMostBroadcast = std::int64_t{256} << 20;

  /// This rank is in a collective.
  class Inside {
   public:
    Inside(MpiRanks& ranks, const CollectiveCall& call, const Array& array = {}) : ranks_(ranks) {
      require(!ranks.finished_, "{}: the communicator is closed", name_of(call.kind));
      ranks.require_whole(call.kind);
      require(!array.on_device, "{}: MPI takes arrays of the host, this one is on a device",
              name_of(call.kind));
      ranks.call_ = call;
      ++ranks.entered_;
      if (MpiWatch* const watch = ranks.session_.watch.get())
        watch->enter(ranks.number_, ranks.entered_, call.kind);
    }
    ~Inside() {
      if (MpiWatch* const watch = ranks_.session_.watch.get()) watch->leave(ranks_.number_);
    }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

   private:
    MpiRanks& ranks_;
  };

  Slip& own_slip() { return slips_[static_cast<std::size_t>(rank())]; }
  std::vector<const void*> slip_values() const {
    std::vector<const void*> values;
    for (const Slip& slip : slips_) values.push_back(slip.values);
    return values;
  }
  std::vector<const void*> parts(const std::byte* all, std::int64_t bytes) const {
    std::vector<const void*> values;
    for (int r = 0; r < size(); ++r) values.push_back(all + r * bytes);
    return values;
  }

  /// Waits for every rank and throws unless all of them make the same call.
  void swap_slips() {
    own_slip().call = call_;
    wait([&](MPI_Request* request) {
      return MPI_Iallgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, slips_.data(), sizeof(Slip), MPI_BYTE, comm_,
                            request);
    });
    for (int r = 1; r < size(); ++r) {
      const CollectiveCall& other = slips_[static_cast<std::size_t>(r)].call;
      if (other != slips_.front().call) throw Error(describe_difference(slips_.front().call, r, other));
    }
  }

  /// Block r of every rank's `all` = block r of rank r's.
  void gather(std::byte* all, std::int64_t bytes) {
    wait([&](MPI_Request* request) {
      return MPI_Iallgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, all, static_cast<int>(bytes), MPI_BYTE, comm_,
                            request);
    });
  }
  /// Block r of rank q's `received` = block q of rank r's `sent`.
  void transpose(const std::byte* sent, std::byte* received, std::int64_t bytes) {
    wait([&](MPI_Request* request) {
      return MPI_Ialltoall(sent, static_cast<int>(bytes), MPI_BYTE, received, static_cast<int>(bytes),
                           MPI_BYTE, comm_, request);
    });
  }

  template <class Start>
  void wait(const Start& start) {
    try {
      MPI_Request request = MPI_REQUEST_NULL;
      check_mpi(start(&request), name_of(call_.kind));
      const Clock::time_point began = Clock::now();
      for (std::int64_t look = 0;; ++look) {
        int done = 0;
        check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), name_of(call_.kind));
        if (done != 0) return;
        if (look < kSpins) continue;
        const Clock::duration waited = Clock::now() - began;
        if (waited < kYielding) {
          ::sched_yield();
          continue;
        }
        poll();
        require_whole(call_.kind);
        if (std::chrono::duration<double>(waited).count() > session_.timeout_s) fail_late();
        std::this_thread::sleep_for(kSleep);
      }
    } catch (const std::exception& error) {
      session_.break_off(error.what());
      throw;
    }
  }

  /// Neither this rank has given up nor another of its threads has failed.
  void require_whole(CallKind kind) const {
    require(!abandoned_, "{}: rank {} leaves by an error of another thread", name_of(kind), rank());
    if (!session_.broken()) return;
    fail("{}: another collective has failed ({}), the ranks can only be ended", name_of(kind),
         session_.broken_by());
  }

  [[noreturn]] void fail_late() {
    const std::string missing = session_.watch ? session_.watch->who_is_missing(number_, entered_)
                                               : "who is missing cannot be said without the watch's thread";
    fail("{} (rank {} waits in {}, its collective {}, for {:.0f} s)", missing, rank(), describe(call_),
         entered_, session_.timeout_s);
  }

  std::byte* room(std::vector<std::byte>& memory, std::int64_t bytes) {
    const auto size = static_cast<std::size_t>(bytes);
    if (memory.size() < size) {
      memory = {};
      memory.resize(size);
    }
    return memory.data();
  }

  /// Elements [first, first + count) of the share of `theirs` that a piece of `length` at `first` holds.
  static std::int64_t within(const Share& theirs, std::int64_t first, std::int64_t length) {
    return std::clamp<std::int64_t>(theirs.count - first, 0, length);
  }
  /// In elements.
  Share share(const Array& whole, int r) const {
    const Share rows = share_of(whole.rows, r, size());
    return {rows.first * whole.width, rows.count * whole.width};
  }
  std::int64_t longest_share(const Array& whole) const {
    return (whole.rows + size() - 1) / size() * whole.width;
  }

  static void read(const Array& array, std::int64_t first, std::int64_t count, std::byte* to) {
    if (count == 0) return;
    const std::size_t element = bytes_of(array.type);
    std::memcpy(to, static_cast<const std::byte*>(array.data) + static_cast<std::size_t>(first) * element,
                static_cast<std::size_t>(count) * element);
  }
  static void write(const Array& array, std::int64_t first, std::int64_t count, const std::byte* from) {
    if (count == 0) return;
    const std::size_t element = bytes_of(array.type);
    std::memcpy(static_cast<std::byte*>(array.data) + static_cast<std::size_t>(first) * element, from,
                static_cast<std::size_t>(count) * element);
  }

  const MpiOptions options_;
  MPI_Comm comm_ = MPI_COMM_NULL;
  MpiSession& session_;
  const int number_;  // of the process's communicators
  const int exceptions_ = std::uncaught_exceptions();
  std::int64_t block_ = 0;  // bytes of one rank in a piece
  CollectiveCall call_;
  std::uint64_t entered_ = 0;
  bool finished_ = false;
  std::atomic<bool> abandoned_{false};
  std::vector<Slip> slips_;  // by rank
  std::vector<std::byte> send_, receive_;
};

}  // namespace

std::unique_ptr<MpiCommunicator> make_mpi_communicator(const MpiOptions& options) {
  return std::make_unique<MpiRanks>(options);
}

}  // namespace qcface
