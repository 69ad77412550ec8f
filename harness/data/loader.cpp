#include "harness/data/loader.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <new>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "core/comm/communicator.h"
#include "core/error.h"
#include "core/log.h"
#include "core/random.h"
#include "harness/data/picture_pipeline.h"

namespace qcface::data {
namespace {

struct Failure {
  std::int64_t position = 0;  // in the batch
  std::int64_t index = 0;     // in the set
  std::string reason;
};

// One batch under construction. Workers write to disjoint places of the arrays; everything else is guarded by the
// loader's mutex.
struct Slot {
  AlignedBuffer<std::uint8_t> pixels;
  std::vector<std::int64_t> labels, indices;
  std::vector<std::uint8_t> valid;
  std::int64_t index = 0;   // batch index in the epoch
  Share share;              // rows of the batch that are this rank's
  std::int64_t handed = 0;  // pictures given to workers
  std::int64_t done = 0;    // pictures finished
  std::int64_t file_bytes = 0;
  std::int64_t centre_cropped = 0;
  std::vector<Failure> failures;
  std::exception_ptr error;
};

constexpr int kSubstituteTries = 100;

}  // namespace

struct Loader::Impl {
  const PictureSource& set;
  const LoaderOptions options;
  const std::size_t picture_bytes;
  const EpochPlan plan;
  std::int64_t batches = 0;

  // Guarded by mutex: everything down to `stop`.
  std::mutex mutex;
  std::condition_variable work_ready, batch_ready, workers_idle;
  std::vector<Slot> slots;        // ring: batch b lives in slots[b % slots.size()]
  std::int64_t next_fill = 0;     // batch that workers take pictures from
  std::int64_t next_deliver = 0;  // batch that next() returns next
  int busy = 0;                   // workers inside a picture
  bool stop = false;

  // Written by start_epoch() while no worker is busy.
  std::int64_t epoch = 0;
  std::vector<std::int64_t> order;
  bool started = false;
  bool delivered = false;  // a batch is out with the caller

  // Used by the calling thread only.
  Batch batch;
  LoaderStats stats;
  std::vector<CorruptPicture> corrupt;
  std::set<std::int64_t> known_corrupt;
  std::vector<std::unique_ptr<PicturePipeline>>
      pipelines;  // one a worker; without workers the first is the caller's
  std::vector<std::thread> threads;

  Impl(const PictureSource& set_, const LoaderOptions& options_);
  ~Impl();

