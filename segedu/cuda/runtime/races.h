// Two accesses to the same cell race unless they are reads, atomics, or ordered: by a barrier of their block, by a
// __syncwarp() of their warp, or by a __threadfence() and an atomic on a location that both threads used.
#pragma once
#include "memory.h"

static Seen me() {
  return Seen{first_of_block + thread + 1, (u16)clock_epoch, (u8)warp_clock[thread / 32], fence_clock[thread]};
}

// ---------------------------------------------------------------- fences
// Who has released what through which location: a small table from (location, who) to a clock.
struct Release { u64 key; u32 clock; };
struct Location { const void *address; u32 block, epoch; u8 threads[MAX_THREADS / 8]; };
static const u32 MAX_LOCATIONS = 64, A_BLOCK = 1u << 31;
static Location locations[MAX_LOCATIONS];
static u32 location_count, release_count, release_room, fenced_block;
static Release *releases;
static bool fences_used, locations_full;

static void forget_fences() {
  location_count = release_count = 0, fences_used = locations_full = false, fenced_block = ~0u;
  if (releases) memset(releases, 0, release_room * sizeof(Release));
}
static Release *release_slot(u64 key) {
  u32 i = (u32)(key * 0x9E3779B97F4A7C15ull >> 32) & (release_room - 1);
  while (releases[i].key && releases[i].key != key) i = (i + 1) & (release_room - 1);
  return &releases[i];
}
static u32 released(u32 location, u32 who) {
  if (!release_room) return 0;
  Release *r = release_slot((u64)(location + 1) << 32 | who);
  return r->key ? r->clock : 0;
}
static void release(u32 location, u32 who, u32 clock) {
  if (release_count * 2 >= release_room) {
    Release *old = releases;
    u32 room = release_room;
    release_room = room ? room * 2 : 1024, releases = (Release *)calloc(release_room, sizeof(Release));
    for (u32 i = 0; i < room; ++i)
      if (old[i].key) *release_slot(old[i].key) = old[i];
    free(old);
  }
  Release *r = release_slot((u64)(location + 1) << 32 | who);
  release_count += r->key == 0;
  *r = Release{(u64)(location + 1) << 32 | who, clock};
}
extern "C" void segedu_fence() {
  fences_used = true, fenced_block = block;
  if (fence_clock[thread] < 0xff) ++fence_clock[thread];
}
// An atomic: sees what others released through its location, and releases what this thread's fences cover.
static void synchronise(const void *address) {
  if (!fences_used || locations_full) return;
  u32 i = 0;
  while (i < location_count && locations[i].address != address) ++i;
  if (i == MAX_LOCATIONS) { locations_full = true; return; }
  Location &l = locations[i];
  if (i == location_count) ++location_count, l.address = address, l.block = ~0u;
  if (l.block != block) l.block = block, l.epoch = clock_epoch, memset(l.threads, 0, sizeof l.threads);
  l.threads[thread / 8] |= (u8)(1u << (thread & 7));
  if (fenced_block == block) release(i, A_BLOCK | block, clock_epoch + 1);
  if (fence_clock[thread]) release(i, first_of_block + thread + 1, fence_clock[thread]);
}
static bool ordered_by_fence(const Seen &s) {
  if (!fences_used) return false;
  if (locations_full) return true;  // too many locks to follow: no alarm
  u32 their_block = (s.thread - 1) / thread_count;
  for (u32 i = 0; i < location_count; ++i) {
    const Location &l = locations[i];
    if (l.block != block || !(l.epoch < clock_epoch || (l.threads[thread / 8] >> (thread & 7) & 1))) continue;
    if (released(i, s.thread) > s.fences) return true;
    u32 epoch = released(i, A_BLOCK | their_block);
    if (epoch && s.epoch + 1u < epoch) return true;
  }
  return false;
}

// ---------------------------------------------------------------- order
static inline bool ordered(const Seen &s) {
  u32 t = s.thread - 1 - first_of_block;
  if (t == thread) return true;
  if (t < thread_count) {
    if (s.epoch < clock_epoch || s.epoch == 0xffff) return true;
    if (t / 32 == thread / 32 && (s.warp < warp_clock[thread / 32] || s.warp == 0xff)) return true;
  }
  return ordered_by_fence(s);
}
static void describe_other(Fault *f, const Seen &s, u32 site, int access) {
  f->other_thread = (s.thread - 1) % thread_count, f->other_block = (s.thread - 1) / thread_count;
  f->other_site = site, f->other_access = access;
}
static Fault *memory_fault(int problem, const Region *r, const char *p, u32 size, int access, u32 site) {
  Fault *f = new_fault(problem, site);
  if (!f) return 0;
  f->access = access, f->size = size, f->space = r ? r->space : NOWHERE, f->region = r ? r->number : -1;
  f->offset = r ? p - r->base : (int64_t)(uintptr_t)p;
  return f;
}
static void race(const Region *r, const char *p, u32 size, int access, u32 site, const Seen &s, u32 other_site, int other) {
  if (Fault *f = memory_fault(RACE, r, p, size, access, site)) describe_other(f, s, other_site, other);
  give_up();
}
static inline void read_cell(Region *r, Cell &c, const char *p, u32 size, u32 site) {
  if (c.writer.thread && !ordered(c.writer)) race(r, p, size, READ, site, c.writer, c.writer_site, c.kind);
  Seen now = me();
  for (int i = 0; i < 2; ++i) {
    Seen &s = c.readers[i];
    if (s.thread && s.thread != now.thread && !ordered(s)) continue;
    s = now, c.reader_sites[i] = (u16)site;
    return;
  }
}
static inline void write_cell(Region *r, Cell &c, const char *p, u32 size, int access, u32 site) {
  bool both_atomic = access == ATOMIC && c.kind == ATOMIC;
  if (c.writer.thread && !both_atomic && !ordered(c.writer)) race(r, p, size, access, site, c.writer, c.writer_site, c.kind);
  for (int i = 0; i < 2; ++i)
    if (c.readers[i].thread && !ordered(c.readers[i])) race(r, p, size, access, site, c.readers[i], c.reader_sites[i], READ);
  c.readers[0].thread = c.readers[1].thread = 0;
  Seen now = me();
  bool since_own_write = c.kind == WRITE && c.writer.thread == now.thread && c.writer.epoch == now.epoch && c.writer.warp == now.warp;
  if (access == ATOMIC && since_own_write) return;  // the plain write is still in no order with others' atomics
  c.writer = now, c.writer_site = (u16)site, c.kind = (u8)access;
}
