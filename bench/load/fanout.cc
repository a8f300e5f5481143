// fanout: readers (and, if asked, stalled readers) on one or many channels, and events published to
// them in a burst or at a fixed rate. With --events 0 it measures idle connections.
#include <algorithm>

#include "clock.h"
#include "modes.h"
#include "publishers.h"
#include "report.h"
#include "server_usage.h"
#include "subscribers.h"

namespace {

constexpr uint64_t residentSampleMicroseconds = 100'000;
// A schedule that is less than this behind is the timer's own inaccuracy, not the server's doing.
constexpr uint64_t latenessIgnoredMicroseconds = 1000;

struct FanoutSettings {
  explicit FanoutSettings(Options& options)
      : subscribers(options.integer("subscribers", 1000)),
        stalled(options.integer("stalled", 0)),
        channels(options.integer("channels", 1)),
        events(options.integer("events", 100)),
        eventBytes(options.integer("event-bytes", 128)),
        eventsPerSecond(options.number("rate", 0)),
        warmUpEvents(options.integer("warm-up-events", 0)),
        warmUpEventsPerSecond(options.number("warm-up-rate", eventsPerSecond)),
        restSeconds(options.number("rest-seconds", 0)),
        settleSeconds(options.number("settle-seconds", 1)),
        idleSeconds(options.number("idle-seconds", 0)),
        openTimeoutSeconds(options.number("open-timeout-seconds", 120)),
        stallTimeoutSeconds(options.number("stall-timeout-seconds", 10)) {}

  int subscribers, stalled, channels, events, eventBytes;
  double eventsPerSecond;  // 0 is a burst: as fast as the publishers' connections are answered
  int warmUpEvents;
  double warmUpEventsPerSecond;
  double restSeconds;  // before the first connection, and before an idle server is measured
  double settleSeconds, idleSeconds, openTimeoutSeconds, stallTimeoutSeconds;
};

class Fanout {
 public:
  Fanout(const FanoutSettings& settings, const SubscriberSettings& subscriberSettings,
         const PublisherSettings& publisherSettings, const ServerUsage& usage)
      : settings(settings), usage(usage), subscribers(loop, subscriberSettings), publisherSettings(publisherSettings) {}

  int run() {
    openReaders();
    if (settings.idleSeconds > 0) measureIdle();
    if (settings.events > 0) publishAll();
    report.print();
    return subscribers.missing == 0 && subscribers.surplus == 0 && refused == 0 ? 0 : 3;
  }

 private:
  struct Used {
    ServerUsage::ThreadTimes server;
    double loadMicroseconds;
    long serverWrites;
    CoreTimes cores;

    static Used now(const ServerUsage& usage) {
      return {usage.threadMicroseconds(), ownCpuMicroseconds(), usage.writes(), CoreTimes::now()};
    }
  };

  void openReaders() {
    spin(settings.restSeconds);
    proportionalBefore = usage.proportionalKilobytes();
    double cpuBefore = usage.cpuMicroseconds();
    uint64_t start = nowNanoseconds();
    subscribers.open(settings.subscribers, true, settings.openTimeoutSeconds);
    double openSeconds = secondsSince(start);
    spin(settings.settleSeconds);
    report.add("connections", settings.subscribers + settings.stalled);
    report.add("openSeconds", openSeconds);
    report.add("openCpuMicrosecondsPerConnection", (usage.cpuMicroseconds() - cpuBefore) / settings.subscribers);
    report.add("memoryKilobytesPerConnection", kilobytesPerConnection());
  }

  void measureIdle() {
    spin(settings.restSeconds);
    report.add("idleMemoryKilobytesPerConnection", kilobytesPerConnection());
    double cpuBefore = usage.cpuMicroseconds();
    spin(settings.idleSeconds);
    report.add("idleCpuPercent", (usage.cpuMicroseconds() - cpuBefore) / settings.idleSeconds / 1e4);
    report.add("closedConnections", subscribers.closedTotal);
  }

