// A level-triggered epoll loop; each socket's owner is told when it is ready.
#pragma once
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

class Ready {
 public:
  virtual void onReady(uint32_t events) = 0;

 protected:
  ~Ready() = default;
};

class EventLoop {
 public:
  EventLoop() : handle(epoll_create1(0)) {}

  void add(int socket, uint32_t events, Ready* owner) { control(EPOLL_CTL_ADD, socket, events, owner); }
  void modify(int socket, uint32_t events, Ready* owner) { control(EPOLL_CTL_MOD, socket, events, owner); }
  void remove(int socket) { epoll_ctl(handle, EPOLL_CTL_DEL, socket, nullptr); }

  // epoll_pwait2, not epoll_wait: a wait in whole milliseconds would blur the times at which
  // events are due.
  void runOnce(uint64_t waitMicroseconds) {
    timespec wait{static_cast<time_t>(waitMicroseconds / 1'000'000), static_cast<long>(waitMicroseconds % 1'000'000) * 1000};
    int count = epoll_pwait2(handle, ready, readyMax, &wait, nullptr);
    for (int index = 0; index < count; index++) {
      static_cast<Ready*>(ready[index].data.ptr)->onReady(ready[index].events);
    }
  }

 private:
  static constexpr int readyMax = 1024;

  void control(int operation, int socket, uint32_t events, Ready* owner) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = owner;
    if (epoll_ctl(handle, operation, socket, &event) != 0) {
      perror("load: epoll_ctl");
      exit(1);
    }
  }

  int handle;
  epoll_event ready[readyMax];
};
