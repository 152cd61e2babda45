// The compiler calls these before every load and store, at every branch, and where arithmetic goes wrong. `site` is the
// number that assembly.py gave the call.
#pragma once
#include "races.h"

static u16 region_of_site[2 * LINE];
static u32 *occurrences;                // [thread][site], while accesses are recorded

static void record(const Region *r, const char *p, u32 size, int access, u32 site) {
  if (launch->record_count == launch->record_limit) {
    new_fault(TOO_MANY_RECORDS, site);
    give_up();
  }
  u32 slot = site < LINE ? site : launch->site_count + (site - LINE) % 4096;
  Record *x = &launch->records[launch->record_count++];
  x->block = block, x->thread = (u16)thread, x->site = (u16)site, x->space = (u8)r->space, x->access = (u8)access;
  x->occurrence = occurrences[thread * (launch->site_count + 4096) + slot]++;
  x->offset = (u32)(p - r->base), x->region = (u16)r->number, x->size = size;
}
// If another thread writes the value before the next barrier, the mistake is a race, and is found as one.
static void delay() {
  state[thread] = DELAYED;
  yield();
}
static const u64 FAR = 256;  // bytes; nearer to an array, an index is meant that is too large or too small
// Far from all arrays, the one that this access went to before says more than the nearest.
static Region *meant_region(const char *p, u32 site) {
  Region *nearest = nearest_region(p), *before = &regions[region_of_site[site]];
  return nearest && nearest->space == before->space && distance(p, *nearest) >= FAR ? before : nearest;
}
static void stray(const char *p, u32 size, int access, u32 site) {
  if (p >= image_low && p < image_high) {
    Region *r = nearest_region(p);  // next to a variable: an index too large; elsewhere: a table or a literal
    if (!r || distance(p, *r) >= FAR) return;
  }
  memory_fault(OUT_OF_BOUNDS, meant_region(p, site), p, size, access, site);
  give_up();
}
static inline void access(void *address, u32 size, int kind, u32 site, bool aligned) {
  char *p = (char *)address;
  if (!current) return;
  Region *r = &regions[region_of_site[site]];
  if (!((u64)(p - r->base) < r->bytes && (u64)(p - r->base) + size <= r->bytes)) {
    if (p >= current->low && p < current->high) return;  // the thread's own locals
    r = find_region(p, size);
    if (!r) return stray(p, size, kind, site);
    region_of_site[site] = (u16)cache_miss_region;
  }
  if (kind != READ && r->read_only) {
    memory_fault(READ_ONLY, r, p, size, kind, site);
    give_up();
  }
  if (aligned && ((uintptr_t)p & (size - 1))) {
    memory_fault(MISALIGNED, r, p, size, kind, site);
    give_up();
  }
  if (launch->records) record(r, p, size, kind, site);
  if (!r->cells && !r->written) return;
  u64 first = (u64)(p - r->base) >> r->shift, last = ((u64)(p - r->base) + size - 1) >> r->shift;
  for (u64 i = first; i <= last; ++i) {
    if (r->written) {
      if (kind != WRITE && !r->written[i]) delay();
      if (kind != WRITE && !r->written[i]) {
        memory_fault(UNINITIALISED, r, r->base + (i << r->shift), size, kind, site);
        give_up();
      }
      if (kind != READ) r->written[i] = 1;
    }
    if (!r->cells || size < 1u << r->shift) continue;  // less than a cell: its neighbours may be another thread's
    if (kind == READ) read_cell(r, r->cells[i], r->base + (i << r->shift), size, site);
    else write_cell(r, r->cells[i], r->base + (i << r->shift), size, kind, site);
  }
}
extern "C" void segedu_atomic(const volatile void *address, int size, int line) {
  if (!launch->check) return;
  take_steps(16, LINE + (u32)line);
  synchronise((const void *)address);
  access((void *)address, (u32)size, ATOMIC, LINE + (u32)line, true);
}

