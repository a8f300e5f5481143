// Latencies in constant memory: 128 buckets for each power of two,
// so a percentile is right within 0.8 %.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

class LatencyHistogram {
 public:
  LatencyHistogram() : counts(bucketsTotal, 0) {}

  void add(uint64_t microseconds) {
    counts[bucketOf(microseconds)]++;
    total++;
    maximum = std::max(maximum, microseconds);
  }

  void clear() {
    std::fill(counts.begin(), counts.end(), 0);
    total = 0;
    maximum = 0;
  }

  uint64_t count() const { return total; }
  uint64_t max() const { return maximum; }

  uint64_t percentile(double share) const {
    if (total == 0) return 0;
    uint64_t rank = std::min<uint64_t>(total - 1, static_cast<uint64_t>(share * static_cast<double>(total)));
    uint64_t seen = 0;
    for (size_t bucket = 0; bucket < counts.size(); bucket++) {
      seen += counts[bucket];
      if (seen > rank) return std::min(lowestOf(bucket), maximum);
    }
    return maximum;
  }

 private:
  static constexpr unsigned subBits = 7;
  static constexpr size_t bucketsTotal = (64 - subBits + 1) << subBits;

  static size_t bucketOf(uint64_t value) {
    if (value < (1u << subBits)) return value;
    unsigned exponent = static_cast<unsigned>(std::bit_width(value)) - 1 - subBits;
    return ((exponent + 1) << subBits) + ((value >> exponent) & ((1u << subBits) - 1));
  }

  static uint64_t lowestOf(size_t bucket) {
    if (bucket < (1u << subBits)) return bucket;
    size_t exponent = (bucket >> subBits) - 1;
    return ((1ull << subBits) | (bucket & ((1u << subBits) - 1))) << exponent;
  }

  std::vector<uint64_t> counts;
  uint64_t total = 0;
  uint64_t maximum = 0;
};
