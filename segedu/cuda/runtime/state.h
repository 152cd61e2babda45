// What a launch is, what went wrong in it, and where its threads stand.
#pragma once
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "interface.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

static const u32 MAX_THREADS = 1024;
static const u32 LINE = 0x8000;  // a site is a number given by the compiler module, or LINE + a line of the source

// Keep in step with native.py.
enum Problem {
  NO_PROBLEM, OUT_OF_BOUNDS, UNINITIALISED, RACE, RETURNED_BEFORE_BARRIER, DIFFERENT_BARRIERS, DEADLOCK, NOT_IN_OWN_MASK,
  MASK_NAMES_RETURNED, WARP_DIVERGED, SHUFFLE_SOURCE, SHUFFLE_WIDTH, DIVISION, BAD_INDEX, ASSERTION, TOO_LONG, READ_ONLY,
  MISALIGNED, STACK_OVERFLOW, CRASH, INTERRUPTED, TOO_MUCH_SHARED, TRAP, TOO_MANY_RECORDS, NO_MEMORY, TIME_OVER
};
enum Space { NOWHERE, GLOBAL, SHARED, DYNAMIC, VARIABLE };

struct Fault {
  int problem, access, space, region;   // region: a number of this space
  u32 site, other_site;
  u32 thread, block, other_thread, other_block;
  int other_access;
  u32 size;
  int64_t offset;                       // bytes from the region's beginning
  int64_t extra[4];
  char text[256];
};

struct Record {                         // one access, for counting
  u32 block;
  u16 thread, site;
  u32 occurrence;                       // how often this thread was at this site before
  u32 offset;
  u16 region;
  u8 space, access;
  u32 size;
};

struct GlobalArray {                    // as Python passes it
  char *base;
  u64 bytes;
  u32 item, read_only;
  u8 *written;                          // a flag for each item, or null where all are initialised
};

struct Launch {
  void (*call)(void **);
  void **arguments;
  u32 grid[3], block[3];
  u32 dynamic_bytes;
  int check, reverse;
  u64 max_steps;
  GlobalArray *arrays;
  u32 array_count, site_count;
  Fault *fault;
  Record *records;
  u64 record_limit, record_count;
};

// DELAYED: wants to read what nobody has written; it may go on when all others stand still.
enum State : u8 { NEW, READY, AT_BARRIER, AT_WARP, DELAYED, RETURNED };

struct Fiber {
  char *stack;
  void *sp;                             // Windows: the system's fiber
  char *low, *high;                     // where its locals lie
};

struct Lane {                           // what a thread waiting at a warp operation brought
  int op, argument, width, line;
  u32 mask;
  u64 in, out;
};

static Launch *launch;
static u32 thread_count, thread, block, first_of_block;   // the running thread and block, as numbers
static u32 next_thread, alive, waiting, clock_epoch;
static u16 warp_clock[MAX_THREADS / 32];
static u8 fence_clock[MAX_THREADS];
static State state[MAX_THREADS];
static Fiber *fiber_of[MAX_THREADS], *idle_fibers[MAX_THREADS], *current;
static u32 idle_count;
static int barrier_line[MAX_THREADS];
static Lane lanes[MAX_THREADS];
static uint3 position[MAX_THREADS];
static u64 step_of[MAX_THREADS];
static u32 launch_number;
static bool failed;
static volatile int stop_reason;        // a Problem, once somebody wants the launch to end

extern "C" {
SegeduIndices segedu_indices;
}

static Fault *new_fault(int problem, u32 site) {
  if (failed) return 0;
  failed = true;
  Fault *f = launch->fault;
  memset(f, 0, sizeof *f);
  f->problem = problem, f->site = site, f->thread = thread, f->block = block, f->region = -1;
  return f;
}

// ---------------------------------------------------------------- what a kernel prints
static char printed[1 << 20];
static size_t printed_count;

extern "C" int segedu_print(const char *format, ...) {
  va_list values;
  va_start(values, format);
  size_t room = sizeof printed - printed_count;
  int count = vsnprintf(printed + printed_count, room, format, values);
  va_end(values);
  if (count > 0) printed_count += (size_t)count < room ? (size_t)count : room - 1;
  return count;
}
SEGEDU_EXPORT const char *segedu_printed() {
  printed[printed_count] = 0;
  printed_count = 0;
  return printed;
}