  Slot& slot_of(std::int64_t b) { return slots[static_cast<std::size_t>(b) % slots.size()]; }
  /// Of all ranks together.
  std::int64_t size_of_batch(std::int64_t b) const {
    return std::min(options.batch_size, plan.size() - b * options.batch_size);
  }
  void open_slot(std::int64_t b);
  bool take(std::int64_t& b, std::int64_t& position);
  void fill(PicturePipeline& pipeline, Slot& slot, std::int64_t position);
  void start_workers();
  void work(PicturePipeline& pipeline);
  void report_failures(Slot& slot);
  const Batch* next();
};

Loader::Impl::Impl(const PictureSource& set_, const LoaderOptions& options_)
    : set(set_),
      options(options_),
      picture_bytes(3 * static_cast<std::size_t>(std::max(options_.side, 0)) *
                    static_cast<std::size_t>(std::max(options_.side, 0))),
      plan(set_.parts(), options_.weights) {
  require(options.batch_size >= 1, "batch size {}: expected at least 1", options.batch_size);
  require(options.slice.ranks >= 1 && options.slice.rank >= 0 && options.slice.rank < options.slice.ranks,
          "data loader: rank {} of {}: expected a rank from 0 and below their number", options.slice.rank,
          options.slice.ranks);
  require(options.workers >= 0, "workers {}: expected 0 or more", options.workers);
  require(options.prefetch >= 1, "prefetch {}: expected at least 1 batch", options.prefetch);
  require(options.side >= 1, "picture side {}: expected at least 1", options.side);
  batches = (plan.size() + (options.drop_last ? 0 : options.batch_size - 1)) / options.batch_size;
  // The batch that is out with the caller keeps its slot, hence one more than are prepared ahead.
  slots.resize(static_cast<std::size_t>(options.workers == 0 ? 1 : options.prefetch + 1));
  const std::int64_t ranks = options.slice.ranks;  // no share is larger than an even one, rounded up
  const auto rows = static_cast<std::size_t>((std::min(options.batch_size, plan.size()) + ranks - 1) / ranks);
  for (Slot& slot : slots) {
    slot.pixels = AlignedBuffer<std::uint8_t>(rows * picture_bytes);
    slot.labels.resize(rows);
    slot.indices.resize(rows);
    slot.valid.resize(rows);
  }
  next_fill = next_deliver = batches;  // nothing to do before start_epoch()
  // Made here and not by the workers: an exception would end the process there.
  pipelines.push_back(std::make_unique<PicturePipeline>(options));
  start_workers();
}

// As many as the system lets start: batches are the same with any number, and without one next() does the work.
void Loader::Impl::start_workers() {
  std::string reason;
  try {
    const auto wanted = static_cast<std::size_t>(options.workers);
    threads.reserve(wanted);
    while (threads.size() < wanted) {
      if (pipelines.size() == threads.size()) pipelines.push_back(std::make_unique<PicturePipeline>(options));
      threads.emplace_back([this, pipeline = pipelines.back().get()] { work(*pipeline); });
    }
    return;
  } catch (const std::system_error& error) {
    reason = error.code().message();
  } catch (const std::bad_alloc&) {
    reason = "not enough memory";
  }
  static std::atomic<bool> said{false};  // once, and not for the loader of every evaluation
  if (said.exchange(true)) return;
  log::warn("--workers {}: the system lets {} start ({}); {}", options.workers, threads.size(), reason,
            threads.empty() ? "pictures are loaded without them" : "loading goes on with these");
}

Loader::Impl::~Impl() {
  {
    const std::lock_guard lock(mutex);
    stop = true;
  }
  work_ready.notify_all();
  for (std::thread& thread : threads) thread.join();
}

// Makes the slot of batch b ready for workers; mutex held (or no workers).
void Loader::Impl::open_slot(std::int64_t b) {
  Slot& slot = slot_of(b);
  slot.index = b;
  slot.share = share_of(size_of_batch(b), options.slice.rank, options.slice.ranks);
  slot.handed = slot.done = slot.file_bytes = slot.centre_cropped = 0;
  slot.failures.clear();
  slot.error = nullptr;
}

// Next picture to work on; mutex held. Batches are filled in order, at most slots.size() - 1 ahead of the delivered one.
bool Loader::Impl::take(std::int64_t& b, std::int64_t& position) {
  for (; next_fill < batches; ++next_fill) {
    const std::int64_t oldest = delivered ? next_deliver - 1 : next_deliver;  // its slot is in use
    if (next_fill - oldest >= static_cast<std::int64_t>(slots.size())) return false;
    Slot& slot = slot_of(next_fill);
    if (slot.index != next_fill) open_slot(next_fill);
    if (slot.share.count == 0) {  // a batch of fewer pictures than ranks
      batch_ready.notify_all();
      continue;
    }
    b = next_fill;
    position = slot.handed++;
    if (slot.handed == slot.share.count) ++next_fill;
    return true;
  }
  return false;
}

void Loader::Impl::fill(PicturePipeline& pipeline, Slot& slot, std::int64_t position) {
  const std::int64_t in_epoch = slot.index * options.batch_size + slot.share.first + position;
  const auto at = static_cast<std::size_t>(position);
  std::uint8_t* const pixels = slot.pixels.data() + at * picture_bytes;
  std::vector<Failure> failures;
  std::int64_t entry = order[static_cast<std::size_t>(in_epoch)];
  std::int64_t index = plan.index_of(entry);
  std::exception_ptr error;
  PictureOutcome outcome;
  std::int64_t file_bytes = 0;
  bool good = false;
  try {
    RandomStream substitute(options.seed, RandomPurpose::kSubstitute, static_cast<std::uint32_t>(epoch),
                            static_cast<std::uint64_t>(in_epoch));
    for (int attempt = 0; attempt <= kSubstituteTries; ++attempt) {
      outcome = pipeline.run(set, index, {epoch, entry}, pixels);
      file_bytes += outcome.file_bytes;
      good = outcome.reason.empty();
      if (good) break;
      failures.push_back({position, index, std::move(outcome.reason)});
      if (options.corrupt == CorruptPolicy::kMark) {
        std::memset(pixels, 0, picture_bytes);
        break;
      }
      require(attempt < kSubstituteTries, "{}: no readable picture found to stand in for it in {} draws",
              set.name(failures.front().index), kSubstituteTries);
      entry = index = static_cast<std::int64_t>(substitute.below(static_cast<std::uint64_t>(set.size())));
    }
  } catch (...) {
    error = std::current_exception();
  }
  slot.labels[at] = set.label(index);
  slot.indices[at] = index;
  slot.valid[at] = good ? 1 : 0;

  bool complete = false;
  {
    const std::lock_guard lock(mutex);
    slot.file_bytes += file_bytes;
    slot.centre_cropped += outcome.centre_cropped ? 1 : 0;
    for (Failure& failure : failures) slot.failures.push_back(std::move(failure));
    if (error && !slot.error) slot.error = error;
    complete = ++slot.done == slot.share.count;
  }
  if (complete) batch_ready.notify_all();
}

void Loader::Impl::work(PicturePipeline& pipeline) {
  std::unique_lock lock(mutex);
  while (true) {
    std::int64_t b = 0, position = 0;
    work_ready.wait(lock, [&] { return stop || take(b, position); });
    if (stop) return;
    ++busy;
    lock.unlock();
    fill(pipeline, slot_of(b), position);
    lock.lock();
    if (--busy == 0) workers_idle.notify_all();
  }
}

// Failures in the order of their places in the batch, so that the log and the moment of stopping do not depend on
// which worker met them first.
void Loader::Impl::report_failures(Slot& slot) {
  std::stable_sort(slot.failures.begin(), slot.failures.end(),
                   [](const Failure& a, const Failure& b) { return a.position < b.position; });
  for (const Failure& failure : slot.failures) {
    if (!known_corrupt.insert(failure.index).second) continue;
    corrupt.push_back({failure.index, set.name(failure.index), failure.reason});
    log::warn("{}: picture skipped ({}); {} so far", corrupt.back().path, failure.reason, corrupt.size());
    if (options.corrupt != CorruptPolicy::kSubstitute) continue;
    if (static_cast<std::int64_t>(corrupt.size()) * 100 <= set.size()) continue;
    std::string examples;
    for (std::size_t i = 0; i < std::min<std::size_t>(corrupt.size(), 5); ++i) {
      examples += fmt::format("{}{} ({})", i == 0 ? "" : ", ", corrupt[i].path, corrupt[i].reason);
    }
    fail("{} of {} pictures cannot be read, which is more than 1 %: {}. Repair or remove them",
         corrupt.size(), set.size(), examples);
  }
}

const Batch* Loader::Impl::next() {
  require(started, "data loader: next() before start_epoch()");
  std::unique_lock lock(mutex);
  if (delivered) {
    delivered = false;  // its slot may be filled again
    lock.unlock();
    work_ready.notify_all();
    lock.lock();
  }
  if (next_deliver >= batches) return nullptr;
  Slot& slot = slot_of(next_deliver);
  const auto begin = std::chrono::steady_clock::now();
  if (threads.empty()) {
    std::int64_t b = 0, position = 0;
    while (next_fill == next_deliver && take(b, position)) {
      lock.unlock();
      fill(*pipelines.front(), slot_of(b), position);
      lock.lock();
    }
  } else {
    batch_ready.wait(lock, [&] { return slot.index == next_deliver && slot.done == slot.share.count; });
    stats.wait_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  ++next_deliver;
  delivered = true;
  lock.unlock();
  // From here on the slot belongs to this thread until the next call.
  report_failures(slot);
  if (slot.error) std::rethrow_exception(slot.error);
  const auto count = static_cast<std::size_t>(slot.share.count);
  batch.epoch = epoch;
  batch.index = slot.index;
  batch.global_size = size_of_batch(slot.index);
  batch.first_row = slot.share.first;
  batch.size = slot.share.count;
  batch.pixels = slot.pixels.data();
  batch.labels = {slot.labels.data(), count};
  batch.indices = {slot.indices.data(), count};
  batch.valid = {slot.valid.data(), count};
  stats.pictures += slot.share.count;
  stats.file_bytes += slot.file_bytes;
  stats.centre_cropped += slot.centre_cropped;
  return &batch;
}

Loader::Loader(const PictureSource& set, const LoaderOptions& options)
    : impl_(std::make_unique<Impl>(set, options)) {}
Loader::~Loader() = default;

std::int64_t Loader::batches_per_epoch() const { return impl_->batches; }

void Loader::start_epoch(std::int64_t epoch, std::int64_t first_batch) {
  Impl& impl = *impl_;
  require(epoch >= 0 && epoch <= UINT32_MAX, "epoch {}: out of range", epoch);
  require(first_batch >= 0 && first_batch <= impl.batches, "batch {} of an epoch of {} batches", first_batch,
          impl.batches);
  {
    std::unique_lock lock(impl.mutex);
    impl.next_fill = impl.batches;  // workers find nothing more to take
    impl.workers_idle.wait(lock, [&] { return impl.busy == 0; });
    impl.epoch = epoch;
    impl.order = impl.plan.order(impl.options.seed, epoch, impl.options.shuffle);
    for (Slot& slot : impl.slots) slot.index = -1;
    impl.next_fill = impl.next_deliver = first_batch;
    impl.delivered = false;
    impl.started = true;
  }
  impl.work_ready.notify_all();
}

const Batch* Loader::next() { return impl_->next(); }
const std::vector<CorruptPicture>& Loader::corrupt() const { return impl_->corrupt; }
const LoaderStats& Loader::stats() const { return impl_->stats; }
const LoaderOptions& Loader::options() const { return impl_->options; }

}  // namespace qcface::data
