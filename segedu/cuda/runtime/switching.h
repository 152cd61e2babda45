// Stacks, and the change from one to another: 20 lines of assembly, or Windows' fibers.
#pragma once
#if defined(_WIN32)
#include <windows.h>
#else
#include <sys/mman.h>
#endif
#include "state.h"

static const size_t STACK_BYTES = 256 << 10, GUARD_BYTES = 32 << 10;

#if defined(_WIN32)
static void *scheduler_sp;
static void __stdcall fiber_entry(void *begin) {
  NT_TIB *tib = (NT_TIB *)NtCurrentTeb();
  current->low = (char *)tib->StackBase - STACK_BYTES, current->high = (char *)tib->StackBase;
  ((void (*)())begin)();
}
static void to_scheduler() { SwitchToFiber(scheduler_sp); }
static void to_fiber(Fiber *f) {
  current = f;
  SwitchToFiber(f->sp);
}
static bool prepare(Fiber *f, void (*begin)()) {
  if (f->sp) DeleteFiber(f->sp);
  f->sp = CreateFiberEx(64 << 10, STACK_BYTES, 0, fiber_entry, (void *)begin);
  return f->sp != 0;
}
static void prepare_scheduler() {
  if (!scheduler_sp) scheduler_sp = IsThreadAFiber() ? GetCurrentFiber() : ConvertThreadToFiber(0);
}
#else
extern "C" void segedu_switch(void **save, void *to) __asm__("segedu_switch");
static void *scheduler_sp;
#if defined(__x86_64__)
__asm__(
    ".text\n.globl segedu_switch\nsegedu_switch:\n"
    "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
    "movq %rsp,(%rdi)\nmovq %rsi,%rsp\n"
    "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n");
static void *fresh_stack(char *top, void (*begin)()) {
  u64 *sp = (u64 *)((uintptr_t)top & ~(uintptr_t)15);
  *--sp = 0;
  *--sp = (u64)begin;
  for (int i = 0; i < 6; ++i) *--sp = 0;
  return sp;
}
#elif defined(__aarch64__)
__asm__(
    ".text\n.globl segedu_switch\n.p2align 2\nsegedu_switch:\n"
    "sub sp, sp, #160\nstp x19, x20, [sp, #0]\nstp x21, x22, [sp, #16]\nstp x23, x24, [sp, #32]\n"
    "stp x25, x26, [sp, #48]\nstp x27, x28, [sp, #64]\nstp x29, x30, [sp, #80]\n"
    "stp d8, d9, [sp, #96]\nstp d10, d11, [sp, #112]\nstp d12, d13, [sp, #128]\nstp d14, d15, [sp, #144]\n"
    "mov x9, sp\nstr x9, [x0]\nmov sp, x1\n"
    "ldp x19, x20, [sp, #0]\nldp x21, x22, [sp, #16]\nldp x23, x24, [sp, #32]\n"
    "ldp x25, x26, [sp, #48]\nldp x27, x28, [sp, #64]\nldp x29, x30, [sp, #80]\n"
    "ldp d8, d9, [sp, #96]\nldp d10, d11, [sp, #112]\nldp d12, d13, [sp, #128]\nldp d14, d15, [sp, #144]\n"
    "add sp, sp, #160\nret\n");
static void *fresh_stack(char *top, void (*begin)()) {
  u64 *sp = (u64 *)((uintptr_t)top & ~(uintptr_t)15) - 20;
  memset(sp, 0, 160);
  sp[11] = (u64)begin;  // x30, where `ret` goes
  return sp;
}
#else
#error "segedu.cuda runs kernels on x86-64 and aarch64"
#endif
static void to_scheduler() { segedu_switch(&current->sp, scheduler_sp); }
static void to_fiber(Fiber *f) {
  current = f;
  segedu_switch(&scheduler_sp, f->sp);
}
static bool prepare(Fiber *f, void (*begin)()) {
  if (!f->stack) {
    int flags = MAP_PRIVATE | MAP_ANON;
#ifdef MAP_NORESERVE
    flags |= MAP_NORESERVE;
#endif
    void *memory = mmap(0, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED) return false;
    mprotect(memory, GUARD_BYTES, PROT_NONE);  // an overflow faults here, see guard.h
    f->stack = (char *)memory, f->low = f->stack + GUARD_BYTES, f->high = f->low + STACK_BYTES;
  }
  f->sp = fresh_stack(f->high, begin);
  return true;
}
static void prepare_scheduler() {}
#endif
