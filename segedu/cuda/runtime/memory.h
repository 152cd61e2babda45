// Which bytes a kernel may touch: its arguments' arrays, shared memory, __constant__ and __device__ variables.
#pragma once
#if defined(_WIN32)
#include <windows.h>
#elif defined(__linux__)
#include <link.h>
#elif defined(__APPLE__)
#include <dlfcn.h>
#include <mach-o/getsect.h>
#include <mach-o/loader.h>
#endif
#include "leaving.h"

struct Seen {                           // who touched a cell last, and when
  u32 thread;                           // 1 + the thread's number in the whole grid, 0: nobody
  u16 epoch;                            // barriers of its block before that
  u8 warp, fences;                      // __syncwarp()s of its warp since that barrier, its fences
};
struct Cell {
  Seen writer, readers[2];
  u16 writer_site, reader_sites[2];
  u8 kind, unused;                      // of the write: WRITE or ATOMIC
};
struct Region {
  char *base;
  u64 bytes;
  u32 shift;                            // a cell has 1 << shift bytes
  int space, number;
  bool read_only;
  Cell *cells;                          // null where no race is possible
  u8 *written;                          // null where all was written before
};

static const u32 MAX_REGIONS = 256, SHARED_BYTES = 48 << 10, ARENA = 1 << 20, DYNAMIC_BEGIN = ARENA / 2, MARGIN = 4096;
static Region regions[MAX_REGIONS];
static u32 region_count;
static char *arena;
static u32 arena_used, shared_bytes;
static SegeduVariable *placed[MAX_REGIONS], *registered;
static u32 placed_count, registered_count;
static char *image_low, *image_high;    // this library: tables, literals, variables

static u32 shift_of(u32 item, u32 lanes) {
  u32 scalar = lanes ? item / lanes : item;
  return scalar % 8 == 0 && lanes ? 3 : scalar % 4 == 0 ? 2 : scalar % 2 == 0 ? 1 : 0;
}
static u32 lanes_of(const SegeduVariable *v) {
  switch (v->type) {
    case '?': case 'b': case 'B': return v->item;
    case 'h': case 'H': return v->item / 2;
    case 'i': case 'I': case 'f': return v->item / 4;
    case 'q': case 'Q': case 'd': return v->item / 8;
  }
  return 0;
}
static Region *add_region(int space, int number, char *base, u64 bytes, u32 shift) {
  if (region_count == MAX_REGIONS) return 0;
  Region *r = &regions[region_count];
  *r = Region{base, bytes, shift, space, number, false, 0, 0};
  ++region_count;
  return r;
}
static u64 cells_in(const Region *r) { return (r->bytes >> r->shift) + 1; }
static bool add_cells(Region *r) { return (r->cells = (Cell *)calloc(cells_in(r), sizeof(Cell))) != 0; }

static void free_regions() {
  for (u32 i = 0; i < region_count; ++i) {
    free(regions[i].cells);
    if (regions[i].space == SHARED || regions[i].space == DYNAMIC) free(regions[i].written);
  }
  region_count = 0;
}
static bool make_regions() {
  bool good = add_region(NOWHERE, 0, 0, 0, 0);  // number 0: where no access has been yet
  for (u32 i = 0; i < launch->array_count; ++i) {
    const GlobalArray &a = launch->arrays[i];
    Region *r = add_region(GLOBAL, (int)i, a.base, a.bytes, shift_of(a.item, 1));
    if (!r) return false;
    r->read_only = a.read_only, r->written = a.written;
    if (!r->read_only) good &= add_cells(r);
  }
  int number = 0;
  for (SegeduVariable *v = registered; v; v = v->next, ++number) {
    Region *r = add_region(VARIABLE, number, v->address, v->size, shift_of(v->item, lanes_of(v)));
    if (!r) return false;
    r->read_only = v->constant;
    if (!v->constant) good &= add_cells(r);
  }
  return good;
}
static bool add_shared_region(int space, int number, char *base, u64 bytes, u32 shift) {
  Region *r = add_region(space, number, base, bytes, shift);
  if (!r || !add_cells(r)) return false;
  return (r->written = (u8 *)calloc(cells_in(r), 1)) != 0;
}
static void clear_shared_regions() {
  for (u32 i = 0; i < region_count; ++i) {
    Region &r = regions[i];
    if (r.space != SHARED && r.space != DYNAMIC) continue;
    memset(r.cells, 0, cells_in(&r) * sizeof(Cell));
    memset(r.written, 0, cells_in(&r));
  }
}

