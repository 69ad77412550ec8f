// OpenCV's own threads.
#pragma once

namespace qcface::data {

/// Keeps OpenCV's calls on the thread that makes them, for the whole process. Pictures are worked on side by side already,
/// and its thread pool throws from anywhere where the system refuses a thread.
void keep_opencv_on_one_thread();

}  // namespace qcface::data
