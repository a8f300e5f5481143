// HTTP keep-alive connections that publish one event a request, one request at a time each (no pipelining).
#pragma once
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
  void publish(const std::string& eventJson, int channel);

  uint64_t accepted = 0;
  uint64_t refused = 0;
  LatencyHistogram acknowledged;

 private:
  class Connection final : public Ready {
   public:
    Connection(PublisherPool& pool, int number);
    void publish(const std::string& request);
    void onReady(uint32_t events) override;

   private:
    PublisherPool& pool;
    int handle;
    uint64_t sentAtMicroseconds = 0;
    HttpResponse response;
  };

  const PublisherSettings& settings;
  std::vector<std::unique_ptr<Connection>> connections;
  std::vector<Connection*> idle;
  EventLoop& loop;
};
