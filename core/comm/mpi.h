// Ranks that are processes, started by mpirun or srun and connected by MPI; any MPI of standard 3.0 or later. The library
// qcface_comm has it; a build without MPI (CMake: QCFACE_MPI) has these functions too, which say so.
//
// The bits are those that communicator.h promises: MPI only moves arrays, the reductions are our own, in the order of the
// ranks. Every collective first compares the ranks' calls, so it waits for all of them and finds calls that differ.
//
// A process that is lost must not leave the others waiting. In every process a thread watches one other process:
//
//   killed, crashed                the launcher (mpirun, srun --kill-on-bad-exit) ends the others; else as the next line
//   not there at the start         after MpiOptions::opening_s the others say so and end
//   stopped (SIGSTOP), cut off     after MpiOptions::silence_s its watcher writes one line that names it and ends all processes
//   at its end before the others   the watcher writes one line that names it and ends all processes
//   alive, not in the collective   after MpiOptions::timeout_s those that wait throw an Error that says who is missing, where
//                                  it is and for how long
//   left by an exception           its main says the error and calls end_all_ranks(); one that calls exit() with MPI open does
//                                  so as well
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "core/comm/communicator.h"

namespace qcface {

/// The same on every rank.
struct MpiOptions {
  double silence_s =
      20;  // how long a process may give no sign of life. Its threads, not its work: those always run
  double timeout_s = 600;  // how long one wait within a collective may take
  double opening_s = 50;   // how long opening MPI may take, which waits for the slowest process to start
  std::size_t staging_bytes = std::size_t{32}
                              << 20;  // memory for arrays on their way, about twice this a communicator
  bool watch = true;                  // false: no such thread, as where MPI lets only one thread call it
};

class MpiCommunicator : public Communicator {
 public:
  virtual const std::string& host(int rank) const = 0;
  /// The orderly end, which waits for all ranks; for the last communicator of the process it closes MPI. The destructor calls
  /// it, but not while an exception passes, nor after an Error of a collective's wait: then MPI stays open for
  /// end_all_ranks(). Later calls do nothing; collectives are Errors.
  virtual void finish() = 0;
};

/// Opens MPI with the first communicator of the process. A second one (one thread at a time may use a communicator; for another
/// thread see Communicator::another()) is made by all ranks in the same order. Its arrays are the host's; those on a device are
/// refused (nn/device_communicator.h brings them here). Errors: no MPI in this build; MPI was opened elsewhere or is closed
/// already; MPI and the launcher name different numbers of processes; options that differ. After an Error of a collective's wait
/// the ranks can only be ended: every communicator of the process then says so, with that Error's text.
std::unique_ptr<MpiCommunicator> make_mpi_communicator(const MpiOptions& options);

/// "Open MPI v4.1.4, ..."; empty in a build without MPI.
std::string mpi_library();

/// For a process that leaves by an error: flushes what was logged and ends every process of the launch, this one with `status`
/// (0 counts as 1). Ends this one alone where that takes longer than five seconds. Returns without effect where MPI is not
/// open.
void end_all_ranks(int status) noexcept;

}  // namespace qcface
