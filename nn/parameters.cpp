#include "nn/parameters.h"

#include <cmath>

#include "core/error.h"
#include "core/random.h"
#include "nn/optimiser.h"

namespace qcface::nn {
namespace {

constexpr std::size_t kAlignFloats = 64 / sizeof(float);

void fill(const TensorSpec& spec, std::uint64_t seed, std::size_t index, std::span<float> values) {
  RandomStream random(seed, RandomPurpose::kWeights, 0, index);
  switch (spec.init) {
    case Init::kZero:
    case Init::kOne:
    case Init::kQuarter: {
      const float constant = spec.init == Init::kZero ? 0.0f : spec.init == Init::kOne ? 1.0f : 0.25f;
      for (float& value : values) value = constant;
      break;
    }
    case Init::kConvFanOut: {
      const double std_dev = std::sqrt(2.0 / static_cast<double>(spec.fan));
      for (float& value : values) value = static_cast<float>(std_dev * random.normal());
      break;
    }
    case Init::kUniformFanIn: {
      const double bound = 1.0 / std::sqrt(static_cast<double>(spec.fan));
      for (float& value : values) value = static_cast<float>(random.uniform(-bound, bound));
      break;
    }
  }
}

const char* name_of(TensorRole role) {
  switch (role) {
    case TensorRole::kValue:
      return "value";
    case TensorRole::kGradient:
      return "gradient";
    case TensorRole::kSlot:
      return "slot";
  }
  return "?";
}

}  // namespace

ParameterStore::ParameterStore(std::vector<TensorSpec> tensors, const Backend& backend,
                               std::vector<std::unique_ptr<ParameterLayout>> layouts)
    : tensors_(std::move(tensors)), backend_(backend) {
  require(layouts.empty() || layouts.size() == tensors_.size(), "parameters: {} layouts for {} tensors",
          layouts.size(), tensors_.size());
  layouts.resize(tensors_.size());
  std::size_t weights = 0, buffers = 0;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const TensorSpec& spec = tensors_[i];
    const bool weight = spec.kind == TensorKind::kWeight;
    std::size_t& end = weight ? weights : buffers;
    Place place;
    place.offset = end;
    place.count = layouts[i] ? layouts[i]->storage_elements() : spec.elements();
    place.layout = std::move(layouts[i]);
    end += (place.count + kAlignFloats - 1) / kAlignFloats * kAlignFloats;
    if (weight) weight_count_ += spec.elements();
    require(by_name_.emplace(spec.name, i).second, "parameters: two tensors are named '{}'", spec.name);
    places_.push_back(std::move(place));
  }
  weights_ = backend_.allocate(weights * sizeof(float), "weights");
  gradients_ = backend_.allocate(weights * sizeof(float), "gradients");
  buffers_ = backend_.allocate(buffers * sizeof(float), "running statistics");
  if (const std::size_t element = backend_.working_bytes(); element > 0)
    working_ = backend_.allocate(weights * element, "working copy of the weights");
}

ParameterStore::~ParameterStore() = default;

bool ParameterStore::contains(std::string_view name) const { return by_name_.find(name) != by_name_.end(); }

std::size_t ParameterStore::index_of(std::string_view name) const {
  const auto found = by_name_.find(name);
  require(found != by_name_.end(), "the network has no tensor '{}' (it has {} tensors, from '{}' to '{}')",
          name, tensors_.size(), tensors_.empty() ? "" : tensors_.front().name,
          tensors_.empty() ? "" : tensors_.back().name);
  return found->second;
}

std::span<float> ParameterStore::slot() {
  if (slot_.bytes() != weights_.bytes()) slot_ = backend_.allocate(weights_.bytes(), "optimiser's slot");
  return slot_.floats();
}

