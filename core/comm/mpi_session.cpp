#include "core/comm/mpi_session.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <utility>

#include "core/comm/launch.h"
#include "core/error.h"
#include "core/log.h"

namespace qcface {
namespace {

constexpr std::size_t kHostBytes = 64;
constexpr std::size_t kMostStaging = std::size_t{1} << 30;  // so that MPI can count it

// Never destroyed: a process that leaves by an error leaves the watch at work until end_all_ranks().
std::mutex session_mutex;
MpiSession* session = nullptr;
int session_rank = 0;

std::string own_host() {
  char name[256] = {};
  if (::gethostname(name, sizeof(name) - 1) != 0) return "unknown";
  return std::string(name).substr(0, kHostBytes - 1);
}

/// For a process that calls exit() or leaves main with MPI open, which launchers may take for its work done: the others would
/// wait. Not for one that has said its error and called end_all_ranks().
void end_unless_closed() {
  if (!mpi_is_open()) return;
  try {
    log::error("rank {} (host {}) ends without having closed its communicator: all processes are ended",
               session_rank, own_host());
  } catch (...) {  // nothing can be written
  }
  end_all_ranks(1);
}

void gather_hosts(MPI_Comm comm, MpiSession& opened) {
  std::array<char, kHostBytes> own{};
  const std::string host = own_host();
  std::copy(host.begin(), host.end(), own.begin());
  std::vector<char> all(kHostBytes * static_cast<std::size_t>(opened.size));
  check_mpi(MPI_Allgather(own.data(), kHostBytes, MPI_CHAR, all.data(), kHostBytes, MPI_CHAR, comm),
            "MPI_Allgather");
  for (int r = 0; r < opened.size; ++r)
    opened.hosts.emplace_back(all.data() + kHostBytes * static_cast<std::size_t>(r));
}

void compare_options(MPI_Comm comm, int size, const MpiOptions& options) {
  const std::array<double, 4> own{options.silence_s, options.timeout_s,
                                  static_cast<double>(options.staging_bytes), options.watch ? 1.0 : 0.0};
  std::vector<std::array<double, 4>> all(static_cast<std::size_t>(size));
  check_mpi(MPI_Allgather(own.data(), 4, MPI_DOUBLE, all.data(), 4, MPI_DOUBLE, comm), "MPI_Allgather");
  for (std::size_t r = 1; r < all.size(); ++r)
    require(all[r] == all[0],
            "ranks 0 and {} were started with different options: silence {} and {} s, timeout {} and {} s, "
            "staging {} and "
            "{} bytes, watch {} and {}",
            r, all[0][0], all[r][0], all[0][1], all[r][1], all[0][2], all[r][2], all[0][3], all[r][3]);
}

void find_local_ranks(MpiSession& opened) {
  MPI_Comm local = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &local),
            "MPI_Comm_split_type");
  check_mpi(MPI_Comm_rank(local, &opened.local_rank), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(local, &opened.local_size), "MPI_Comm_size");
  check_mpi(MPI_Comm_free(&local), "MPI_Comm_free");
}

/// MPI_Init_thread, with what it and the launcher say of this process. Returns the level of threads.
int start_mpi(MpiSession& opened) {
  const Launch launch = this_launch();
  int already = 0, provided = 0;
  check_mpi(MPI_Initialized(&already), "MPI_Initialized");
  require(already == 0, "MPI is open already, by other code than this library's: expected to open it here");
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided), "MPI_Init_thread");
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  check_mpi(MPI_Comm_rank(MPI_COMM_WORLD, &opened.rank), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(MPI_COMM_WORLD, &opened.size), "MPI_Comm_size");
  if (!launch.launcher.empty() && launch.size != opened.size) {
    const int size = opened.size;
    MPI_Finalize();  // alone, as MPI believes
    fail(
        "{} started {} processes, but MPI sees {}: this program was built with {}, another MPI than the "
        "launcher's (under "
        "srun: see srun --mpi=list); start it with the mpirun of that one, or build it anew with the other",
        launch.launcher, launch.size, size, mpi_library());
  }
  session_rank = opened.rank;
  spdlog::default_logger();  // made before, so that it is there until end_unless_closed() has run
  set_mpi_open(true);
  std::atexit(end_unless_closed);
  return provided;
}

}  // namespace