#ifdef SEGEDU_CHECK
#define SEGEDU_HOOKS(N)                                                                                            \
  extern "C" void __tsan_read##N(void *p, u32 site) { access(p, N, READ, site, true); }                            \
  extern "C" void __tsan_write##N(void *p, u32 site) { access(p, N, WRITE, site, true); }                          \
  extern "C" void __tsan_unaligned_read##N(void *p, u32 site) { access(p, N, READ, site, false); }                 \
  extern "C" void __tsan_unaligned_write##N(void *p, u32 site) { access(p, N, WRITE, site, false); }               \
  extern "C" void __tsan_volatile_read##N(void *p, u32 site) { access(p, N, READ, site, true); }                   \
  extern "C" void __tsan_volatile_write##N(void *p, u32 site) { access(p, N, WRITE, site, true); }                 \
  extern "C" void __tsan_read_write##N(void *p, u32 site) {                                                        \
    access(p, N, READ, site, true);                                                                                \
    access(p, N, WRITE, site, true);                                                                               \
  }                                                                                                                \
  extern "C" void __tsan_unaligned_read_write##N(void *p, u32 site) {                                              \
    access(p, N, READ, site, false);                                                                               \
    access(p, N, WRITE, site, false);                                                                              \
  }
SEGEDU_HOOKS(1)
SEGEDU_HOOKS(2)
SEGEDU_HOOKS(4)
SEGEDU_HOOKS(8)
SEGEDU_HOOKS(16)
extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void *) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void **, void *) {}
void __tsan_vptr_read(void **) {}
void __tsan_read_range(void *p, size_t n, u32 site) { access(p, (u32)n, READ, site, false); }
void __tsan_write_range(void *p, size_t n, u32 site) { access(p, (u32)n, WRITE, site, false); }
void *__tsan_memcpy(void *to, const void *from, size_t n, u32 site) {
  access((void *)from, (u32)n, READ, site, false);
  access(to, (u32)n, WRITE, site, false);
  return memcpy(to, from, n);
}
void *__tsan_memmove(void *to, const void *from, size_t n, u32 site) {
  access((void *)from, (u32)n, READ, site, false);
  access(to, (u32)n, WRITE, site, false);
  return memmove(to, from, n);
}
void *__tsan_memset(void *to, int value, size_t n, u32 site) {
  access(to, (u32)n, WRITE, site, false);
  return memset(to, value, n);
}
void __sanitizer_cov_trace_pc(u32 site) {
  if (!current) return;
  u64 before = step_of[thread];
  take_steps(1, site);
  // A thread that waits for a variable must let the others run.
  if ((before & 0xffff) == 0xffff && thread_count > 1) yield();
}

struct SourceLocation { const char *file; u32 line, column; };
struct TypeName { u16 kind, info; char name[1]; };
struct IndexData { SourceLocation where; TypeName *array, *index; };
struct ArithmeticData { SourceLocation where; TypeName *type; };
void __ubsan_handle_out_of_bounds(IndexData *data, u64 index) {
  if (Fault *f = new_fault(BAD_INDEX, LINE + data->where.line)) {
    bool narrow = data->index->kind == 0 && data->index->info >> 1 < 6, is_signed = data->index->info & 1;
    f->extra[0] = narrow ? (is_signed ? (int64_t)(int32_t)index : (int64_t)(u32)index) : (int64_t)index;
    f->extra[1] = data->where.column;
    snprintf(f->text, sizeof f->text, "%s", data->array->name);
  }
  give_up();
}
void __ubsan_handle_out_of_bounds_abort(IndexData *data, u64 index) { __ubsan_handle_out_of_bounds(data, index); }
struct MismatchData { SourceLocation where; TypeName *type; u8 log_alignment, kind; };
void __ubsan_handle_type_mismatch_v1(MismatchData *data, u64 address) {
  char *p = (char *)(uintptr_t)address;
  u32 site = LINE + data->where.line, size = 1u << data->log_alignment;
  if (Region *r = find_region(p, 1)) memory_fault(MISALIGNED, r, p, size, data->kind, site);
  else memory_fault(OUT_OF_BOUNDS, nearest_region(p), p, size, data->kind == WRITE ? WRITE : READ, site);
  give_up();
}
void __ubsan_handle_type_mismatch_v1_abort(MismatchData *data, u64 address) { __ubsan_handle_type_mismatch_v1(data, address); }
void __ubsan_handle_divrem_overflow(ArithmeticData *data, u64, u64) {
  if (Fault *f = new_fault(DIVISION, LINE + data->where.line)) f->extra[1] = data->where.column;
  give_up();
}
void __ubsan_handle_divrem_overflow_abort(ArithmeticData *data, u64 a, u64 b) { __ubsan_handle_divrem_overflow(data, a, b); }
}
#endif
