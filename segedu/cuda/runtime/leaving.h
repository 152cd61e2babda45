// How a thread stops running: it lets others go on, has done too much, or is at fault.
#pragma once
#include "switching.h"

static void yield() {
  to_scheduler();
}
static void give_up() {
  if (current) {
    state[thread] = RETURNED;
    for (;;) yield();  // never resumed
  }
}
static void enter(u32 t) {
  thread = t;
  segedu_indices.thread = position[t];
}
static void take_steps(u64 count, u32 site) {
  u64 &mine = step_of[thread];
  mine += count;
  if (mine > launch->max_steps) {
    if (Fault *f = new_fault(TOO_LONG, site)) f->extra[0] = (int64_t)launch->max_steps;
    give_up();
  }
  if (stop_reason) {
    new_fault(stop_reason, site);
    give_up();
  }
}
