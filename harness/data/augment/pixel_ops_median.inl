// Part of pixel_ops_*.cpp. Exact median without branches: the `size` values of a column are sorted once, sorted columns
// are merged in pairs, pairs in fours (Batcher's odd-even merge), and every window picks its median from two sorted
// lists. Neighbouring windows share columns, pairs and fours, so a 7 x 7 window costs about 150 compare-exchanges, a
// vector of pixels at a time.

typedef std::uint8_t Lane __attribute__((vector_size(kLanes)));

inline Lane load(const std::uint8_t* p) {
  Lane v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}
inline void store(std::uint8_t* p, Lane v) { __builtin_memcpy(p, &v, sizeof(v)); }
inline Lane lane_min(Lane a, Lane b) { return a < b ? a : b; }
inline Lane lane_max(Lane a, Lane b) { return a > b ? a : b; }

// Merges the sorted lists a[0], a[kStepA], ... (kA of them) and b (kB) into out[kA + kB].
template <int kA, int kB, int kStepA, int kStepB>
[[gnu::always_inline]] inline void merge(const Lane* a, const Lane* b, Lane* out) {
  if constexpr (kA == 0) {
#pragma GCC unroll 32
    for (int i = 0; i < kB; ++i) out[i] = b[i * kStepB];
  } else if constexpr (kB == 0) {
#pragma GCC unroll 32
    for (int i = 0; i < kA; ++i) out[i] = a[i * kStepA];
  } else if constexpr (kA == 1 && kB == 1) {
    out[0] = lane_min(a[0], b[0]);
    out[1] = lane_max(a[0], b[0]);
  } else {
    constexpr int kEven = (kA + 1) / 2 + (kB + 1) / 2;
    constexpr int kOdd = kA / 2 + kB / 2;
    Lane even[kEven], odd[kOdd > 0 ? kOdd : 1];
    merge<(kA + 1) / 2, (kB + 1) / 2, 2 * kStepA, 2 * kStepB>(a, b, even);
    merge<kA / 2, kB / 2, 2 * kStepA, 2 * kStepB>(a + kStepA, b + kStepB, odd);
    out[0] = even[0];
#pragma GCC unroll 32
    for (int i = 0; i < kOdd; ++i) {
      if (i + 1 < kEven) {
        out[2 * i + 1] = lane_min(odd[i], even[i + 1]);
        out[2 * i + 2] = lane_max(odd[i], even[i + 1]);
      } else {
        out[2 * i + 1] = odd[i];
      }
    }
    if constexpr (kEven > kOdd + 1) out[kA + kB - 1] = even[kEven - 1];
  }
}

template <int kCount>
[[gnu::always_inline]] inline void sort(const Lane* in, Lane* out) {
  if constexpr (kCount == 1) {
    out[0] = in[0];
  } else {
    Lane low[kCount / 2], high[kCount - kCount / 2];
    sort<kCount / 2>(in, low);
    sort<kCount - kCount / 2>(in + kCount / 2, high);
    merge<kCount / 2, kCount - kCount / 2, 1, 1>(low, high, out);
  }
}

// Middle value of two sorted lists with an odd number of values in all: the smallest, over the ways to take the lower
// half and one more, of the largest value taken.
template <int kA, int kB>
[[gnu::always_inline]] inline Lane median_of_two(const Lane* a, const Lane* b) {
  static_assert((kA + kB) % 2 == 1);
  constexpr int kTake = (kA + kB + 1) / 2;
  constexpr int kFirst = kTake > kB ? kTake - kB : 0;
  constexpr int kLast = kTake < kA ? kTake : kA;
  Lane result{};
#pragma GCC unroll 64
  for (int from_a = kFirst; from_a <= kLast; ++from_a) {
    const int from_b = kTake - from_a;
    const Lane largest = from_a == 0   ? b[from_b - 1]
                         : from_b == 0 ? a[from_a - 1]
                                       : lane_max(a[from_a - 1], b[from_b - 1]);
    result = from_a == kFirst ? largest : lane_min(result, largest);
  }
  return result;
}

// Sorted lists of one picture row: list[rank][byte of the padded row].
template <int kCount>
struct Ranks {
  std::uint8_t* base;
  std::size_t stride;
  [[gnu::always_inline]] void load_at(std::size_t x, Lane* v) const {
#pragma GCC unroll 32
    for (int i = 0; i < kCount; ++i) v[i] = load(base + static_cast<std::size_t>(i) * stride + x);
  }
  [[gnu::always_inline]] void store_at(std::size_t x, const Lane* v) const {
#pragma GCC unroll 32
    for (int i = 0; i < kCount; ++i) store(base + static_cast<std::size_t>(i) * stride + x, v[i]);
  }
};

