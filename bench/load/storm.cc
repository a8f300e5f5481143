// storm: many SSE clients come back at once, each a number of events behind;
// time until all have all of them.
#include "clock.h"
#include "modes.h"
#include "report.h"
#include "server_usage.h"
#include "subscribers.h"

int runStorm(Options& options) {
  SubscriberSettings settings(options);
  ServerUsage usage(options.commaSeparatedIntegers("pids"));
  int connections = options.integer("subscribers", 10'000);
  uint32_t behind = static_cast<uint32_t>(options.integer("behind", 50));
  double timeoutSeconds = options.number("timeout-seconds", 120);
  options.refuseUnknown();

  EventLoop loop;
  SubscriberPool pool(loop, settings);
  pool.awaitedEach = behind;
  pool.prepare(connections, true);
  double cpuBefore = usage.cpuMicroseconds();
  uint64_t start = nowNanoseconds();
  while (pool.caughtUpTotal < connections && secondsSince(start) < timeoutSeconds) {
    pool.keepOpening();
    loop.runOnce(100'000);
  }
  double seconds = secondsSince(start);
  double cpu = usage.cpuMicroseconds() - cpuBefore;
  // Long enough for anything that is delivered twice to show.
  uint64_t caughtUpAt = nowNanoseconds();
  while (secondsSince(caughtUpAt) < 0.3) loop.runOnce(50'000);
  pool.countLosses(std::vector<uint32_t>(static_cast<size_t>(settings.channels), behind));

  Report report;
  report.add("connections", connections);
  report.add("eventsBehind", static_cast<uint64_t>(behind));
  report.add("deliveries", pool.delivered);
  report.add("missingDeliveries", pool.missing);
  report.add("surplusDeliveries", pool.surplus);
  report.add("closedConnections", pool.closedTotal);
  report.add("seconds", seconds);
  report.add("serverCpuMicrosecondsPerConnection", cpu / connections);
  report.add("catchUpP50Microseconds", pool.catchUp.percentile(0.5));
  report.add("catchUpP99Microseconds", pool.catchUp.percentile(0.99));
  report.print();
  return pool.missing == 0 && pool.surplus == 0 ? 0 : 3;
}
