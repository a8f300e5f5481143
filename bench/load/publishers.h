// HTTP keep-alive connections that publish one event a request, one request at a time each (no
// pipelining). They take turns, and one that the server closes while it has nothing to do is opened
// anew, as any HTTP client would.
#pragma once
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "event_loop.h"
#include "histogram.h"
#include "http_response.h"
#include "options.h"

struct PublisherSettings {
  explicit PublisherSettings(Options& options);

  int port;
  int connections;
  std::string path;
  std::vector<std::string> headers;
  // The request's body; `{e}` stands for the event's JSON, `{c}` for the channel's number.
  std::string body;
};

class PublisherPool {
 public:
  PublisherPool(EventLoop& loop, const PublisherSettings& settings);

  bool hasIdle() const { return !idle.empty(); }
  bool areAllIdle() const { return idle.size() == connections.size(); }
  void publish(const std::string& eventJson, int channel);

  uint64_t accepted = 0;
  uint64_t refused = 0;
  uint64_t reconnects = 0;
  LatencyHistogram acknowledged;

 private:
  class Connection final : public Ready {
   public:
    Connection(PublisherPool& pool, int number);
    void publish(const std::string& request);
    void onReady(uint32_t events) override;

   private:
    void open();
    void reopen();

    PublisherPool& pool;
    int number;
    int handle = -1;
    bool inFlight = false;
    uint64_t sentAtMicroseconds = 0;
    HttpResponse response;
  };

  const PublisherSettings& settings;
  std::vector<std::unique_ptr<Connection>> connections;
  std::deque<Connection*> idle;
  EventLoop& loop;
};