template <int kA, int kB>
void merge_rows(Ranks<kA> a, Ranks<kB> b, std::size_t b_offset, std::size_t bytes, Ranks<kA + kB> out) {
  for (std::size_t x = 0; x < bytes; x += kLanes) {
    Lane va[kA], vb[kB], vo[kA + kB];
    a.load_at(x, va);
    b.load_at(x + b_offset, vb);
    merge<kA, kB, 1, 1>(va, vb, vo);
    out.store_at(x, vo);
  }
}

template <int kA, int kB>
void median_rows(Ranks<kA> a, Ranks<kB> b, std::size_t b_offset, std::size_t bytes, std::uint8_t* out) {
  for (std::size_t x = 0; x < bytes; x += kLanes) {
    Lane va[kA], vb[kB];
    a.load_at(x, va);
    b.load_at(x + b_offset, vb);
    const Lane middle = median_of_two<kA, kB>(va, vb);
    if (x + kLanes <= bytes) {
      store(out + x, middle);
    } else {
      __builtin_memcpy(out + x, &middle, bytes - x);
    }
  }
}

// Bytes between two ranks: a padded row, and room for the vectors that start inside it.
inline std::size_t rank_stride(int width) {
  return (3 * static_cast<std::size_t>(width + 7) + 3 * 64 + 63) / 64 * 64;
}

template <int kSize>
constexpr int ranks_needed() {
  return kSize == 3 ? 3 + 6 : kSize == 5 ? 5 + 10 + 20 : 7 + 14 + 21 + 28;
}

template <int kSize>
void median_of(const Padded& in, std::uint8_t* scratch, std::uint8_t* out) {
  const std::size_t stride = rank_stride(in.width);
  const std::size_t row_bytes = 3 * static_cast<std::size_t>(in.width);
  const std::size_t padded_bytes = row_bytes + 3 * (kSize - 1);
  std::uint8_t* next = scratch;
  const auto reserve = [&](auto ranks, int count) {
    ranks.base = next;
    ranks.stride = stride;
    next += static_cast<std::size_t>(count) * stride;
    return ranks;
  };
  const auto column = reserve(Ranks<kSize>{}, kSize);
  const auto pair = reserve(Ranks<2 * kSize>{}, 2 * kSize);
  for (int y = 0; y < in.height; ++y) {
    const std::uint8_t* rows = in.pixels + static_cast<std::size_t>(y) * in.stride;
    for (std::size_t x = 0; x < padded_bytes; x += kLanes) {
      Lane v[kSize], sorted[kSize];
#pragma GCC unroll 8
      for (int k = 0; k < kSize; ++k) v[k] = load(rows + static_cast<std::size_t>(k) * in.stride + x);
      sort<kSize>(v, sorted);
      column.store_at(x, sorted);
    }
    // Byte x of `pair` covers columns x and x + 1 pixel, and so on.
    merge_rows(column, column, 3, padded_bytes - 3, pair);
    std::uint8_t* target = out + static_cast<std::size_t>(y) * row_bytes;
    if constexpr (kSize == 3) {
      median_rows(pair, column, 6, row_bytes, target);
    } else {
      std::uint8_t* const mark = next;
      const auto four = reserve(Ranks<4 * kSize>{}, 4 * kSize);
      merge_rows(pair, pair, 6, row_bytes, four);
      if constexpr (kSize == 5) {
        median_rows(four, column, 12, row_bytes, target);
      } else {
        const auto three = reserve(Ranks<3 * kSize>{}, 3 * kSize);
        merge_rows(pair, column, 6, padded_bytes - 6, three);
        median_rows(four, three, 12, row_bytes, target);
      }
      next = mark;
    }
  }
}

std::size_t median_scratch_bytes(int size, int width) {
  const int ranks = size == 3 ? ranks_needed<3>() : size == 5 ? ranks_needed<5>() : ranks_needed<7>();
  return static_cast<std::size_t>(ranks) * rank_stride(width);
}

void median(const Padded& in, int size, std::uint8_t* scratch, std::uint8_t* out) {
  if (size == 3) return median_of<3>(in, scratch, out);
  if (size == 5) return median_of<5>(in, scratch, out);
  median_of<7>(in, scratch, out);
}
