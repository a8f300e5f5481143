// The one line of JSON that a run prints.
#pragma once
#include <cmath>
#include <cstdio>
#include <string>

#include "histogram.h"

class Report {
 public:
  void add(const std::string& name, uint64_t value) { addRaw(name, std::to_string(value)); }
  void add(const std::string& name, int value) { addRaw(name, std::to_string(value)); }

  void add(const std::string& name, double value) {
    // JSON has no word for 0/0: a rate over no time is told as 0.
    if (!std::isfinite(value)) value = 0;
    char text[64];
    snprintf(text, sizeof text, "%.4f", value);
    addRaw(name, text);
  }

  void addLatency(const LatencyHistogram& latency) {
    add("latencyP50Microseconds", latency.percentile(0.50));
    add("latencyP99Microseconds", latency.percentile(0.99));
    add("latencyMaxMicroseconds", latency.max());
  }

  void print() const { printf("{%s}\n", members.c_str()); }

 private:
  void addRaw(const std::string& name, const std::string& value) {
    if (!members.empty()) members += ",";
    members += "\"" + name + "\":" + value;
  }

  std::string members;
};
