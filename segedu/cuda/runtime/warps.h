// Shuffles, votes and __syncwarp: a thread waits until every lane that its mask names is at the same operation.
#pragma once
#include "leaving.h"

static int source_lane(int lane, const Lane &l) {
  int width = l.width, base = lane & ~(width - 1), source;
  switch (l.op) {
    case SHUFFLE: return base + (l.argument & (width - 1));
    case SHUFFLE_UP: source = lane - l.argument; return source < base ? lane : source;
    case SHUFFLE_DOWN: source = lane + l.argument; return source >= base + width ? lane : source;
    default: source = lane ^ l.argument; return source >= base + width ? lane : source;
  }
}
static void warp_fault(int problem, int line, u32 mask, int lane, int other_line) {
  if (Fault *f = new_fault(problem, LINE + (u32)line)) {
    f->extra[0] = mask, f->extra[1] = lane, f->other_block = block, f->other_thread = (thread & ~31u) + (u32)lane;
    if (other_line) f->other_site = LINE + (u32)other_line;
  }
  give_up();
}
// Whether all lanes of the mask have arrived; a lane that cannot come any more is a fault.
static bool warp_is_complete(u32 first, u32 count, int mine) {
  const Lane &l = lanes[first + (u32)mine];
  bool complete = true;
  for (u32 k = 0; k < count; ++k) {
    if (!(l.mask >> k & 1) || (int)k == mine) continue;
    const Lane &other = lanes[first + k];
    if (state[first + k] == RETURNED) warp_fault(MASK_NAMES_RETURNED, l.line, l.mask, (int)k, 0);
    if (state[first + k] != AT_WARP) complete = false;
    else if (other.mask != l.mask || other.op != l.op || other.line != l.line) {
      if (other.mask >> mine & 1) warp_fault(WARP_DIVERGED, l.line, l.mask, (int)k, other.line);
      complete = false;
    }
  }
  return complete;
}
static u64 vote_of(u32 first, u32 count, const Lane &l) {
  u32 ballot = 0, match = 0;
  for (u32 k = 0; k < count; ++k)
    if (l.mask >> k & 1) {
      ballot |= (u32)(lanes[first + k].in != 0) << k;
      match |= (u32)(lanes[first + k].in == l.in) << k;
    }
  return l.op == BALLOT ? ballot : l.op == ANY ? ballot != 0 : l.op == ALL ? ballot == l.mask : match;
}
static void finish_warp(u32 first, u32 count, u32 mask) {
  for (u32 k = 0; k < count; ++k) {
    if (!(mask >> k & 1)) continue;
    Lane &l = lanes[first + k];
    state[first + k] = READY;
    if (l.op == WARP_SYNC) continue;
    if (l.op >= BALLOT) { l.out = vote_of(first, count, l); continue; }
    int source = source_lane((int)k, l);
    if (source < 0 || source > 31 || !(mask >> source & 1)) {
      thread = first + k;
      if (launch->check) warp_fault(SHUFFLE_SOURCE, l.line, mask, source, 0);
      source = (int)k;
    }
    l.out = lanes[first + (u32)source].in;
  }
  u32 warp = first / 32;
  if (lanes[first + (u32)__builtin_ctz(mask)].op == WARP_SYNC && warp_clock[warp] < 0xff) ++warp_clock[warp];
}

extern "C" unsigned long long segedu_warp(int op, unsigned mask, unsigned long long bits, int argument, int width, int line) {
  u32 first = thread & ~31u, mine = thread & 31, count = thread_count - first < 32 ? thread_count - first : 32;
  take_steps(1, LINE + (u32)line);
  if (!(mask >> mine & 1)) warp_fault(NOT_IN_OWN_MASK, line, mask, (int)mine, 0);
  if (width < 1 || width > 32 || (width & (width - 1))) {
    if (Fault *f = new_fault(SHUFFLE_WIDTH, LINE + (u32)line)) f->extra[0] = width;
    give_up();
  }
  if (count < 32) mask &= (1u << count) - 1;  // the last warp of a block may be smaller
  lanes[thread] = Lane{op, argument, width, line, mask, bits, 0};
  state[thread] = AT_WARP;
  u32 me = thread;
  if (warp_is_complete(first, count, (int)mine)) {
    finish_warp(first, count, mask);
    enter(me);
  } else {
    yield();
  }
  return lanes[me].out;
}
extern "C" unsigned segedu_active_mask() {
  u32 first = thread & ~31u, mask = 0;
  for (u32 k = 0; k < 32 && first + k < thread_count; ++k) mask |= (u32)(state[first + k] != RETURNED) << k;
  return mask;
}
