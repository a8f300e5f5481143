// What the servers under test have used, read from /proc for a list of process ids.
#pragma once
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

// What all cores together did not use, and what the machine below them took away.
struct CoreTimes {
  double idleMicroseconds = 0;
  double stolenMicroseconds = 0;

  static CoreTimes now() {
    std::ifstream file("/proc/stat");
    std::string name;
    double user, nice, system, idle = 0, waiting = 0, interrupts, softInterrupts, stolen = 0;
    file >> name >> user >> nice >> system >> idle >> waiting >> interrupts >> softInterrupts >> stolen;
    double microsecondsPerTick = 1e6 / static_cast<double>(sysconf(_SC_CLK_TCK));
    return {(idle + waiting) * microsecondsPerTick, stolen * microsecondsPerTick};
  }
};

class ServerUsage {
 public:
  explicit ServerUsage(std::vector<int> pids) : processIds(std::move(pids)) {}

  using ThreadTimes = std::map<int, double>;

  // The clock of a process also has the time of threads that have ended.
  double cpuMicroseconds() const {
    double total = 0;
    for (int pid : processIds) {
      clockid_t clock;
      timespec time;
      if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) continue;
      total += static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
    }
    return total;
  }

  // schedstat counts nanoseconds on the processor for each thread;
  // /proc/PID/stat only counts ticks of 10 ms.
  ThreadTimes threadMicroseconds() const {
    ThreadTimes times;
    for (int pid : processIds) {
      std::error_code ignored;
      for (auto& task : std::filesystem::directory_iterator(folderOf(pid) + "/task", ignored)) {
        std::ifstream file(task.path() / "schedstat");
        double onProcessorNanoseconds = 0;
        if (file >> onProcessorNanoseconds) times[std::stoi(task.path().filename())] = onProcessorNanoseconds / 1000;
      }
    }
    return times;
  }

  static double sumSince(const ThreadTimes& before, const ThreadTimes& after) {
    double sum = 0;
    for (auto& [thread, microseconds] : after) sum += microseconds - timeOf(before, thread);
    return sum;
  }

  // What the threads used that worked the most, the busiest one first.
  static std::vector<double> busiestSince(const ThreadTimes& before, const ThreadTimes& after) {
    std::vector<double> used;
    for (auto& [thread, microseconds] : after) used.push_back(microseconds - timeOf(before, thread));
    std::sort(used.rbegin(), used.rend());
    return used;
  }

  // Calls of write() and writev(): to sockets, and a few to files.
  long writes() const { return sumOf("/io", "syscw:"); }

  // The proportional set size shares out pages that several processes hold,
  // so workers can be summed.
  long proportionalKilobytes() const { return sumOf("/smaps_rollup", "Pss:"); }

  // Cheap enough to be sampled in the middle of a run.
  long residentKilobytes() const { return sumOf("/status", "VmRSS:"); }

 private:
  static double timeOf(const ThreadTimes& times, int thread) {
    auto found = times.find(thread);
    return found == times.end() ? 0 : found->second;
  }

  static std::string folderOf(int pid) { return "/proc/" + std::to_string(pid); }

  long sumOf(const std::string& fileName, const std::string& key) const {
    long total = 0;
    for (int pid : processIds) {
      std::ifstream file(folderOf(pid) + fileName);
      for (std::string line; std::getline(file, line);) {
        if (line.rfind(key, 0) == 0) total += std::stol(line.substr(key.size()));
      }
    }
    return total;
  }

  std::vector<int> processIds;
};
