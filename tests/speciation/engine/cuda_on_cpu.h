// Just enough of CUDA to run one kernel on a CPU, slowly and in full: every thread of a block is
// a fiber, and tensor cores are loops. Included by fused.cu in place of its own instructions.

#include <cmath>
#include <csetjmp>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ucontext.h>

#define __device__
#define __global__
#define __shared__
#define __constant__
#define __forceinline__ inline
#define __align__(bytes)
#define __launch_bounds__(...)

struct float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) uint2 { u32 x, y; };
struct alignas(16) uint4 { u32 x, y, z, w; };
static struct { int x; } threadIdx, blockIdx;

static inline float __uint_as_float(u32 x) { float y; std::memcpy(&y, &x, 4); return y; }
static inline u32 __float_as_uint(float x) { u32 y; std::memcpy(&y, &x, 4); return y; }
static inline u32 __umulhi(u32 x, u32 y) { return u32(uint64_t(x) * y >> 32); }
static inline int __popc(u32 x) { return __builtin_popcount(x); }
static inline float4 __ldcg(const float4 *x) { return *x; }
static inline void __stcg(float4 *x, const float4 &y) { *x = y; }
static inline int min(int x, int y) { return x < y ? x : y; }
static inline u32 atomicOr(u32 *at, u32 x) { const u32 y = *at; *at |= x; return y; }
static inline u32 atomicAdd(u32 *at, u32 x) { const u32 y = *at; *at += x; return y; }
static inline float rsqrtf(float x) { return 1.f / std::sqrt(x); }

extern "C" void train(State s, const int *listed, int steps, float *gradient, float *outside);
extern "C" void judge(State s, const int *listed, float *seen, float *outside);
struct Entry;
struct Weight;
extern "C" void begin(State s, const Entry *entries, const int *orders, const Weight *weights,
                      int count);
alignas(16) static unsigned char
    shared_memory[larger(larger(TRAIN_BYTES, JUDGE_BYTES), BEGIN_BYTES)];

namespace fibers {

struct Fiber {
    jmp_buf at;
    ucontext_t start;
    bool begun = false, done = false;
    char *stack;
};
static Fiber fiber[THREADS];
static jmp_buf scheduler;
static ucontext_t origin;
static int arrived[WARPS + 1], round_of[WARPS + 1];  // of each warp, and of the block
static uint32_t lane_value[2][WARPS][32][4];

static void yield() {
    const int self = threadIdx.x;
    if (!_setjmp(fiber[self].at)) _longjmp(scheduler, 1);
}

static void wait(int group, int size) {
    const int round = round_of[group];
    if (++arrived[group] == size) {
        arrived[group] = 0;
        round_of[group]++;
        return;
    }
    while (round_of[group] == round) yield();
}

// What the lanes of a warp show each other; two shelves, so that one wait is enough.
static uint32_t (*show(const uint32_t *words, int count))[4] {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    auto shelf = lane_value[round_of[warp] % 2][warp];
    std::memcpy(shelf[lane], words, 4 * count);
    wait(warp, 32);
    return shelf;
}

}  // namespace fibers

static inline void __syncthreads() { fibers::wait(WARPS, THREADS); }
static inline void __syncwarp() { fibers::wait(threadIdx.x / 32, 32); }

template <class T>
static inline T __shfl_sync(u32, T x, int source) {
    uint32_t word;
    std::memcpy(&word, &x, 4);
    std::memcpy(&x, fibers::show(&word, 1)[source % 32], 4);
    return x;
}

template <class T>
static inline T __shfl_xor_sync(u32 all, T x, int distance) {
    return __shfl_sync(all, x, (threadIdx.x % 32) ^ distance);
}

static inline u32 __ballot_sync(u32, bool x) {
    const uint32_t word = x;
    auto lanes = fibers::show(&word, 1);
    u32 votes = 0;
    for (int i = 0; i < 32; i++) votes |= lanes[i][0] << i;
    return votes;
}

static inline int __reduce_add_sync(u32, int x) {
    uint32_t word = x;
    auto lanes = fibers::show(&word, 1);
    int sum = 0;
    for (int i = 0; i < 32; i++) sum += int(lanes[i][0]);
    return sum;
}

static inline u32 float16(float x) {
    const _Float16 half = static_cast<_Float16>(x);
    uint16_t bits;
    std::memcpy(&bits, &half, 2);
    return bits;
}

static inline float unpack(u16 bits) {
    _Float16 half;
    std::memcpy(&half, &bits, 2);
    return half;
}

static inline u32 pack(float low, float high) { return float16(low) | float16(high) << 16; }

static inline float half_of(u32 word, int i) { return unpack(u16(i ? word >> 16 : word)); }

static void multiply(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    const uint32_t left[4] = {a[0], a[1], a[2], a[3]}, right[2] = {b0, b1};
    uint32_t all[32][6];
    auto lanes = fibers::show(left, 4);
    for (int i = 0; i < 32; i++) std::memcpy(all[i], lanes[i], 16);
    lanes = fibers::show(right, 2);
    for (int i = 0; i < 32; i++) std::memcpy(all[i] + 4, lanes[i], 8);
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    for (int q = 0; q < 4; q++) {
        const int row = g + 8 * (q / 2), column = 2 * t + q % 2;
        for (int k = 0; k < 16; k++) {
            const uint32_t x = all[4 * (row % 8) + k % 8 / 2][row / 8 + 2 * (k / 8)];
            const uint32_t y = all[4 * column + k % 8 / 2][4 + k / 8];
            c[q] += half_of(x, k % 2) * half_of(y, k % 2);
        }
    }
}