static u32 cache_miss_region;
static Region *find_region(const char *p, u32 size) {
  for (u32 i = 0; i < region_count; ++i) {
    Region *r = &regions[i];
    if (p >= r->base && p + size <= r->base + r->bytes) return cache_miss_region = i, r;
  }
  return 0;
}
static u64 distance(const char *p, const Region &r) {
  return p < r.base ? (u64)(r.base - p) : p < r.base + r.bytes ? 0 : (u64)(p - r.base - r.bytes);
}
// The array that a stray address most likely was meant for.
static Region *nearest_region(const char *p) {
  bool in_arena = arena && p >= arena && p < arena + ARENA, in_image = p >= image_low && p < image_high;
  bool dynamic = in_arena && p >= arena + DYNAMIC_BEGIN - MARGIN;
  Region *best = 0;
  for (u32 i = 0; i < region_count; ++i) {
    Region *r = &regions[i];
    int wanted = in_arena ? (dynamic ? DYNAMIC : SHARED) : in_image ? VARIABLE : GLOBAL;
    if (r->space == wanted && (!best || distance(p, *r) < distance(p, *best))) best = r;
  }
  return best && distance(p, *best) < (u64)1 << 40 ? best : 0;  // further: no index, but a wrong pointer
}

// ---------------------------------------------------------------- called by kernels
extern "C" int segedu_register(SegeduVariable *v) {
  SegeduVariable **end = &registered;
  while (*end) end = &(*end)->next;
  *end = v;
  return (int)registered_count++;
}
extern "C" char *segedu_shared(SegeduVariable *v) {
  if (v->launch == launch_number) return v->address;
  shared_bytes += v->size;
  u32 align = v->align < 16 ? 16 : v->align, gap = launch->check ? (v->size > 256 ? v->size : 256) : 0;
  u32 begin = (arena_used + align - 1) / align * align;
  bool fits = shared_bytes + launch->dynamic_bytes <= SHARED_BYTES;
  if (!fits || begin + v->size + gap > DYNAMIC_BEGIN - MARGIN || placed_count == MAX_REGIONS) {
    if (Fault *f = new_fault(TOO_MUCH_SHARED, LINE + (u32)v->line)) f->extra[0] = shared_bytes, f->extra[1] = launch->dynamic_bytes;
    give_up();
  }
  v->address = arena + begin, v->launch = launch_number, arena_used = begin + v->size + gap;
  placed[placed_count++] = v;
  if (launch->check &&
      !add_shared_region(SHARED, (int)placed_count - 1, v->address, v->size, shift_of(v->item, lanes_of(v)))) {
    new_fault(NO_MEMORY, 0);
    give_up();
  }
  return v->address;
}
extern "C" char *segedu_dynamic() {
  if (!arena) arena = (char *)calloc(1, ARENA + 64), arena += 64 - ((uintptr_t)arena & 63);  // kept to the end
  return arena + DYNAMIC_BEGIN;
}
SEGEDU_EXPORT SegeduVariable *segedu_placed(u32 number) { return number < placed_count ? placed[number] : 0; }
SEGEDU_EXPORT SegeduVariable *segedu_registered(u32 number) {
  SegeduVariable *v = registered;
  while (v && number--) v = v->next;
  return v;
}

// ---------------------------------------------------------------- where this library lies
#if defined(__linux__)
static int find_image_in(struct dl_phdr_info *info, size_t, void *) {
  char *low = (char *)~(uintptr_t)0, *high = 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
    char *begin = (char *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr, *end = begin + info->dlpi_phdr[i].p_memsz;
    low = begin < low ? begin : low, high = end > high ? end : high;
  }
  if ((char *)&regions < low || (char *)&regions >= high) return 0;
  image_low = low, image_high = high;
  return 1;
}
static void find_image() { dl_iterate_phdr(find_image_in, 0); }
#elif defined(_WIN32)
static void find_image() {
  MEMORY_BASIC_INFORMATION info;
  VirtualQuery(&regions, &info, sizeof info);
  char *base = (char *)info.AllocationBase;
  IMAGE_NT_HEADERS *header = (IMAGE_NT_HEADERS *)(base + ((IMAGE_DOS_HEADER *)base)->e_lfanew);
  image_low = base, image_high = base + header->OptionalHeader.SizeOfImage;
}
#else
static void find_image() {
  Dl_info info;
  dladdr((void *)&find_image, &info);
  unsigned long bytes = 0;
  u8 *data = getsegmentdata((const mach_header_64 *)info.dli_fbase, "__DATA", &bytes);
  image_low = (char *)info.dli_fbase, image_high = (char *)data + bytes;
}
#endif
