// float2, int3, uchar4 and their kin, with make_….
#pragma once
#include "interface.h"

#define SEGEDU_VECTOR(T, V)                                                              \
  struct V##1 { T x; };                                                                  \
  struct alignas(2 * sizeof(T)) V##2 { T x, y; };                                        \
  struct V##3 { T x, y, z; };                                                            \
  struct alignas(4 * sizeof(T) > 16 ? 16 : 4 * sizeof(T)) V##4 { T x, y, z, w; };        \
  static inline V##1 make_##V##1(T x) { return {x}; }                                    \
  static inline V##2 make_##V##2(T x, T y) { return {x, y}; }                            \
  static inline V##4 make_##V##4(T x, T y, T z, T w) { return {x, y, z, w}; }
#define SEGEDU_TRIPLE(T, V) \
  static inline V##3 make_##V##3(T x, T y, T z) { return {x, y, z}; }
#define SEGEDU_VECTORS(T, V) SEGEDU_VECTOR(T, V) SEGEDU_TRIPLE(T, V)
SEGEDU_VECTORS(signed char, char)
SEGEDU_VECTORS(unsigned char, uchar)
SEGEDU_VECTORS(short, short)
SEGEDU_VECTORS(unsigned short, ushort)
SEGEDU_VECTORS(int, int)
SEGEDU_VECTORS(long long, longlong)
SEGEDU_VECTORS(unsigned long long, ulonglong)
SEGEDU_VECTORS(float, float)
SEGEDU_VECTORS(double, double)
struct uint1 { unsigned x; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
static inline uint1 make_uint1(unsigned x) { return {x}; }
static inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
SEGEDU_TRIPLE(unsigned, uint)
