// Each mode is one kind of run: it prints one line of JSON and returns the process's exit code,
// 0 when nothing was lost or refused, 3 when something was (and the line says what).
#pragma once
#include "options.h"

int runFanout(Options& options);
int runStorm(Options& options);
int runRequests(Options& options);
int runStream(Options& options);
int runResume(Options& options);
int runDisk(Options& options);
int runReceive(Options& options);
int runWork(Options& options);