  // The growth of the server since before the first connection.
  double kilobytesPerConnection() const {
    return static_cast<double>(usage.proportionalKilobytes() - proportionalBefore) / settings.subscribers;
  }

  void publishAll() {
    PublisherPool publishers(loop, publisherSettings);
    warmUp(publishers);
    residentBefore = residentMax = usage.residentKilobytes();
    if (settings.stalled > 0) {
      // Now, so that all they make the server hold is part of what its memory grows by. The second
      // warm-up fills the kernel's buffers. Until then they take part as readers do.
      subscribers.open(settings.stalled, false, settings.openTimeoutSeconds);
      warmUp(publishers);
    }
    subscribers.resetCounts();
    publishers.acknowledged.clear();
    Used before = Used::now(usage);
    double seconds = publishRound(publishers, settings.events, settings.eventsPerSecond);
    Used after = Used::now(usage);
    refused = publishers.refused;
    reportRound(publishers, seconds, ServerUsage::sumSince(before.server, after.server));
    reportShares(seconds, before, after);
  }

  void warmUp(PublisherPool& publishers) {
    if (settings.warmUpEvents > 0) publishRound(publishers, settings.warmUpEvents, settings.warmUpEventsPerSecond);
  }

  // Publishes `events` and waits until every reader has all of them,
  // or until nothing has moved for a while.
  double publishRound(PublisherPool& publishers, int events, double perSecond) {
    eventsPerSecond = perSecond;
    published.assign(static_cast<size_t>(settings.channels), 0);
    uint64_t deliveredBefore = subscribers.delivered, owed = 0;
    uint64_t start = nowMicroseconds(), lastProgress = start, lastDelivered = 0, nextSample = start;
    for (int sent = 0; sent < events || subscribers.delivered - deliveredBefore < owed;) {
      uint64_t now = nowMicroseconds();
      while (sent < events && publishers.hasIdle() && dueAt(start, sent) <= now) {
        int channel = sent % settings.channels;
        publishers.publish(markedJson(stampFor(dueAt(start, sent)), static_cast<size_t>(settings.eventBytes)), channel);
        published[static_cast<size_t>(channel)]++;
        owed += readersOf(channel);
        sent++;
      }
      loop.runOnce(waitMicroseconds(start, sent, events, publishers));
      subscribers.readDue(sent == events && publishers.areAllIdle());
      now = nowMicroseconds();
      if (subscribers.delivered != lastDelivered) lastProgress = now;
      lastDelivered = subscribers.delivered;
      if (now - lastProgress > static_cast<uint64_t>(settings.stallTimeoutSeconds * 1e6)) break;
      if (now >= nextSample) {
        residentMax = std::max(residentMax, usage.residentKilobytes());
        nextSample = now + residentSampleMicroseconds;
      }
    }
    double seconds = static_cast<double>(lastProgress - start) / 1e6;
    // Acknowledgements that come after the last delivery, and anything delivered twice.
    spin(0.1);
    return seconds;
  }

  uint64_t dueAt(uint64_t start, int number) const {
    if (eventsPerSecond <= 0) return 0;
    return start + static_cast<uint64_t>(number / eventsPerSecond * 1e6);
  }

  // Open loop: an event that could not be sent when it was due has waited since then,
  // as its publisher would say.
  uint64_t stampFor(uint64_t due) const {
    uint64_t now = nowMicroseconds();
    return due > 0 && now > due + latenessIgnoredMicroseconds ? due : now;
  }

