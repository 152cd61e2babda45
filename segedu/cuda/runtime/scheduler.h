// Blocks one after another; the threads of a block back to back on one stack until one of them has to wait.
#pragma once
#include "leaving.h"

static Fiber fibers[MAX_THREADS];
static u32 fiber_count;

static bool barrier_is_complete() { return waiting && waiting == alive; }

static void fiber_main() {
  for (;;) {
    Fiber *mine = current;
    while (next_thread < thread_count) {
      u32 t = launch->reverse ? thread_count - 1 - next_thread : next_thread;
      ++next_thread;
      fiber_of[t] = mine, state[t] = READY;
      enter(t);
      launch->call(launch->arguments);
      state[thread] = RETURNED, --alive;
      if (barrier_is_complete()) break;
    }
    idle_fibers[idle_count++] = mine;
    yield();
  }
}
static Fiber *idle_fiber() {
  if (idle_count) return idle_fibers[--idle_count];
  Fiber *f = &fibers[fiber_count];
  if (!prepare(f, fiber_main)) return 0;
  ++fiber_count;
  return f;
}
static void forget_fibers() { fiber_count = idle_count = 0, current = 0; }  // their stacks are used again

// ---------------------------------------------------------------- what stands still, and why
static int first_in(State wanted) {
  for (u32 t = 0; t < thread_count; ++t)
    if (state[t] == wanted) return (int)t;
  return -1;
}
static int returned_lane(u32 waiting_thread) {
  u32 first = waiting_thread & ~31u;
  for (u32 k = 0; k < 32 && first + k < thread_count; ++k)
    if ((lanes[waiting_thread].mask >> k & 1) && state[first + k] == RETURNED) return (int)k;
  return -1;
}
static void report_deadlock() {
  int at_barrier = first_in(AT_BARRIER), at_warp = first_in(AT_WARP), returned = first_in(RETURNED);
  thread = (u32)(at_warp >= 0 ? at_warp : at_barrier);
  int lane = at_warp >= 0 ? returned_lane(thread) : -1;
  if (lane >= 0) {
    Fault *f = new_fault(MASK_NAMES_RETURNED, LINE + (u32)lanes[at_warp].line);
    f->extra[0] = lanes[at_warp].mask, f->extra[1] = lane;
    f->other_thread = (thread & ~31u) + (u32)lane, f->other_block = block;
    return;
  }
  Fault *f = new_fault(DEADLOCK, LINE + (u32)(at_warp >= 0 ? lanes[at_warp].line : barrier_line[at_barrier]));
  f->extra[0] = at_barrier, f->extra[1] = at_barrier >= 0 ? barrier_line[at_barrier] : 0;
  f->extra[2] = returned, f->extra[3] = at_warp >= 0 ? lanes[at_warp].mask : 0;
}
static bool barrier_is_legal() {
  u32 first = (u32)first_in(AT_BARRIER);
  if (alive != thread_count) {
    thread = first;
    Fault *f = new_fault(RETURNED_BEFORE_BARRIER, LINE + (u32)barrier_line[first]);
    f->other_thread = (u32)first_in(RETURNED), f->other_block = block, f->extra[0] = thread_count - alive;
    return false;
  }
  for (u32 t = first + 1; t < thread_count; ++t)
    if (barrier_line[t] != barrier_line[first]) {
      thread = first;
      Fault *f = new_fault(DIFFERENT_BARRIERS, LINE + (u32)barrier_line[first]);
      f->other_thread = t, f->other_block = block, f->other_site = LINE + (u32)barrier_line[t];
      return false;
    }
  return true;
}
static void release_barrier() {
  waiting = 0;
  if (clock_epoch < 0xffff) ++clock_epoch;
  memset(warp_clock, 0, sizeof warp_clock);
  for (u32 t = 0; t < thread_count; ++t)
    if (state[t] == AT_BARRIER) state[t] = READY;
}
static bool resume_ready_threads() {
  bool progress = false;
  for (u32 i = 0; i < thread_count && !failed; ++i) {
    u32 t = launch->reverse ? thread_count - 1 - i : i;
    if (state[t] != READY) continue;
    enter(t);
    to_fiber(fiber_of[t]);
    progress = true;
  }
  return progress;
}
static void run_block() {
  next_thread = waiting = clock_epoch = 0, alive = thread_count;
  memset(warp_clock, 0, sizeof warp_clock);
  memset(fence_clock, 0, sizeof fence_clock);
  memset(state, NEW, thread_count);
  while (alive && !failed) {
    bool progress = false;
    if (next_thread < thread_count) {
      Fiber *f = idle_fiber();
      if (!f) { new_fault(NO_MEMORY, 0); return; }
      to_fiber(f);
      if (failed) return;
      progress = true;
      if (next_thread < thread_count) continue;
    }
    if (barrier_is_complete()) {
      if (launch->check && !barrier_is_legal()) return;
      release_barrier();
      progress = true;
    }
    progress |= resume_ready_threads();
    if (!progress && alive && !barrier_is_complete()) {
      int delayed = first_in(DELAYED);
      if (delayed < 0) return report_deadlock();
      state[delayed] = READY;
    }
  }
}

// ---------------------------------------------------------------- called by kernels
static u32 votes[2], voters[2];

extern "C" int segedu_barrier(int vote, int predicate, int line) {
  take_steps(16, LINE + (u32)line);
  u32 half = clock_epoch & 1;
  if (!waiting) votes[half] = voters[half] = 0;
  votes[half] += (u32)predicate, ++voters[half];
  barrier_line[thread] = line, state[thread] = AT_BARRIER, ++waiting;
  yield();
  u32 count = votes[half];
  return vote == VOTE_COUNT ? (int)count : vote == VOTE_AND ? count == voters[half] : count != 0;
}
// Lets the others go on: a thread that waits for a lock must not keep its holder from running.
extern "C" void segedu_spin() {
  if (current) yield();
}
extern "C" __attribute__((const)) unsigned segedu_index(int what, int axis) {
  const uint3 *triple = &segedu_indices.thread + what;
  return axis == 0 ? triple->x : axis == 1 ? triple->y : triple->z;
}
extern "C" void segedu_assert(const char *expression, int line) {
  if (Fault *f = new_fault(ASSERTION, LINE + (u32)line)) snprintf(f->text, sizeof f->text, "%s", expression);
  give_up();
}
extern "C" void segedu_trap(int line) {
  new_fault(TRAP, LINE + (u32)line);
  give_up();
}
extern "C" long long segedu_clock() {
  static long long ticks;
  return ticks += 16;
}