ExitAfter::ExitAfter(double seconds, std::string message) {
  thread_ = std::thread([this, seconds, message = std::move(message)] {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, std::chrono::duration<double>(seconds), [this] { return done_; })) return;
    try {
      log::error("{}", message);
      spdlog::default_logger()->flush();
    } catch (...) {  // nothing can be written
    }
    end_all_ranks(1);
    ::_exit(1);
  });
}

ExitAfter::~ExitAfter() {
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void MpiSession::break_off(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  if (!broken_) reason_ = reason;
  broken_ = true;
}

std::string MpiSession::broken_by() const {
  const std::lock_guard lock(mutex_);
  return reason_;
}

MpiSession& open_mpi(const MpiOptions& options, MPI_Comm* own) {
  const std::lock_guard lock(session_mutex);
  require(options.silence_s > 0 && options.timeout_s > 0 && options.opening_s > 0 &&
              options.staging_bytes > 0 && options.staging_bytes <= kMostStaging,
          "MPI: silence {} s, timeout {} s, opening {} s, staging {} bytes: expected numbers above 0, and at "
          "most {} bytes",
          options.silence_s, options.timeout_s, options.opening_s, options.staging_bytes, kMostStaging);
  require(session == nullptr || session->open > 0, "MPI is closed: a process can open it once");
  const Launch launch = this_launch();
  const ExitAfter guard(
      options.opening_s,
      fmt::format("MPI did not open within {:.0f} s: one of the {} processes did not start, was stopped or "
                  "cannot be reached (this is rank {} on host {})",
                  options.opening_s, launch.size, launch.rank, own_host()));
  if (session != nullptr) {
    require(session->made < MpiWatch::kMostCommunicators, "MPI: more than {} communicators in one process",
            MpiWatch::kMostCommunicators);
    check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, own), "MPI_Comm_dup");
    compare_options(*own, session->size, options);
  } else {
    auto opened = std::make_unique<MpiSession>();
    const int provided = start_mpi(*opened);
    check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, own), "MPI_Comm_dup");
    opened->silence_s = options.silence_s;
    opened->timeout_s = options.timeout_s;
    gather_hosts(*own, *opened);
    compare_options(*own, opened->size, options);
    find_local_ranks(*opened);
    int threads = provided >= MPI_THREAD_MULTIPLE ? 1 : 0;
    check_mpi(MPI_Allreduce(MPI_IN_PLACE, &threads, 1, MPI_INT, MPI_MIN, *own), "MPI_Allreduce");
    opened->threads = threads != 0;
    if (!opened->threads && options.watch && opened->rank == 0 && opened->size > 1)
      log::warn(
          "{} lets only one thread call it: a process that is stopped or cut off is found after {:.0f} s, "
          "and not by "
          "name",
          mpi_library(), options.timeout_s);
    MPI_Comm watch = MPI_COMM_NULL;
    check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &watch), "MPI_Comm_dup");
    check_mpi(MPI_Barrier(*own), "MPI_Barrier");
    if (opened->threads && options.watch && opened->size > 1)
      opened->watch = std::make_unique<MpiWatch>(watch, opened->hosts, options.silence_s);
    session = opened.release();
  }
  ++session->made;
  ++session->open;
  return *session;
}

void close_mpi(MpiSession& opened) {
  const std::lock_guard lock(session_mutex);
  if (--opened.open > 0) return;
  if (opened.watch) opened.watch->goodbye();
  // With a watch all ranks have come here; without one they may still be at work.
  const double limit = opened.watch ? std::max(opened.silence_s, 5.0) : opened.timeout_s;
  const ExitAfter guard(
      limit, fmt::format("MPI did not close within {:.0f} s: a process was stopped, killed or cut off at its "
                         "end (this is rank {})",
                         limit, opened.rank));
  set_mpi_open(false);
  check_mpi(MPI_Finalize(), "MPI_Finalize");
}

void check_mpi(int code, const char* function) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) length = 0;
  fail("{}: {}", function,
       length > 0 ? std::string(text, static_cast<std::size_t>(length)) : fmt::format("error {}", code));
}

std::string mpi_library() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = {};
  int length = 0;
  if (MPI_Get_library_version(text, &length) != MPI_SUCCESS) return "an MPI without a name";
  std::string line;
  for (const char c : std::string(text, static_cast<std::size_t>(length))) {
    if (c == '\n' || c == '\0') break;
    if (c != '\t' && (c != ' ' || line.empty() || line.back() != ' ')) line += c;
  }
  return line;
}

}  // namespace qcface