  uint64_t waitMicroseconds(uint64_t start, int sent, int events, const PublisherPool& publishers) const {
    if (sent >= events || eventsPerSecond <= 0 || !publishers.hasIdle()) return 20'000;
    uint64_t due = dueAt(start, sent), now = nowMicroseconds();
    return due > now ? std::min<uint64_t>(due - now, 20'000) : 0;
  }

  uint64_t readersOf(int channel) const {
    // Numbers go round the channels, readers first; see Subscriber's constructor.
    int extra = channel < settings.subscribers % settings.channels ? 1 : 0;
    return static_cast<uint64_t>(settings.subscribers / settings.channels + extra);
  }

  void reportRound(const PublisherPool& publishers, double seconds, double cpuMicroseconds) {
    subscribers.countLosses(published);
    double deliveries = static_cast<double>(std::max<uint64_t>(1, subscribers.delivered));
    report.add("events", settings.events);
    report.add("deliveries", subscribers.delivered);
    report.add("missingDeliveries", subscribers.missing);
    report.add("surplusDeliveries", subscribers.surplus);
    report.add("refusedPublishes", publishers.refused);
    report.add("publisherReconnects", publishers.reconnects);
    report.add("closedConnections", subscribers.closedTotal);
    report.add("seconds", seconds);
    report.add("deliveriesPerSecond", static_cast<double>(subscribers.delivered) / seconds);
    report.add("serverCpuMicrosecondsPerDelivery", cpuMicroseconds / deliveries);
    report.add("serverCpuPercent", cpuMicroseconds / seconds / 1e4);
    report.add("bytesPerDelivery", static_cast<double>(subscribers.bytes) / deliveries);
    report.addLatency(subscribers.latency);
    report.add("acknowledgedP50Microseconds", publishers.acknowledged.percentile(0.5));
    report.add("acknowledgedP99Microseconds", publishers.acknowledged.percentile(0.99));
    report.add("residentBeforeKilobytes", static_cast<double>(residentBefore));
    report.add("residentGrowthKilobytes", static_cast<double>(residentMax - residentBefore));
  }

  // Tells what a saturated run was bounded by: the hub, this program, or the cores they share.
  void reportShares(double seconds, const Used& before, const Used& after) {
    double own = after.loadMicroseconds - before.loadMicroseconds;
    double deliveries = static_cast<double>(std::max<uint64_t>(1, subscribers.delivered));
    std::vector<double> busiest = ServerUsage::busiestSince(before.server, after.server);
    busiest.resize(std::max<size_t>(2, busiest.size()));
    report.add("busiestThreadPercent", busiest[0] / seconds / 1e4);
    report.add("secondThreadPercent", busiest[1] / seconds / 1e4);
    report.add("loadCpuMicrosecondsPerDelivery", own / deliveries);
    report.add("loadCpuPercent", own / seconds / 1e4);
    // Of one core, as above. A quiet machine has next to nothing stolen and no other programs.
    double idle = after.cores.idleMicroseconds - before.cores.idleMicroseconds;
    double stolen = after.cores.stolenMicroseconds - before.cores.stolenMicroseconds;
    double all = static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN)) * seconds * 1e6;
    double others = all - idle - stolen - own - ServerUsage::sumSince(before.server, after.server);
    report.add("idlePercent", idle / seconds / 1e4);
    report.add("stolenPercent", stolen / seconds / 1e4);
    report.add("otherProgramsPercent", others / seconds / 1e4);
    // Near 1: each delivery was a write of its own. Joined events cost less.
    report.add("serverWritesPerDelivery", static_cast<double>(after.serverWrites - before.serverWrites) / deliveries);
  }

  void spin(double seconds) {
    uint64_t start = nowNanoseconds();
    while (secondsSince(start) < seconds) {
      loop.runOnce(50'000);
      subscribers.readDue();
    }
  }

  const FanoutSettings& settings;
  const ServerUsage& usage;
  EventLoop loop;
  SubscriberPool subscribers;
  const PublisherSettings& publisherSettings;
  Report report;
  std::vector<uint32_t> published;
  double eventsPerSecond = 0;  // of the present round
  long proportionalBefore = 0, residentBefore = 0, residentMax = 0;
  uint64_t refused = 0;
};

}  // namespace

int runFanout(Options& options) {
  FanoutSettings settings(options);
  SubscriberSettings subscriberSettings(options);
  PublisherSettings publisherSettings(options);
  ServerUsage usage(options.commaSeparatedIntegers("pids"));
  options.refuseUnknown();
  return Fanout(settings, subscriberSettings, publisherSettings, usage).run();
}
