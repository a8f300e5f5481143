// load: the benchmark's load generator. `load MODE --name value ...`; one line of JSON comes out.
#include <csignal>
#include <cstring>

#include "modes.h"
#include "sockets.h"

int main(int count, char** words) {
  struct {
    const char* name;
    int (*run)(Options&);
  } modes[] = {{"fanout", runFanout}, {"storm", runStorm},   {"requests", runRequests},
               {"stream", runStream}, {"resume", runResume}, {"disk", runDisk},
               {"receive", runReceive}, {"work", runWork}};
  if (count < 2) Options::fail("the first word is a mode: fanout, storm, requests, stream, resume, disk, receive or work");
  raiseDescriptorLimit();
  signal(SIGPIPE, SIG_IGN);
  Options options(count - 2, words + 2);
  for (auto& mode : modes) {
    if (strcmp(words[1], mode.name) == 0) return mode.run(options);
  }
  Options::fail(std::string("unknown mode ") + words[1]);
}