template <bool TURNED>
static void fetch(u32 (&r)[4], const u16 *row) {
    if (reinterpret_cast<uintptr_t>(row) % 16) std::abort();
    uint32_t words[2];
    std::memcpy(words, &row, 8);
    auto lanes = fibers::show(words, 2);
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; i++) {
        u32 both = 0;
        for (int half = 0; half < 2; half++) {
            const u16 *from;
            std::memcpy(&from, lanes[8 * i + (TURNED ? 2 * t + half : g)], 8);
            both |= u32(from[TURNED ? g : 2 * t + half]) << 16 * half;
        }
        r[i] = both;
    }
}

static void store(u16 *row, const u32 (&r)[4]) {  // as fetch, the other way round
    if (reinterpret_cast<uintptr_t>(row) % 16) std::abort();
    uint32_t words[2];
    std::memcpy(words, &row, 8);
    auto lanes = fibers::show(words, 2);
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; i++) {
        u16 *to;
        std::memcpy(&to, lanes[8 * i + g], 8);
        std::memcpy(to + 2 * t, &r[i], 4);
    }
}

static inline u32 turned(u32 two) {
    auto lanes = fibers::show(&two, 1);
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    const auto of_row = [&](int row) { return lanes[4 * row + g / 2][0] >> 16 * (g % 2) & 0xffffu; };
    return of_row(2 * t) | of_row(2 * t + 1) << 16;
}

static inline u32 pack_positive(float low, float high) {
    return pack(low < 0.f ? 0.f : low, high < 0.f ? 0.f : high);
}

static inline void copy(float *to, const float *from) { std::memcpy(to, from, 16); }
static inline void end_group() {}
template <int OTHERS>
static inline void wait_for_group() {}

static inline u32 equal(u32 a, u32 b) {
    return (half_of(a, 0) == half_of(b, 0) ? 0x3c00u : 0) |
           (half_of(a, 1) == half_of(b, 1) ? 0x3c000000u : 0);
}

static State launched;
static const int *launched_list;
static int launched_steps;
static float *launched_out, *launched_outside;
static const Entry *launched_entries;
static const Weight *launched_weights;

static void enter_train() {
    train(launched, launched_list, launched_steps, launched_out, launched_outside);
    fibers::fiber[threadIdx.x].done = true;
    _longjmp(fibers::scheduler, 1);
}

static void enter_judge() {
    judge(launched, launched_list, launched_out, launched_outside);
    fibers::fiber[threadIdx.x].done = true;
    _longjmp(fibers::scheduler, 1);
}

static void enter_begin() {
    begin(launched, launched_entries, launched_list, launched_weights, launched_steps);
    fibers::fiber[threadIdx.x].done = true;
    _longjmp(fibers::scheduler, 1);
}

// One block after the other.
static void run(void (*enter)(), const State *s, const int *listed, int blocks) {
    using namespace fibers;
    launched = *s, launched_list = listed;
    const size_t room = 1 << 20, outside = size_t(4) * OUTSIDE * blocks;
    launched_outside = static_cast<float *>(std::aligned_alloc(16, outside));
    std::memset(launched_outside, 0xff, outside);  // NaN
    for (auto &f : fiber) f.stack = static_cast<char *>(std::malloc(room));
    for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++) {
        std::memset(shared_memory, 0xff, sizeof shared_memory);  // NaN
        for (auto &f : fiber) f.begun = f.done = false;
        for (volatile int left = THREADS; left;)
            for (volatile int i = 0; i < THREADS; i++) {
                Fiber &f = fiber[i];
                if (f.done) continue;
                threadIdx.x = i;
                if (!_setjmp(scheduler)) {
                    if (f.begun) _longjmp(f.at, 1);
                    f.begun = true;
                    getcontext(&f.start);
                    f.start.uc_stack = {f.stack, 0, room};
                    f.start.uc_link = nullptr;
                    makecontext(&f.start, enter, 0);
                    setcontext(&f.start);
                }
                if (f.done) left = left - 1;
            }
    }
    for (auto &f : fiber) std::free(f.stack);
    std::free(launched_outside);
}

extern "C" void launch_train(const State *s, const int *listed, int blocks, int steps,
                             float *gradient) {
    launched_steps = steps, launched_out = gradient;
    run(enter_train, s, listed, blocks);
}

extern "C" void launch_judge(const State *s, const int *listed, int blocks, float *seen) {
    launched_out = seen;
    run(enter_judge, s, listed, blocks);
}

extern "C" void launch_begin(const State *s, const Entry *entries, int blocks, const int *orders,
                             const Weight *weights, int count) {
    launched_entries = entries, launched_weights = weights, launched_steps = count;
    run(enter_begin, s, orders, blocks);
}
