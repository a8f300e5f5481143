// Each event carries `~T` and 16 digits: the microsecond at which it was published. Deliveries are
// counted by finding these markers in the bytes, whatever frames a server puts around them. A
// marker that a server tears apart is not found and counts as a missing delivery: the error, if
// any, is against the reader and never hides a loss.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

constexpr size_t markerLength = 18;

inline std::string markedJson(uint64_t stampMicroseconds, size_t bytesTotal) {
  char stamp[32];
  snprintf(stamp, sizeof stamp, "~T%016llu", static_cast<unsigned long long>(stampMicroseconds));
  std::string json = std::string("{\"t\":\"") + stamp + "\",\"p\":\"";
  if (json.size() + 2 < bytesTotal) json.append(bytesTotal - json.size() - 2, 'x');
  return json + "\"}";
}

// Finds markers in a stream that arrives in pieces; keeps at most one marker's worth of
// bytes between pieces.
class MarkerScanner {
 public:
  template <typename OnMarker>
  void feed(const char* bytes, size_t length, OnMarker onMarker) {
    const char* end = bytes + length;
    const char* at = bytes;
    if (heldLength > 0) at = finishHeldMarker(bytes, end, onMarker);
    while (at < end) {
      const char* start = static_cast<const char*>(memchr(at, '~', static_cast<size_t>(end - at)));
      if (start == nullptr) return;
      if (static_cast<size_t>(end - start) < markerLength) {
        heldLength = static_cast<uint8_t>(end - start);
        memcpy(held, start, heldLength);
        return;
      }
      at = start + 1;
      if (start[1] == 'T') {
        onMarker(stampOf(start));
        at = start + markerLength;
      }
    }
  }

 private:
  template <typename OnMarker>
  const char* finishHeldMarker(const char* bytes, const char* end, OnMarker onMarker) {
    while (heldLength < markerLength && bytes < end) {
      held[heldLength++] = *bytes++;
      if (heldLength == 2 && held[1] != 'T') {
        heldLength = 0;
        return held[1] == '~' ? bytes - 1 : bytes;
      }
    }
    if (heldLength == markerLength) {
      onMarker(stampOf(held));
      heldLength = 0;
    }
    return bytes;
  }

  static uint64_t stampOf(const char* marker) {
    uint64_t value = 0;
    for (size_t index = 2; index < markerLength; index++) value = value * 10 + static_cast<uint64_t>(marker[index] - '0');
    return value;
  }

  char held[markerLength];
  uint8_t heldLength = 0;
};
