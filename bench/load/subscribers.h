// Many clients that subscribe over SSE or WebSocket and count what they are given.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "event_loop.h"
#include "histogram.h"
#include "marker.h"
#include "options.h"

struct SubscriberSettings {
  explicit SubscriberSettings(Options& options);

  bool webSocket;
  int port;
  std::string path;
  std::vector<std::string> headers;
  // One line a subscriber, which stands for `{t}` in the path and the headers: a token of its own.
  std::vector<std::string> texts;
  // Text frames sent once the WebSocket is open, for protocols that want a subscribe message.
  std::vector<std::string> firstFrames;
  int channels;
  // Handshakes in flight at once. Kept below the smallest listen backlog of the servers (Node's is
  // 511): beyond it the kernel drops SYNs and a run would measure its retransmission timer.
  int handshakesMax;
  // Above 0, open readers are not waited for, but each is read at this interval: a delivery then
  // costs this program a small part of a read, and its latency says nothing.
  double readIntervalSeconds;
};

class SubscriberPool;

class Subscriber final : public Ready {
 public:
  Subscriber(SubscriberPool& pool, int number, bool reads);
  void connect();
  void onReady(uint32_t events) override;
  void readIfOpen();

  int channel;
  uint32_t received = 0;
  uint64_t connectedAtMicroseconds = 0;

 private:
  enum class State : uint8_t { connecting, handshake, open, stalled, closed };

  void sendRequest();
  std::string own(std::string text) const;
  void readAvailable();
  void onHandshakeBytes(const char* bytes, size_t length);
  void onEventBytes(const char* bytes, size_t length);
  void close();

  SubscriberPool& pool;
  int number;
  int handle = -1;
  State state = State::connecting;
  bool reads;
  MarkerScanner scanner;
  std::string handshake;
};

class SubscriberPool {
 public:
  SubscriberPool(EventLoop& loop, const SubscriberSettings& settings) : loop(loop), settings(settings) {}

  // Opens `count` more; stalled ones finish the handshake and then never read again.
  void open(int count, bool reads, double timeoutSeconds);
  // As open, but returns at once; call keepOpening until it says that all are on their way.
  void prepare(int count, bool reads);
  bool keepOpening();

  // Reads each reader once in an interval of the settings, in turn and a few at a time: publishers
  // stand for other machines, and do not wait until all readers were read. At the end of a round
  // there are none to wait for, and all are read at once.
  void readDue(bool isEnd = false);

  void resetCounts();
  // What the readers of each channel were owed, against what each of them got.
  void countLosses(const std::vector<uint32_t>& publishedByChannel);

  uint64_t delivered = 0;
  uint64_t bytes = 0;
  uint64_t missing = 0;
  uint64_t surplus = 0;
  int openTotal = 0;
  int closedTotal = 0;
  int readersTotal = 0;
  LatencyHistogram latency;
  // Storm: how many events each client waits for, and how long each one took from its connect to
  // the last of them.
  uint32_t awaitedEach = 0;
  int caughtUpTotal = 0;
  LatencyHistogram catchUp;

 private:
  friend class Subscriber;

  EventLoop& loop;
  const SubscriberSettings& settings;
  std::vector<std::unique_ptr<Subscriber>> subscribers;
  std::vector<bool> isReader;
  size_t nextToConnect = 0;
  int handshakesInFlight = 0;
  size_t nextToRead = 0;
  uint64_t lastReadNanoseconds = 0;
};
