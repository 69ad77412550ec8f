#include "harness/data/opencv_threads.h"

#include <opencv2/core/utility.hpp>

namespace qcface::data {

void keep_opencv_on_one_thread() { cv::setNumThreads(1); }

}  // namespace qcface::data