std::span<const float> ParameterStore::storage(std::size_t index, TensorRole role) const {
  const TensorSpec& spec = tensors_.at(index);
  const Place& place = places_[index];
  const bool weight = spec.kind == TensorKind::kWeight;
  require(weight || role == TensorRole::kValue, "'{}' is a buffer (running statistics) and has no {}",
          spec.name, name_of(role));
  const Memory& memory = !weight                         ? buffers_
                         : role == TensorRole::kValue    ? weights_
                         : role == TensorRole::kGradient ? gradients_
                                                         : slot_;
  require(role != TensorRole::kSlot || slot_.bytes() > 0, "'{}' has no slot yet; call slot() first",
          spec.name);
  return memory.floats().subspan(place.offset, place.count);
}

std::span<float> ParameterStore::storage(std::size_t index, TensorRole role) {
  if (role == TensorRole::kSlot) slot();
  const std::span<const float> found = std::as_const(*this).storage(index, role);
  return {const_cast<float*>(found.data()), found.size()};
}

void ParameterStore::copy_out(std::size_t index, std::span<float> canonical, TensorRole role) const {
  const TensorSpec& spec = tensors_.at(index);
  require(canonical.size() == spec.elements(), "'{}' has {} elements; the target has {}", spec.name,
          spec.elements(), canonical.size());
  const std::span<const float> from = storage(index, role);
  const Place& place = places_[index];
  if (!place.layout) {
    backend_.copy_to_host(canonical.data(), from.data(), from.size_bytes());
    return;
  }
  std::vector<float> host(from.size());
  backend_.copy_to_host(host.data(), from.data(), from.size_bytes());
  place.layout->unpack(host.data(), canonical.data());
}

void ParameterStore::copy_in(std::size_t index, std::span<const float> canonical, TensorRole role) {
  const TensorSpec& spec = tensors_.at(index);
  require(canonical.size() == spec.elements(), "'{}' has {} elements; {} were given", spec.name,
          spec.elements(), canonical.size());
  const std::span<float> to = storage(index, role);
  const Place& place = places_[index];
  if (!place.layout) {
    backend_.copy_to_device(to.data(), canonical.data(), to.size_bytes());
  } else {
    std::vector<float> host(to.size());
    place.layout->pack(canonical.data(), host.data());
    backend_.copy_to_device(to.data(), host.data(), to.size_bytes());
  }
  if (working_.data() != nullptr && role == TensorRole::kValue && spec.kind == TensorKind::kWeight) {
    backend_.refresh_working(to.data(), working_.data() + place.offset * backend_.working_bytes(), to.size());
  }
}

const void* ParameterStore::working_storage(std::size_t index) const {
  if (working_.data() == nullptr) return storage(index).data();
  require(tensors_.at(index).kind == TensorKind::kWeight, "'{}' is a buffer and has no working copy",
          tensors_[index].name);
  return working_.data() + places_[index].offset * backend_.working_bytes();
}

std::vector<float> ParameterStore::values(std::string_view name, TensorRole role) const {
  const std::size_t index = index_of(name);
  std::vector<float> canonical(tensors_[index].elements());
  copy_out(index, canonical, role);
  return canonical;
}

void ParameterStore::initialise(std::uint64_t seed) {
  std::vector<float> canonical;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    canonical.assign(tensors_[i].elements(), 0.0f);
    if (tensors_[i].kind == TensorKind::kWeight) {
      copy_in(i, canonical, TensorRole::kGradient);
      if (slot_.bytes() > 0) copy_in(i, canonical, TensorRole::kSlot);
    }
    fill(tensors_[i], seed, i, canonical);
    copy_in(i, canonical);
  }
}

std::string ParameterStore::first_non_finite(TensorRole role) const {
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (role != TensorRole::kValue && tensors_[i].kind == TensorKind::kBuffer) continue;
    std::vector<float> canonical(tensors_[i].elements());
    copy_out(i, canonical, role);
    if (!all_finite(canonical, 1)) return tensors_[i].name;
  }
  return {};
}

std::size_t ParameterStore::bytes() const {
  return weights_.bytes() + gradients_.bytes() + slot_.bytes() + buffers_.bytes() + working_.bytes();
}

}  // namespace qcface::nn
