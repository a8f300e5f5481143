// What the servers under test have used, read from /proc for a list of process ids.
#pragma once
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

class ServerUsage {
 public:
  explicit ServerUsage(std::vector<int> pids) : processIds(std::move(pids)) {}

  // schedstat counts nanoseconds on the processor for each thread;
  // /proc/PID/stat only counts ticks of 10 ms.
  double cpuMicroseconds() const {
    double total = 0;
    for (int pid : processIds) {
      std::error_code ignored;
      for (auto& task : std::filesystem::directory_iterator(folderOf(pid) + "/task", ignored)) {
        std::ifstream file(task.path() / "schedstat");
        double onProcessorNanoseconds = 0;
        if (file >> onProcessorNanoseconds) total += onProcessorNanoseconds / 1000;
      }
    }
    return total;
  }

  // The proportional set size shares out pages that several processes hold,
  // so workers can be summed.
  long proportionalKilobytes() const { return sumOf("/smaps_rollup", "Pss:"); }

  // Cheap enough to be sampled in the middle of a run.
  long residentKilobytes() const { return sumOf("/status", "VmRSS:"); }

 private:
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
