// One launch, from Python's call to its answer.
#pragma once
#include "guard.h"
#include "hooks.h"
#include "scheduler.h"

static bool prepare_launch() {
  thread_count = launch->block[0] * launch->block[1] * launch->block[2];
  segedu_indices.block_size = {launch->block[0], launch->block[1], launch->block[2]};
  segedu_indices.grid_size = {launch->grid[0], launch->grid[1], launch->grid[2]};
  for (u32 t = 0; t < thread_count; ++t)
    position[t] = {t % launch->block[0], t / launch->block[0] % launch->block[1], t / launch->block[0] / launch->block[1]};
  ++launch_number, failed = false, arena_used = MARGIN, shared_bytes = placed_count = 0, stop_reason = 0;
  segedu_dynamic();
  forget_fibers();
  forget_fences();
  prepare_scheduler();
  if (!launch->check) return true;
  if (!image_high) find_image();
  memset(region_of_site, 0, sizeof region_of_site);
  if (!make_regions()) return false;
  if (!add_shared_region(DYNAMIC, 0, arena + DYNAMIC_BEGIN, launch->dynamic_bytes, 2)) return false;
  if (launch->records)
    return (occurrences = (u32 *)calloc((size_t)thread_count * (launch->site_count + 4096), sizeof(u32))) != 0;
  return true;
}
static void run_blocks() {
  const u32 *g = launch->grid;
  u64 count = (u64)g[0] * g[1] * g[2];
  for (u64 i = 0; i < count && !failed; ++i) {
    block = (u32)(launch->reverse ? count - 1 - i : i), first_of_block = block * thread_count;
    segedu_indices.block = {block % g[0], block / g[0] % g[1], block / g[0] / g[1]};
    memset(step_of, 0, sizeof step_of);
    if (launch->records) memset(occurrences, 0, (size_t)thread_count * (launch->site_count + 4096) * sizeof(u32));
    if (launch->check) clear_shared_regions();
    run_block();
  }
}
#if !defined(_WIN32)
static pthread_mutex_t in_use = PTHREAD_MUTEX_INITIALIZER;  // the stacks, by a launch or by who gives them back
#endif
SEGEDU_EXPORT int segedu_launch(Launch *l) {
#if !defined(_WIN32)
  pthread_mutex_lock(&in_use);
#endif
  launch = l;
  l->fault->problem = NO_PROBLEM;
#if defined(_WIN32)
  if (prepare_launch()) run_blocks();
  else new_fault(NO_MEMORY, 0);
#else
  stack_t former_stack;
  guard_begin(&former_stack);
  if (sigsetjmp(way_out, 1) == 0) {
    if (prepare_launch()) run_blocks();
    else new_fault(NO_MEMORY, 0);
  }
  guard_end(&former_stack);
#endif
  current = 0;
  free_regions();
  free(occurrences);
  occurrences = 0;
#if !defined(_WIN32)
  pthread_mutex_unlock(&in_use);
#endif
  return l->fault->problem;
}
// Gives back the stacks when Python has no use of the library any more: thousands of mappings are all a process may have.
// Python may say so from any thread, while another module of the same source, and so the same library, is launched.
SEGEDU_EXPORT void segedu_release() {
#if !defined(_WIN32)
  if (pthread_mutex_trylock(&in_use)) return;
  for (Fiber &fiber : fibers)
    if (fiber.stack) munmap(fiber.stack, GUARD_BYTES + STACK_BYTES), fiber.stack = 0;
  pthread_mutex_unlock(&in_use);
#endif
}
