// The optimiser's pass: against double precision, with its 16-bit copy, the loss scale and the skip flag in
// device memory.
#include "nn/cuda/update.h"

#include "tests/nn/cuda/elementwise_support.h"

using namespace qcface::nn;
using namespace qcface::nn::cuda;
using namespace qcface::test;

TEST_CASE("cuda sgd: three steps, every remainder, every type of copy") {
  QCFACE_NEED_DEVICE();
  constexpr auto kF32 = StorageType::kF32;
  const float lr[3] = {0.1f, 0.05f, 0.025f}, momentum = 0.9f, decay = 5e-4f, scale = 1024.0f;
  for (const std::size_t count : {1u, 7u, 8u, 9u, 2055u, 4096u}) {
    for (const StorageType type : kTypes) {
      for (const bool with_copy : {false, true}) {
        for (const bool scaled : {false, true}) {
          INFO(count << " weights, copy " << (with_copy ? name_of(type) : "none")
                     << (scaled ? ", scaled" : ""));
          const std::vector<double> start = random_values(kF32, 1, count);
          same_bits_in_every_mode([&] {
            Array weights(kF32, start), velocity(kF32, std::vector<double>(count)), copy(type, count);
            DeviceBuffer<float> device_scale(std::vector{scale});
            DeviceBuffer<std::uint32_t> skip(std::vector<std::uint32_t>{0});
            std::vector<double> p = start, v(count);
            for (int step = 0; step < 3; ++step) {
              const std::vector<double> gradient =
                  random_values(kF32, static_cast<std::uint32_t>(10 + step), count, 0, scaled ? 1024 : 1);
              Array gradients(kF32, gradient);
              DeviceBuffer<float> rate(std::vector{lr[step]});
              UpdateCall update;
              update.count = count;
              update.weights = weights.floats();
              update.gradients = gradients.floats();
              update.slot = velocity.floats();
              if (with_copy) update.working = copy.data();
              update.rate = rate.data();
              if (scaled) update.loss_scale = device_scale.data();
              update.skip = skip.data();
              update_weights({momentum, decay}, update, type, nullptr);
              for (std::size_t i = 0; i < count; ++i) {
                const double g = gradient[i] / (scaled ? 1024 : 1) + static_cast<double>(decay) * p[i];
                v[i] = step == 0 ? g : static_cast<double>(momentum) * v[i] + g;
                p[i] -= static_cast<double>(lr[step]) * v[i];
              }
              REQUIRE(gradients.values() == gradient);
            }
            check_close("weights", weights.values(), p, 4e-7);
            check_close("velocity", velocity.values(), v, 4e-7);
            if (with_copy) {
              std::vector<double> expected;
              for (const double w : weights.values()) expected.push_back(rounded(type, w));
              REQUIRE(copy.values() == expected);
            }
            return Bytes{weights.raw(), velocity.raw(), copy.raw()};
          });
        }
      }
    }
  }
}

TEST_CASE("cuda sgd: the skip flag leaves everything as it is") {
  QCFACE_NEED_DEVICE();
  constexpr auto kF32 = StorageType::kF32;
  const std::size_t count = 21;
  for_each_mode([&] {
    Array weights(kF32, random_values(kF32, 1, count)), gradients(kF32, random_values(kF32, 2, count)),
        velocity(kF32, random_values(kF32, 3, count)),
        copy(StorageType::kBf16, random_values(StorageType::kBf16, 4, count));
    const Bytes before{weights.raw(), velocity.raw(), copy.raw()};
    DeviceBuffer<float> rate(std::vector{0.1f});
    DeviceBuffer<std::uint32_t> skip(std::vector<std::uint32_t>{1});
    UpdateCall update;
    update.count = count;
    update.weights = weights.floats();
    update.gradients = gradients.floats();
    update.slot = velocity.floats();
    update.working = copy.data();
    update.rate = rate.data();
    update.skip = skip.data();
    update_weights({}, update, StorageType::kBf16, nullptr);
    const Bytes after{weights.raw(), velocity.raw(), copy.raw()};
    REQUIRE(before == after);
    update.rate = nullptr;
    REQUIRE_THROWS_WITH(update_weights({}, update, StorageType::kBf16, nullptr), contains("rate is null"));
  });
}
