// disk: how long one append and fdatasync takes here, paced like the events that it
// is compared with.
#include <fcntl.h>
#include <unistd.h>

#include "clock.h"
#include "modes.h"
#include "report.h"

int runDisk(Options& options) {
  std::string file = options.text("file", "");
  std::string block(static_cast<size_t>(options.integer("bytes", 8192)), 'x');
  int count = options.integer("count", 200);
  double perSecond = options.number("rate", 20);
  options.refuseUnknown();

  int handle = open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (handle < 0) Options::fail("cannot write " + file);
  LatencyHistogram latency;
  for (int round = 0; round < count; round++) {
    uint64_t start = nowMicroseconds();
    if (write(handle, block.data(), block.size()) < 0 || fdatasync(handle) != 0) Options::fail("cannot sync " + file);
    uint64_t taken = nowMicroseconds() - start;
    latency.add(taken);
    double restMicroseconds = 1e6 / perSecond - static_cast<double>(taken);
    if (restMicroseconds > 0) usleep(static_cast<useconds_t>(restMicroseconds));
  }
  close(handle);
  unlink(file.c_str());
  Report report;
  report.add("appends", count);
  report.addLatency(latency);
  report.print();
  return 0;
}
