// Time, read from the monotonic clock only: the load generator and the servers share one machine,
// so one clock does.
#pragma once
#include <cstdint>
#include <ctime>

inline uint64_t nowNanoseconds() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000ull + static_cast<uint64_t>(time.tv_nsec);
}

inline uint64_t nowMicroseconds() { return nowNanoseconds() / 1000; }

inline double secondsSince(uint64_t startNanoseconds) {
  return static_cast<double>(nowNanoseconds() - startNanoseconds) / 1e9;
}

// What this program itself has used, with the kernel's time.
inline double ownCpuMicroseconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}
