// Many steps of a trial as one thread block, an evaluation as another, and its beginning.
//
// The host compiles this for one task and model (sizes come as macros) and launches one block a
// trial; the hardware's scheduler is the continuous batcher. Within a block:
//
// * Factors of products are float16s, 11 bits as TF32 keeps, and sums are float32s. Gradients are
//   multiplied by a power of two that follows the largest of a tile, so that none is lost.
// * A warp takes 16 examples through forward and backward in registers alone: what a tensor core
//   returns is laid out as what the next one takes.
// * Gradients of weights are sums over examples: a tile of examples is shared by all warps, each
//   of which owns some of the sums, in registers, until the step is over.
// * Keys are never made: scores are the table times one vector a head, W_k q.
// * What shared memory has no room for, in a wide model, lies in global memory and so in the
//   second-level cache: the gradient, to which each tile adds; the table's; the last of the
//   factors. A tile is then shared in turns, a weight after another.
// * Widths are padded, in the flat vectors too (layout.py). A padded weight is zero and so is its
//   gradient, if only what is normalised, forward or backward, is zero in padded columns.
// * Every sum of floats has one order, whatever the launch.
//
// The algebra is that of model.py, the numbers those of loss.py, optimizer.py and streams.py.
// Fragments, "C" as a product is returned: lane = 4 g + t holds columns 8 j + 2 t and the next of
// rows g and g + 8.

typedef unsigned short u16;
typedef unsigned int u32;

constexpr int larger(int a, int b) { return a > b ? a : b; }
constexpr int above(int a, int b) { return (a + b - 1) / b; }
constexpr int padded(int columns) { return columns + 8; }  // rows 16 bytes apart: no conflicts

constexpr int N = ELEMENTS, H = HEADS, V = VOCABULARY;
constexpr int D = STORED_WIDTH, F = STORED_HIDDEN;  // with their padding
constexpr int HEAD = WIDTH / H, EVERY = 32;
constexpr int WARPS = TILE_WARPS, THREADS = 32 * WARPS, ROWS = 16 * WARPS;
constexpr int TABLE = 2 * N + 1;           // rows: every a, every b, "="
constexpr int TC = 4 * above(D + H, 4);    // their columns: value, score
constexpr int DS = D + 16 * above(H, 16);  // the same, as tensor cores take them
constexpr float LOG2E = 1.4426950408889634f;
constexpr u32 ALL = 0xffffffffu, ONES = 0x3c003c00u;  // two float16s
constexpr float NORM = NORM_EPSILON;

// Where weights lie in the flat vector.
constexpr int TOKENS = AT_TOKENS, POSITIONS = AT_POSITIONS, GAIN1 = AT_0_NORM1_GAIN,
              SHIFT1 = AT_0_NORM1_SHIFT, QUERY = AT_0_QUERY, QUERY_B = AT_0_QUERY_BIAS,
              KEY = AT_0_KEY, VALUE = AT_0_VALUE, VALUE_B = AT_0_VALUE_BIAS, OUT = AT_0_OUT,
              OUT_B = AT_0_OUT_BIAS, GAIN2 = AT_0_NORM2_GAIN, SHIFT2 = AT_0_NORM2_SHIFT,
              UP = AT_0_UP, UP_B = AT_0_UP_BIAS, DOWN = AT_0_DOWN, DOWN_B = AT_0_DOWN_BIAS,
              GAIN = AT_NORM_GAIN, SHIFT = AT_NORM_SHIFT, UNEMBED = AT_UNEMBED,
              UNEMBED_B = AT_UNEMBED_BIAS, P = SIZE;

// Weights as factors, in float16s; then the rest, in float32s.
constexpr int W_OUT = 0, W_UP = W_OUT + D * padded(D), W_DOWN = W_UP + D * padded(F),
              W_UNEMBED = W_DOWN + F * padded(D), W_TABLE = W_UNEMBED + D * padded(V),
              HALVES = W_TABLE + D * padded(DS);
constexpr int S_POSITIONS = 0, S_GAIN1 = S_POSITIONS + 3 * D, S_SHIFT1 = S_GAIN1 + D,
              S_QUERY_B = S_SHIFT1 + D, S_VALUE_B = S_QUERY_B + D, S_OUT_B = S_VALUE_B + D,
              S_GAIN2 = S_OUT_B + D, S_SHIFT2 = S_GAIN2 + D, S_UP_B = S_SHIFT2 + D,
              S_DOWN_B = S_UP_B + F, S_GAIN = S_DOWN_B + D, S_SHIFT = S_GAIN + D,
              S_UNEMBED_B = S_SHIFT + D, S_TOKENS = S_UNEMBED_B + V,
              S_QUERY = S_TOKENS + (N + 1) * D, S_KEY = S_QUERY + D * D, S_END = S_KEY + D * D;
constexpr int VECTORS = 6 * D + 4 + 4 * above(WARPS, 4);  // what a step keeps besides
static_assert(PLACE_BITS == 32 || HALVES / 4 + S_END / 4 <= 1 << 16, "the bits of a place");
static_assert(P == S_END + D * (2 * D + 2 * F + V), "the flat vector is padded as factors are");

// What an example gives to a row of the table, values and scores, in columns of a tile.
constexpr int GT = above(D + H, 8), GS = 8 * (GT % 2 ? GT : GT + 1);
constexpr int TABLE_TILES = above(TABLE, 16);

// Sums over columns, one a lane: how many of each a lane keeps.
constexpr int KD = above(D, EVERY), KH = above(H, 4);
constexpr int C_EQUALS = 0, C_VALUE = C_EQUALS + KD, C_SCORE = C_VALUE + KD, SUMS = C_SCORE + KH;

constexpr int fours(int a) { return 4 * above(a, 4); }  // 16 bytes
// Later in a step the table's room serves: sums over columns, and what becomes the gradients of
// W_v and W_k q with the sums over its columns.
constexpr int R_TABLE = SUMS * 32, R_SUMS = R_TABLE + D * DS;
constexpr int TABLE_FLOATS = fours(larger(larger(TABLE * TC, WARPS * SUMS * 32), R_SUMS + DS));
constexpr int DTABLE_FLOATS = fours(TABLE * TC);
constexpr int MEETING = 4 * ROWS;  // two tiles of examples, and their tokens as float16s
constexpr int COUNTS = 3 * 256 + 8, MEMBERS = fours(above(PAIRS, 32));

// -- Where it lies -----------------------------------------------------------------------------

// A tile that warps share, in float16s: the two factors of each weight's gradient, and what is
// given to rows of a and of b. All of it at once, but that the latter, and the factors of W_o, come
// when others are done with; or in turns, of hidden activations a chunk at a time, but that `unit`
// is the next tile's before all are done with `left` and `right`.
struct Tile { int unit, dz, hidden, into, middle, dh, mixed, branch, left, right, floats; };

constexpr Tile tile_of(bool in_turns, int chunk) {
    Tile t = {};
    t.unit = in_turns ? ROWS * larger(padded(V), 2 * GS) : 0;
    t.dz = in_turns ? 0 : t.unit + ROWS * padded(D);
    t.hidden = t.mixed = in_turns ? 0 : t.dz + ROWS * padded(V);
    t.into = t.hidden + ROWS * padded(chunk);
    t.middle = t.into + ROWS * padded(D);
    t.dh = t.middle + ROWS * padded(D);
    t.branch = t.mixed + ROWS * padded(D);
    t.left = in_turns ? 0 : t.branch + ROWS * padded(D);
    t.right = t.left + ROWS * GS;
    const int unit_end = t.unit + ROWS * padded(D), out_end = t.branch + ROWS * padded(D);
    t.floats = larger(larger(t.dh + ROWS * padded(chunk), t.right + ROWS * GS),
                      larger(unit_end, out_end)) / 2;
    return t;
}
// The same for rows of the table.
constexpr int values_of(int rows) { return rows * padded(D); }
constexpr int stage_of(int rows) { return (values_of(rows) + rows * padded(DS)) / 2; }

// What shares its room with the tile: the gradient, if it has room, and behind it AdamW's queue, of
// several numbers a weight. Of its lines, each thread takes two fours at once, or one where there
// is no room for more.
struct Buffer { int queue_at, each, at_once, line, lines, floats; };

constexpr Buffer buffer_of(const Tile &tile, int stage, int gradient, int each, int at_once) {
    Buffer b = {fours(larger(stage, gradient)), each, at_once, at_once * 4 * THREADS};
    b.lines = larger(2, (tile.floats - b.queue_at) / (each * b.line));
    b.floats = fours(larger(tile.floats, b.queue_at + each * b.lines * b.line));
    return b;
}

constexpr int ROOM = SHARED_ROOM;
constexpr int BESIDE = 2 * HALVES + 4 * (S_END + VECTORS + TABLE_FLOATS + DTABLE_FLOATS + MEETING) +
                       P / 2;  // the buffer, where everything is in shared memory
constexpr Buffer buffer_beside(int at_once) {
    return buffer_of(tile_of(false, F), stage_of(16 * TABLE_TILES), P, 3, at_once);
}
// A wide model has not the room. Its tokens, queries and keys are read where the optimiser keeps
// them, and its gradient is in global memory.
constexpr bool WIDE = BESIDE + 4 * buffer_beside(1).floats > ROOM;

constexpr int chunk_of(int most) { return F % most ? chunk_of(most - 16) : most; }
constexpr int CHUNK = WIDE ? chunk_of(F > 96 ? 64 : F) : F;  // of hidden activations
constexpr Tile T = tile_of(WIDE, CHUNK);
constexpr int STAGE_ROWS = WIDE ? ROWS : 16 * TABLE_TILES, T_VALUES = values_of(STAGE_ROWS);
constexpr Buffer buffer(int at_once) {
    return WIDE ? buffer_of(T, 0, 0, 4, at_once) : buffer_beside(at_once);
}
constexpr int SMALLEST = WIDE ? 4 * (S_TOKENS + VECTORS + MEETING) : BESIDE;
constexpr Buffer B = buffer(SMALLEST + 4 * buffer(2).floats <= ROOM ? 2 : 1);
constexpr int AHEAD = WIDE ? 8 : 4;  // of what comes from the second-level cache
constexpr int BUFFER_FLOATS = fours(larger(B.floats, stage_of(STAGE_ROWS)));

constexpr int S_EQUALS = WIDE ? S_TOKENS : S_END, S_UNIT = S_EQUALS + D, S_SHIFTED = S_UNIT + D,
              S_Q = S_SHIFTED + D, S_DEQUALS = S_Q + D, S_DQ = S_DEQUALS + D,
              S_SCALE = S_DQ + D, S_DROPOUT_KEY = S_SCALE + 2, S_ROOM = S_SCALE + 4,
              SMALL = S_EQUALS + VECTORS;

// What has room in shared memory of a wide model: first the factors, then the table, then its
// gradient.
constexpr int FIXED = 4 * (SMALL + MEETING + BUFFER_FLOATS);
constexpr bool has_room(int bytes) { return !WIDE || FIXED + bytes <= ROOM; }
constexpr int INSIDE = has_room(2 * HALVES) ? HALVES : has_room(2 * W_TABLE) ? W_TABLE
                     : has_room(2 * W_UNEMBED) ? W_UNEMBED : has_room(2 * W_DOWN) ? W_DOWN
                     : has_room(2 * W_UP) ? W_UP : 0;
constexpr int TABLE_INSIDE = has_room(2 * INSIDE + 4 * TABLE_FLOATS) ? TABLE_FLOATS : 0;
constexpr int SHARED_FLOATS = INSIDE / 2 + SMALL + TABLE_INSIDE;  // by all kernels
constexpr int DTABLE_INSIDE =
    has_room(4 * (INSIDE / 2 + TABLE_INSIDE + DTABLE_FLOATS)) ? DTABLE_FLOATS : 0;
constexpr int TRAIN_BYTES = 4 * (SHARED_FLOATS + DTABLE_INSIDE + BUFFER_FLOATS + MEETING) +
                            (WIDE ? 0 : P / 2),
              JUDGE_BYTES = 4 * (SHARED_FLOATS + fours(TRAIN) + MEMBERS + COUNTS);
constexpr int BUCKETS = 4096, BEGIN_BYTES = 4 * (BUCKETS + THREADS);  // to draw an order in
// And of a block in global memory, in floats.
constexpr int O_TABLE = WIDE ? fours(P) : 0, O_DTABLE = O_TABLE + TABLE_FLOATS - TABLE_INSIDE,
              O_HALVES = O_DTABLE + DTABLE_FLOATS - DTABLE_INSIDE,
              OUTSIDE = O_HALVES + (HALVES - INSIDE) / 2;

static_assert(D % 16 == 0 && F % 16 == 0 && V % 16 == 0, "tensor cores take sixteens");
static_assert(D - WIDTH < 16, "the heads that padded columns ask the scores of");
static_assert(WIDE || PLACE_BITS == 16, "the places that BESIDE counts");
static_assert(WIDTH % H == 0, "as wide a head as any other");
static_assert(THREADS / 8 <= D || D % 4 == 0, "unfold: a warp's lanes leave a row together");
static_assert(BUCKETS % THREADS == 0, "as many buckets for every thread");
static_assert(D <= 128, "the bits of draw_kept");
static_assert(WARPS > 1 && N < 256, "the sums over positions, the bytes of an Example");

template <int BITS> struct PlaceOf { typedef u16 type; };
template <> struct PlaceOf<32> { typedef u32 type; };
typedef PlaceOf<PLACE_BITS>::type Place;

struct State {
    float *weight, *mean, *square;  // (S, P)
    float *recipe;                  // (columns, S)
    long long *step;                // (S,) and so on, schedule
    float *loss_mean, *loss_variance;
    unsigned char *decaying;
    float *decay;
    long long *key;         // (S, 4): of order, of dropout
    int *order;             // (S, PAIRS)
    const int *pairs;       // (PAIRS,) a | b << 8 | answer << 16
    const Place *place;     // (P / 4,) where fours of weights go: factors, then the rest
    int slots;
};

struct Genes {  // a column each, in their order
    float learning_rate, weight_decay, one_minus_beta1, log_beta1, one_minus_beta2, log_beta2,
        grad_clip, epsilon, warmup_steps, decay_trigger, decay_rate, dropout_threshold,
        layer_scale, inverse_embed_ratio;
};
static_assert(sizeof(Genes) == 4 * (RECIPE_INVERSE_EMBED_RATIO + 1), "all columns");

struct Memory {
    u16 *halves, *outside;        // factors in shared and in global memory
    float *small, *table, *rest;  // what follows is each kernel's own
    const float *tokens, *query, *key;
};

struct Factors { u32 at[4]; };  // a left factor of 16 x 16

// -- Tensor cores --------------------------------------------------------------------------

#ifdef ON_CPU
#include "cuda_on_cpu.h"
#else
__device__ __forceinline__ u32 pack(float low, float high) {
    u32 both;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
}

__device__ __forceinline__ float unpack(u16 half) {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(half));
    return x;
}

__device__ __forceinline__ void multiply(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Four 8 x 8 matrices; each lane names one row of one of them.
template <bool TURNED>
__device__ __forceinline__ void fetch(u32 (&r)[4], const u16 *row) {
    u32 at = static_cast<u32>(__cvta_generic_to_shared(row));
    if (TURNED)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
    else
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
}

__device__ __forceinline__ void store(u16 *row, const u32 (&r)[4]) {
    asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1,%2,%3,%4};" ::"r"(
                     static_cast<u32>(__cvta_generic_to_shared(row))),
                 "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])
                 : "memory");
}

__device__ __forceinline__ u32 pack_positive(float low, float high) {  // of max(x, 0)
    u32 both;
    asm("cvt.rn.relu.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
}

// Copies to shared memory that go on while the thread does, in groups.
__device__ __forceinline__ void copy(float *to, const float *from) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(
                     static_cast<u32>(__cvta_generic_to_shared(to))),
                 "l"(from)
                 : "memory");
}

__device__ __forceinline__ void end_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }

template <int OTHERS>
__device__ __forceinline__ void wait_for_group() {  // the oldest but these many
    asm volatile("cp.async.wait_group %0;" ::"n"(OTHERS) : "memory");
}

__device__ __forceinline__ u32 equal(u32 a, u32 b) {  // two float16s at once: 1 or 0
    u32 both;
    asm("set.eq.f16x2.f16x2 %0, %1, %2;" : "=r"(both) : "r"(a), "r"(b));
    return both;
}

// A matrix of 8 x 8 float16s, of which each lane has two, turned.
__device__ __forceinline__ u32 turned(u32 two) {
    u32 other;
    asm("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(other) : "r"(two));
    return other;
}
#endif

// As fetch of a block of 16 x 16 that lies as lanes take it: four matrices, the second beside the
// first; of the block turned, it is below it.
template <bool TURNED>
__device__ __forceinline__ void take(u32 (&r)[4], const u16 *own) {
    const uint4 x = *reinterpret_cast<const uint4 *>(own);
    r[0] = TURNED ? turned(x.x) : x.x;
    r[1] = TURNED ? turned(x.z) : x.y;
    r[2] = TURNED ? turned(x.y) : x.z;
    r[3] = TURNED ? turned(x.w) : x.w;
}

__device__ __forceinline__ float infinity() { return __uint_as_float(0x7f800000u); }

// The power of two that takes x into [8, 16): as a factor it is then far from both ends of a
// float16, 2^-14 and 2^16.
__device__ __forceinline__ float magnifier(float x) {
    const u32 exponent = __float_as_uint(x) >> 23 & 255;
    return __uint_as_float((257 - (exponent < 24 ? 24 : exponent)) << 23);
}

// C fragments of 16 x 8 NT as left factors.
template <int NT>
__device__ __forceinline__ void as_factors(Factors (&a)[NT / 2], const float (&c)[NT][4]) {
#pragma unroll
    for (int j = 0; j < NT; j++)
#pragma unroll
        for (int r = 0; r < 2; r++)
            a[j / 2].at[2 * (j % 2) + r] = pack(c[j][2 * r], c[j][2 * r + 1]);
}

// Entry i of column tile j of factors, as C fragments have them.
template <int KT>
__device__ __forceinline__ float entry(const Factors (&a)[KT], int j, int i) {
    const u32 two = a[j / 2].at[2 * (j % 2) + i / 2];
    return unpack(static_cast<u16>(i % 2 ? two >> 16 : two));
}

template <int NT>
__device__ __forceinline__ void clear(float (&c)[NT][4]) {
#pragma unroll
    for (int j = 0; j < NT; j++)
#pragma unroll
        for (int i = 0; i < 4; i++) c[j][i] = 0.f;
}

// A weight as factors: rows in shared memory, or else, in global memory, blocks of 16 x 16 as the
// lanes of a warp take them, eight numbers each.
template <int AT, int COLUMNS>
struct Matrix {
    static constexpr bool INDOORS = AT < INSIDE;
    static constexpr int ACROSS = COLUMNS, STRIDE = padded(COLUMNS);

    // The first number of a lane in the block of this row and column, of a row and a column.
    static __device__ __forceinline__ int block(int row, int column) {
        return AT - INSIDE + (row / 16 * (COLUMNS / 16) + column / 16) * 256;
    }

    static __device__ __forceinline__ int outdoors(int row, int column) {
        const int lane = 4 * (row % 8) + column % 8 / 2, matrix = row % 16 / 8 * 2 + column % 16 / 8;
        return block(row, column) + 8 * lane + 2 * matrix + column % 2;
    }

    static __device__ __forceinline__ u16 &at(const Memory &m, int row, int column) {
        return INDOORS ? m.halves[AT + row * STRIDE + column] : m.outside[outdoors(row, column)];
    }
};

using Out = Matrix<W_OUT, D>;
using Up = Matrix<W_UP, F>;
using Down = Matrix<W_DOWN, D>;
using Unembed = Matrix<W_UNEMBED, V>;
using ToTable = Matrix<W_TABLE, DS>;

// c += a W, or a W', of the part of W that begins at this row and column.
template <class W, bool TRANSPOSED, int KT, int NT>
__device__ __forceinline__ void product(float (&c)[NT][4], const Factors (&a)[KT], const Memory &m,
                                        int first_row = 0, int first_column = 0) {
    const int lane = threadIdx.x % 32, matrix = lane / 8, row = lane % 8;
    const int near = (matrix & 1) * 8, far = (matrix >> 1) * 8;
    const u16 *w = W::INDOORS
                       ? &W::at(m, first_row, first_column) +
                             (TRANSPOSED ? far + row : near + row) * W::STRIDE +
                             (TRANSPOSED ? near : far)
                       : m.outside + W::block(first_row, first_column) + 8 * lane;
#pragma unroll
    for (int k = 0; k < KT; k++)
#pragma unroll
        for (int j = 0; j < NT; j += 2) {
            const int down = TRANSPOSED ? 8 * j : 16 * k, across = TRANSPOSED ? 16 * k : 8 * j;
            u32 b[4];
            if (W::INDOORS)
                fetch<!TRANSPOSED>(b, w + down * W::STRIDE + across);
            else
                take<!TRANSPOSED>(b, w + W::block(down, across) - W::block(0, 0));
            multiply(c[j], a[k].at, b[0], b[1]);
            multiply(c[j + 1], a[k].at, b[2], b[3]);
        }
}

// Where a lane's row of 16 x 16 NT / 2 factors lies in a tile; `row` is the warp's first.
template <int NT>
__device__ __forceinline__ int in_tile(int row) {
    const int lane = threadIdx.x % 32;
    return (row + lane % 16) * padded(8 * NT) + lane / 16 * 8;
}

// A warp's rows to a tile, and back.
template <int NT>
__device__ __forceinline__ void share(u16 *tile, const Factors (&a)[NT / 2], int row) {
#pragma unroll
    for (int k = 0; k < NT / 2; k++) store(tile + in_tile<NT>(row) + 16 * k, a[k].at);
}

template <int NT>
__device__ __forceinline__ void recall(Factors (&a)[NT / 2], const u16 *tile, int row) {
#pragma unroll
    for (int k = 0; k < NT / 2; k++) fetch<false>(a[k].at, tile + in_tile<NT>(row) + 16 * k);
}

__device__ __forceinline__ float2 two(const float *at) {
    return *reinterpret_cast<const float2 *>(at);
}

__device__ __forceinline__ float4 four(const float *at) {
    return *reinterpret_cast<const float4 *>(at);
}

// The gradient of a weight of X columns by Y, sum over the tile's rows of x' y, and of its bias,
// the sum of y: each warp has its part.
template <int X, int Y>
struct Gradient {
    static constexpr int MT = X / 16, NT = Y / 8;
    // A group's columns of tiles: all groups are of one turn, if that is possible.
    static constexpr int each_of(int least) {
        return least < NT && MT * above(NT, least) > WARPS ? each_of(least + 2) : least;
    }
    static constexpr int EVENLY = 2 * above(MT * NT, 2 * WARPS), EACH = WIDE ? each_of(EVENLY) : EVENLY;
    static constexpr int ACROSS = above(NT, EACH), GROUPS = MT * ACROSS;
    static constexpr int TURNS = above(GROUPS, WARPS), BT = above(NT, 16);
    static constexpr int PARTS = !WIDE && 2 * GROUPS <= WARPS ? 2 : 1;  // of rows, if warps are left
    static constexpr bool SHARED = MT > 1;  // two rows of tiles see to the sums of y
    float sum[TURNS][EACH][4];
    float ones[BT][4];  // row j is the sum of y's columns 8 j to 8 j + 7

    __device__ __forceinline__ void reset() {
#pragma unroll
        for (int i = 0; i < TURNS; i++) clear(sum[i]);
        clear(ones);
    }

    __device__ __forceinline__ void scale(float factor) {
#pragma unroll
        for (int q = 0; q < 4; q++) {
#pragma unroll
            for (int i = 0; i < TURNS; i++)
#pragma unroll
                for (int j = 0; j < EACH; j++) sum[i][j][q] *= factor;
#pragma unroll
            for (int i = 0; i < BT; i++) ones[i][q] *= factor;
        }
    }

    template <int TILES = ROWS / 16>
    __device__ __forceinline__ void add(const u16 *x, const u16 *y, int warp) {
        constexpr int OWN = above(TILES, PARTS);  // of a part; the last may have one less
        const int lane = threadIdx.x % 32, g = lane / 4, matrix = lane / 8, row = lane % 8;
        const int near = (matrix & 1) * 8, far = (matrix >> 1) * 8;
        const int part = warp / GROUPS;
        if (PARTS > 1 && part >= PARTS) return;
#pragma unroll
        for (int i = 0; i < TURNS; i++) {
            const int group = PARTS > 1 ? warp % GROUPS : warp + WARPS * i;
            if (PARTS == 1 && GROUPS % WARPS && group >= GROUPS) break;
            const int m = group / ACROSS, n = (group % ACROSS) * EACH, odd = SHARED ? m & 1 : 0;
            const int start = PARTS > 1 ? part * OWN * 16 : 0;
            const u16 *left = x + (start + far + row) * padded(X) + m * 16 + near;
            const u16 *right = y + (start + near + row) * padded(Y) + n * 8 + far;
            auto chosen = [&](int q, int j, int lower) {  // row j alone is ones
                return m < 2 && 16 * q + g + 8 * lower == n + j ? ONES : 0;
            };
#pragma unroll
            for (int k = 0; k < OWN; k++) {
                if (TILES % PARTS && k == OWN - 1 && part == PARTS - 1) break;
                u32 a[4];
                fetch<true>(a, left + k * 16 * padded(X));
#pragma unroll
                for (int j = 0; j < EACH; j += 2) {
                    if (EACH * ACROSS != NT && n + j >= NT) break;
                    u32 b[4];
                    fetch<true>(b, right + k * 16 * padded(Y) + j * 8);
                    multiply(sum[i][j], a, b[0], b[1]);
                    multiply(sum[i][j + 1], a, b[2], b[3]);
#pragma unroll
                    for (int q = 0; q < BT; q++)
#pragma unroll
                        for (int c = 0; c < (SHARED ? 1 : 2); c++) {
                            const u32 upper = chosen(q, j + c + odd, 0),
                                      lower = chosen(q, j + c + odd, 1);
                            const u32 one[4] = {upper, lower, upper, lower};
                            multiply(ones[q], one, c || odd ? b[2] : b[0],
                                     c || odd ? b[3] : b[1]);
                        }
                }
            }
        }
    }

    // Visits what this lane holds, in twos, with where they belong.
    template <class Visit>
    __device__ __forceinline__ void each(float *weight, int stride, float *bias, bool biased,
                                         int warp, Visit visit) {
        const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
#pragma unroll
        for (int i = 0; i < TURNS; i++) {
            const int group = PARTS > 1 ? warp % GROUPS : warp + WARPS * i;
            if (group >= GROUPS) break;
            const int m = group / ACROSS, n = (group % ACROSS) * EACH;
#pragma unroll
            for (int j = 0; j < EACH; j++) {
                if (n + j >= NT) break;
                float *at = weight + (m * 16 + g) * stride + (n + j) * 8 + 2 * t;
                visit(at, sum[i][j]);
                visit(at + 8 * stride, sum[i][j] + 2);
                if (!biased || m > 1 || (SHARED && m != j % 2)) continue;
#pragma unroll
                for (int q = 0; q < BT; q++) {
                    float *sums = bias + (n + j) * 8 + 2 * t;
                    if (16 * q + g == n + j) visit(sums, ones[q]);
                    if (16 * q + g + 8 == n + j) visit(sums, ones[q] + 2);
                }
            }
        }
    }

    // Writes what this lane holds, times a factor; of the second part, to what the first wrote.
    __device__ __forceinline__ void give(float factor, float *weight, float *bias, int warp,
                                         int part) {
        if (part == PARTS || (PARTS > 1 && warp / GROUPS != part)) return;
        each(weight, Y, bias, true, warp, [factor, part](float *at, const float *x) {
            const float2 before = part ? two(at) : float2{0.f, 0.f};
            *reinterpret_cast<float2 *>(at) = {fmaf(x[0], factor, before.x),
                                               fmaf(x[1], factor, before.y)};
        });
    }
};

// Adds a tile to a gradient of X by Y that lies in memory, in rows `stride` apart: it is first
// multiplied by `before`, unless that is 0 and nothing lies there yet, and at the end by `after`.
template <int X, int Y>
__device__ __forceinline__ void add_to(float *weight, int stride, float *bias, bool biased,
                                       const u16 *x, const u16 *y, float before, float after,
                                       int warp) {
    Gradient<X, Y> own;
    own.reset();
    if (before != 0.f)
        own.each(weight, stride, bias, biased, warp, [before](const float *at, float *held) {
            const float2 here = two(at);
            held[0] = here.x * before;
            held[1] = here.y * before;
        });
    own.add(x, y, warp);
    own.each(weight, stride, bias, biased, warp, [after](float *at, const float *held) {
        *reinterpret_cast<float2 *>(at) = {held[0] * after, held[1] * after};
    });
}

// The same in every lane, and known to be: what depends on it is no divergence.
__device__ __forceinline__ int warp_index() { return __shfl_sync(ALL, static_cast<int>(threadIdx.x / 32), 0); }

// -- Rows and columns of C fragments ---------------------------------------------------------

__device__ __forceinline__ float over_quad(float x) {
    x += __shfl_xor_sync(ALL, x, 1);
    return x + __shfl_xor_sync(ALL, x, 2);
}

__device__ __forceinline__ float over_eight(float x) { return over_quad(x + __shfl_xor_sync(ALL, x, 4)); }

// Four numbers of each lane, summed over the quad: number t stays with lane t.
__device__ __forceinline__ float over_quad(const float (&v)[4]) {
    const bool b1 = threadIdx.x & 2, b0 = threadIdx.x & 1;
    const float x = (b1 ? v[2] : v[0]) + __shfl_xor_sync(ALL, b1 ? v[0] : v[2], 2);
    const float y = (b1 ? v[3] : v[1]) + __shfl_xor_sync(ALL, b1 ? v[1] : v[3], 2);
    return (b0 ? y : x) + __shfl_xor_sync(ALL, b0 ? x : y, 1);
}

__device__ __forceinline__ float greatest_of_quad(float x) {
    x = fmaxf(x, __shfl_xor_sync(ALL, x, 1));
    return fmaxf(x, __shfl_xor_sync(ALL, x, 2));
}

// Eight numbers of each lane, summed over the lanes of one t: number g stays with lane (g, t).
__device__ __forceinline__ float over_rows(const float (&v)[8]) {
    const int lane = threadIdx.x % 32;
    float w[4];
    const bool b2 = lane & 16, b1 = lane & 8, b0 = lane & 4;
#pragma unroll
    for (int i = 0; i < 4; i++)
        w[i] = (b2 ? v[i + 4] : v[i]) + __shfl_xor_sync(ALL, b2 ? v[i] : v[i + 4], 16);
#pragma unroll
    for (int i = 0; i < 2; i++)
        w[i] = (b1 ? w[i + 2] : w[i]) + __shfl_xor_sync(ALL, b1 ? w[i] : w[i + 2], 8);
    return (b0 ? w[1] : w[0]) + __shfl_xor_sync(ALL, b0 ? w[0] : w[1], 4);
}

// Adds the sum over 16 rows of each column, times a factor, to what lanes keep: part k of lane (g, t) is column
// 32 k + 8 (g / 2) + 2 t + g % 2.
template <int NT>
__device__ __forceinline__ void add_columns(float *kept, const float (&c)[NT][4], float factor) {
#pragma unroll
    for (int k = 0; k < above(NT, 4); k++) {
        float v[8];
#pragma unroll
        for (int i = 0; i < 8; i++) {
            const int j = 4 * k + i / 2;
            v[i] = j < NT ? c[j < NT ? j : 0][i % 2] + c[j < NT ? j : 0][2 + i % 2] : 0.f;
        }
        kept[k] = fmaf(over_rows(v), factor, kept[k]);
    }
}

__device__ __forceinline__ int lane_of_column(int column) {
    return 8 * (column % 32 / 8) + 4 * (column % 2) + column % 8 / 2;
}

// Is what a lane has as entry i of column tile j no padding?
__device__ __forceinline__ bool real(int j, int i) {
    return 8 * j + 8 <= WIDTH || 8 * j + 2 * static_cast<int>(threadIdx.x % 4) + i % 2 < WIDTH;
}

// Rows to mean 0 and variance 1; returns 1 / deviation of both.
__device__ __forceinline__ void normalise(float (&x)[D / 8][4], float (&scale)[2]) {
#pragma unroll
    for (int r = 0; r < 2; r++) {
        float sum = 0.f;
#pragma unroll
        for (int j = 0; j < D / 8; j++) sum += x[j][2 * r] + x[j][2 * r + 1];
        const float mean = over_quad(sum) * (1.f / WIDTH);
        sum = 0.f;
#pragma unroll
        for (int j = 0; j < D / 8; j++)
#pragma unroll
            for (int i = 2 * r; i < 2 * r + 2; i++) {
                x[j][i] = real(j, i) ? x[j][i] - mean : 0.f;
                sum += x[j][i] * x[j][i];
            }
        scale[r] = rsqrtf(over_quad(sum) * (1.f / WIDTH) + NORM);
#pragma unroll
        for (int j = 0; j < D / 8; j++) {
            x[j][2 * r] *= scale[r];
            x[j][2 * r + 1] *= scale[r];
        }
    }
}

// The gradient before normalisation, in place of the one after it.
__device__ __forceinline__ void normalise_back(float (&d)[D / 8][4],
                                               const Factors (&unit)[D / 16],
                                               const float (&scale)[2]) {
#pragma unroll
    for (int r = 0; r < 2; r++) {
        float sum = 0.f, along = 0.f;
#pragma unroll
        for (int j = 0; j < D / 8; j++)
#pragma unroll
            for (int i = 2 * r; i < 2 * r + 2; i++) {
                sum += d[j][i];
                along += d[j][i] * entry(unit, j, i);
            }
        sum = over_quad(sum) * (1.f / WIDTH);
        along = over_quad(along) * (1.f / WIDTH);
#pragma unroll
        for (int j = 0; j < D / 8; j++)
#pragma unroll
            for (int i = 2 * r; i < 2 * r + 2; i++)
                d[j][i] = real(j, i)
                              ? (d[j][i] - sum - entry(unit, j, i) * along) * scale[r] : 0.f;
    }
}

// The two entries of a vector over columns that a lane meets.
__device__ __forceinline__ float2 at_columns(const float *vector, int j) {
    return two(vector + 8 * j + 2 * (threadIdx.x % 4));
}

__device__ __forceinline__ void gain_and_shift(float (&y)[D / 8][4], const float (&x)[D / 8][4],
                                               const float *gain, const float *shift) {
#pragma unroll
    for (int j = 0; j < D / 8; j++) {
        const float2 a = at_columns(gain, j), b = at_columns(shift, j);
#pragma unroll
        for (int i = 0; i < 4; i++)
            y[j][i] = i % 2 ? fmaf(x[j][i], a.y, b.y) : fmaf(x[j][i], a.x, b.x);
    }
}

__device__ __forceinline__ void times(float (&x)[D / 8][4], const float *gain) {
#pragma unroll
    for (int j = 0; j < D / 8; j++) {
        const float2 a = at_columns(gain, j);
#pragma unroll
        for (int i = 0; i < 4; i++) x[j][i] *= i % 2 ? a.y : a.x;
    }
}

template <int NT>
__device__ __forceinline__ void start_with(float (&c)[NT][4], const float *bias) {
#pragma unroll
    for (int j = 0; j < NT; j++) {
        const float2 b = at_columns(bias, j);
#pragma unroll
        for (int i = 0; i < 4; i++) c[j][i] = i % 2 ? b.y : b.x;
    }
}

// -- Random numbers --------------------------------------------------------------------------

struct Words { u32 w[4]; };

__device__ __forceinline__ Words philox(u32 c0, u32 c1, u32 c2, u32 c3, u32 k0, u32 k1) {
#pragma unroll
    for (int round = 0; round < 10; round++) {
        const u32 high0 = __umulhi(0xD2511F53u, c0), low0 = 0xD2511F53u * c0;
        const u32 high1 = __umulhi(0xCD9E8D57u, c2), low1 = 0xCD9E8D57u * c2;
        c0 = high1 ^ c1 ^ k0;
        c2 = high0 ^ c3 ^ k1;
        c1 = low1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
}

__device__ __forceinline__ u32 pick(const Words &x, int i) {
    const u32 low = i & 1 ? x.w[1] : x.w[0], high = i & 1 ? x.w[3] : x.w[2];
    return i & 2 ? high : low;
}

// Which activations of both branches an example keeps: bit 2 j + i is column 8 j + 2 t + i.
// A random word decides two activations, in the order of examples and their columns. Lane t of a
// quad draws four words, those of tile j + t of columns, and all lanes take their own from each
// other's bits; where the width is no multiple of eight, an example begins within somebody's.
__device__ __forceinline__ void draw_kept(u32 (&kept)[2][2], int row, u32 step, u32 k0, u32 k1,
                                          int threshold) {
    constexpr int OVER = WIDTH % 8 == 0 ? 0 : WIDTH % 4 == 0 ? 4 : WIDTH % 2 == 0 ? 6 : 7;  // most
    const int t = threadIdx.x % 4, limit = (threshold - DROPOUT_LEVELS / 2) * 65536;
    auto drawn = [&](u32 tile) {  // of this and the next three
        const Words own = philox(tile + t, step, PURPOSE_DROPOUT, 0, k0, k1);
        u32 all = 0;
#pragma unroll
        for (int q = 0; q < 4; q++) {
            if (static_cast<int>(own.w[q] << 16) >= limit) all |= 1u << 2 * q;
            if (static_cast<int>(own.w[q]) >= limit) all |= 2u << 2 * q;
        }
        all <<= 8 * t;
        all |= __shfl_xor_sync(ALL, all, 1);
        return all | __shfl_xor_sync(ALL, all, 2);
    };
#pragma unroll
    for (int branch = 0; branch < 2; branch++)
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const int first = (branch * BATCH + row + 8 * r) * WIDTH, over = first % 8;
            u32 bits = 0, coming = 0;
#pragma unroll
            for (int j = 0; j < D / 8; j += 4) {
                u32 all = OVER && j ? coming : drawn(first / 8 + j);
                if (OVER) {
                    coming = 8 * j + 32 < WIDTH + OVER ? drawn(first / 8 + j + 4) : 0;
                    all = all >> over | coming << 1 << (31 - over);
                }
                all >>= 2 * t;
#pragma unroll
                for (int s = 0; s < 4; s++)
                    if (j + s < D / 8) bits |= (all >> 8 * s & 3) << 2 * (j + s);
            }
            kept[branch][r] = bits;
        }
}

// -- The table ---------------------------------------------------------------------------------

// Rows of the table before attention, 16 from `first`: residual stream, normalised.
__device__ __forceinline__ void table_rows(float (&x)[D / 8][4], float (&scale)[2], int first,
                                           const Memory &m, float ratio) {
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const int row = first + g + 8 * r, position = (row >= N) + (row >= 2 * N);
        const int token = row < 2 * N ? row - position * N : N;
#pragma unroll
        for (int j = 0; j < D / 8; j++) {
            const int column = 8 * j + 2 * t;
            const float2 seen = two(m.tokens + token * D + column);
            const float2 at = two(m.small + S_POSITIONS + position * D + column);
            x[j][2 * r] = fmaf(seen.x, ratio, at.x);
            x[j][2 * r + 1] = fmaf(seen.y, ratio, at.y);
        }
    }
    normalise(x, scale);
}

// Values and scores of every row. All threads; ends synchronised.
__device__ __forceinline__ void build_table(const Memory &m, float ratio) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
    float *small = m.small;
    if (warp == 0) {  // the row of "=", what it asks for
        float x[above(D, 32)], sum = 0.f;
#pragma unroll
        for (int k = 0; k < above(D, 32); k++) {
            const int d = lane + 32 * k;
            x[k] = d < D ? fmaf(m.tokens[N * D + d], ratio,
                                small[S_POSITIONS + 2 * D + d]) : 0.f;
            if (d < D) small[S_EQUALS + d] = x[k];
            sum += x[k];
        }
#pragma unroll
        for (int s = 16; s; s /= 2) sum += __shfl_xor_sync(ALL, sum, s);
        const float mean = sum * (1.f / WIDTH);
        sum = 0.f;
#pragma unroll
        for (int k = 0; k < above(D, 32); k++)
            if (lane + 32 * k < WIDTH) sum += (x[k] - mean) * (x[k] - mean);
#pragma unroll
        for (int s = 16; s; s /= 2) sum += __shfl_xor_sync(ALL, sum, s);
        const float scale = rsqrtf(sum * (1.f / WIDTH) + NORM);
#pragma unroll
        for (int k = 0; k < above(D, 32); k++) {
            const int d = lane + 32 * k;
            if (d >= D) continue;
            small[S_UNIT + d] = (x[k] - mean) * scale;
            small[S_SHIFTED + d] =
                fmaf(small[S_UNIT + d], small[S_GAIN1 + d], small[S_SHIFT1 + d]);
        }
        if (lane == 0) small[S_SCALE] = scale;
    }
    __syncthreads();
    for (int d = threadIdx.x / 8; d < D; d += THREADS / 8) {
        float q = 0.f;
#pragma unroll
        for (int i = threadIdx.x % 8; i < D; i += 8)
            q = fmaf(small[S_SHIFTED + i], m.query[i * D + d], q);
        q = over_eight(q);
        if (threadIdx.x % 8 == 0) small[S_Q + d] = q + small[S_QUERY_B + d];
    }
    __syncthreads();
    for (int i = threadIdx.x; i < D * H; i += THREADS) {  // W_k q: scores are rows times it
        const int row = i / H, h = i % H;
        float u = 0.f;
        for (int d = 0; d < HEAD; d++)
            u = fmaf(m.key[row * D + h * HEAD + d], small[S_Q + h * HEAD + d], u);
        u *= rsqrtf(static_cast<float>(HEAD));
        ToTable::at(m, row, D + h) = static_cast<u16>(pack(u, 0.f));
    }
    __syncthreads();
    for (int first = 16 * warp; first < TABLE; first += ROWS) {
        float x[D / 8][4], scale[2], shifted[D / 8][4], both[DS / 8][4];
        table_rows(x, scale, first, m, ratio);
        gain_and_shift(shifted, x, small + S_GAIN1, small + S_SHIFT1);
        Factors a[D / 16];
        as_factors<D / 8>(a, shifted);
        clear(both);
        product<ToTable, false>(both, a, m);
#pragma unroll
        for (int j = 0; j < DS / 8; j++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const int row = first + g + 8 * (i / 2), column = 8 * j + 2 * t + i % 2;
                if (row < TABLE && column < D + H)
                    m.table[row * TC + column] =
                        both[j][i] + (8 * j < D ? small[S_VALUE_B + column] : 0.f);
            }
    }
    __syncthreads();
}

// -- Attention of 16 examples ------------------------------------------------------------------

struct Example { int left, right, answer; };

__device__ __forceinline__ Example unpack(int pair) {
    return {pair & 255, pair >> 8 & 255, pair >> 16 & 255};
}

struct Three { float a, b, c; };

// Shares of the three rows, for each head and both examples. Lane t of a quad finds those of
// heads t, t + 4, ... and keeps them as `own`.
__device__ __forceinline__ void attend(Three (&w)[2][H], Three (&own)[2][KH], const float *table,
                                       const Example (&e)[2]) {
    const int lane = threadIdx.x % 32, t = lane % 4;
#pragma unroll
    for (int r = 0; r < 2; r++)
#pragma unroll
        for (int k = 0; k < KH; k++) {
            const int column = D + (4 * k + t < H ? 4 * k + t : 0);
            const float a = table[e[r].left * TC + column],
                        b = table[(N + e[r].right) * TC + column],
                        c = table[2 * N * TC + column], top = fmaxf(fmaxf(a, b), c);
            const float ea = exp2f((a - top) * LOG2E), eb = exp2f((b - top) * LOG2E),
                        ec = exp2f((c - top) * LOG2E), inverse = 1.f / (ea + eb + ec);
            own[r][k] = {ea * inverse, eb * inverse, ec * inverse};
#pragma unroll
            for (int s = 0; s < 4; s++)
                if (4 * k + s < H)
                    w[r][4 * k + s] = {__shfl_sync(ALL, own[r][k].a, lane / 4 * 4 + s),
                                       __shfl_sync(ALL, own[r][k].b, lane / 4 * 4 + s),
                                       __shfl_sync(ALL, own[r][k].c, lane / 4 * 4 + s)};
        }
}

// Is a lane's entry i of column tile j of this head? Padding, where all is zero, is of the last.
__device__ __forceinline__ bool in_head(int j, int i, int h) {
    auto of = [](int column) { return min(column / HEAD, H - 1); };
    const int first = of(8 * j), last = of(8 * j + 7);
    return first <= h && h <= last &&
           (first == last || of(8 * j + 2 * static_cast<int>(threadIdx.x % 4) + i) == h);
}

__device__ __forceinline__ void mix(float (&mixed)[D / 8][4], const float *table,
                                    const Example (&e)[2]) {
    const int t = threadIdx.x % 4;
    Three w[2][H], own[2][KH];
    attend(w, own, table, e);
#pragma unroll
    for (int j = 0; j < D / 8; j++) {
        const int column = 8 * j + 2 * t;
        const float2 c = two(table + 2 * N * TC + column);
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const float2 a = two(table + e[r].left * TC + column),
                         b = two(table + (N + e[r].right) * TC + column);
#pragma unroll
            for (int h = 0; h < H; h++) {
                const Three &x = w[r][h];
                if (in_head(j, 0, h)) mixed[j][2 * r] = x.a * a.x + x.b * b.x + x.c * c.x;
                if (in_head(j, 1, h)) mixed[j][2 * r + 1] = x.a * a.y + x.b * b.y + x.c * c.y;
            }
        }
    }
}

// x + factor * branch, of which only the kept activations when there is dropout.
__device__ __forceinline__ void add_branch(float (&x)[D / 8][4], const float (&branch)[D / 8][4],
                                           float factor, const u32 (&kept)[2]) {
#pragma unroll
    for (int j = 0; j < D / 8; j++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            if (kept[i / 2] >> (2 * j + i % 2) & 1) x[j][i] = fmaf(factor, branch[j][i], x[j][i]);
}

struct Passed {  // of 16 examples, what the backward pass needs
    Factors mixed[D / 16], middle[D / 16], shifted[D / 16];  // the last two normalised
    Factors hidden[CHUNK / 16];                              // the chunk made last
    float middle_scale[2], last_scale[2];
    u32 kept[2][2];
};

// A chunk of hidden activations.
__device__ __forceinline__ void activate(Factors (&active)[CHUNK / 16], const Factors (&a)[D / 16],
                                         const Memory &m, int first) {
    float hidden[CHUNK / 8][4];
    start_with(hidden, m.small + S_UP_B + first);
    product<Up, false>(hidden, a, m, 0, first);
#pragma unroll
    for (int j = 0; j < CHUNK / 8; j++)
#pragma unroll
        for (int r = 0; r < 2; r++)
            active[j / 2].at[2 * (j % 2) + r] =
                pack_positive(hidden[j][2 * r], hidden[j][2 * r + 1]);
}

// The residual stream after both branches goes to a tile, normalised, unless there is none.
__device__ __forceinline__ void forward(Passed &p, float (&logits)[V / 8][4], const Memory &m,
                                        const Example (&e)[2], float factor, u16 *tile) {
    const float *small = m.small;
    float x[D / 8][4], last[D / 8][4];
    Factors a[D / 16];
    {
        float branch[D / 8][4];
        mix(x, m.table, e);
        as_factors<D / 8>(p.mixed, x);
        start_with(branch, small + S_OUT_B);
        product<Out, false>(branch, p.mixed, m);
        start_with(last, small + S_EQUALS);
        add_branch(last, branch, factor, p.kept[0]);
    }
#pragma unroll
    for (int j = 0; j < D / 8; j++)
#pragma unroll
        for (int i = 0; i < 4; i++) x[j][i] = last[j][i];
    normalise(x, p.middle_scale);
    as_factors<D / 8>(p.middle, x);
    gain_and_shift(x, x, small + S_GAIN2, small + S_SHIFT2);
    as_factors<D / 8>(p.shifted, x);
    {
        float branch[D / 8][4];
        start_with(branch, small + S_DOWN_B);
#pragma unroll 1
        for (int first = 0; first < F; first += CHUNK) {
            activate(p.hidden, p.shifted, m, first);
            product<Down, false>(branch, p.hidden, m, first);
        }
        add_branch(last, branch, factor, p.kept[1]);
    }
    normalise(last, p.last_scale);
    if (tile) {
        as_factors<D / 8>(a, last);
        share<D / 8>(tile, a, threadIdx.x / 32 * 16);
    }
    gain_and_shift(x, last, small + S_GAIN, small + S_SHIFT);
    as_factors<D / 8>(a, x);
    start_with(logits, small + S_UNEMBED_B);
    product<Unembed, false>(logits, a, m);
}

// What logits of a row come to: the answer's and the greatest other's, and odds against the
// greater, of which the exponent is shifted.
struct Weighed { float own, top, shift, others; };

struct Judged { float loss, ahead; };  // correct when `ahead` of the greatest other

// Logits of a lane's two rows into odds against the greatest (loss.py), in place: 0 for the
// answer.
__device__ __forceinline__ void weigh(Weighed (&w)[2], float (&z)[V / 8][4],
                                      const Example (&e)[2]) {
    const int t = threadIdx.x % 4;
    float top[2][2], total[2][2], own[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
        top[r][0] = top[r][1] = -infinity();
        total[r][0] = total[r][1] = own[r] = 0.f;
    }
#pragma unroll
    for (int j = 0; j < V / 8; j++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int r = i / 2;
            float &x = z[j][i];
            const bool right = 8 * j + i % 2 == e[r].answer - 2 * t;
            own[r] = right ? x : own[r];
            x = right || (8 * j + 8 > N && 8 * j + 2 * t + i % 2 >= N) ? -infinity() : x;
            top[r][i % 2] = fmaxf(top[r][i % 2], x);
        }
#pragma unroll
    for (int r = 0; r < 2; r++) {
        w[r].own = over_quad(own[r]);
        w[r].top = greatest_of_quad(fmaxf(top[r][0], top[r][1]));
        w[r].shift = -fmaxf(w[r].own, w[r].top) * LOG2E;
    }
#pragma unroll
    for (int j = 0; j < V / 8; j++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            z[j][i] = exp2f(fmaf(z[j][i], LOG2E, w[i / 2].shift));
            total[i / 2][i % 2] += z[j][i];
        }
#pragma unroll
    for (int r = 0; r < 2; r++) w[r].others = over_quad(total[r][0] + total[r][1]);
}

__device__ __forceinline__ Weighed of_row(const Weighed (&w)[2], int r) {
    return {r ? w[1].own : w[0].own, r ? w[1].top : w[0].top, r ? w[1].shift : w[0].shift,
            r ? w[1].others : w[0].others};
}

__device__ __forceinline__ float itself(const Weighed &w) {  // the answer's odds
    return exp2f(fmaf(w.own, LOG2E, w.shift));
}

__device__ __forceinline__ Judged judged(const Weighed &w) {
    const float ahead = w.own - w.top;
    // log1p without a library: exact for the small sums that matter (Goldberg 1991, theorem 4).
    const float all = w.others + itself(w), step = all - 1.f, log = logf(all);
    const float small = step == 0.f ? w.others : log * (w.others / step);
    // Maxima forget a NaN, sums do not.
    return {ahead < 0.f ? log - ahead : small, all == all ? ahead : all};
}

// -- Evaluation ----------------------------------------------------------------------------------

// The greatest of all threads, the same in each; `room` holds a number a warp. Synchronises once:
// whoever calls again has synchronised in between.
__device__ __forceinline__ float greatest_of_block(float x, float *room) {
#pragma unroll
    for (int s = 16; s; s /= 2) x = fmaxf(x, __shfl_xor_sync(ALL, x, s));
    if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = x;
    __syncthreads();
    x = 0.f;
#pragma unroll
    for (int w = 0; w < WARPS; w++) x = fmaxf(x, room[w]);
    return x;
}

// A sum over all threads, the same in each; `room` holds a number a warp. Synchronises.
__device__ __forceinline__ float over_block(float x, float *room) {
#pragma unroll
    for (int s = 16; s; s /= 2) x += __shfl_xor_sync(ALL, x, s);
    __syncthreads();
    if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = x;
    __syncthreads();
    x = 0.f;
#pragma unroll
    for (int w = 0; w < WARPS; w++) x += room[w];
    return x;
}

__device__ __forceinline__ u32 in_order(float x) {  // floats as unsigned numbers, order kept
    const u32 bits = __float_as_uint(x);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

struct Sums { float train_loss, train_right, other_loss, other_right, zero; };  // over pairs

__device__ __forceinline__ void finish_judging(const Memory &m, const Sums &sums,
                                               float learning_rate, float *seen) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const u32 *gaps = reinterpret_cast<const u32 *>(m.rest);
    float *room = m.small + S_ROOM;
    const float train_loss = over_block(sums.train_loss, room),
                train_right = over_block(sums.train_right, room),
                other_loss = over_block(sums.other_loss, room),
                other_right = over_block(sums.other_right, room),
                zero = over_block(sums.zero, room);
    // Order statistics of the gaps, byte by byte: how many have the bytes so far and which next?
    u32 mine[above(TRAIN, THREADS)];
#pragma unroll
    for (int i = 0; i < above(TRAIN, THREADS); i++) {
        const int at = i * THREADS + threadIdx.x;
        mine[i] = at < TRAIN ? gaps[at] : ~0u;
    }
    u32 found[3] = {0, 0, 0}, rank[3] = {RANK_Q10, RANK_Q50, RANK_Q90};
    u32 *counts = reinterpret_cast<u32 *>(m.rest) + fours(TRAIN) + MEMBERS, *answer = counts + 768;
#pragma unroll 1
    for (int shift = 24; shift >= 0; shift -= 8) {
        for (int i = threadIdx.x; i < 768; i += THREADS) counts[i] = 0;
        __syncthreads();
#pragma unroll
        for (int i = 0; i < above(TRAIN, THREADS); i++)
#pragma unroll
            for (int q = 0; q < 3; q++)
                if ((mine[i] ^ found[q]) >> shift <= 255)
                    atomicAdd(counts + 256 * q + (mine[i] >> shift & 255), 1u);
        __syncthreads();
        for (int q = warp; q < 3; q += WARPS) {
            const u32 *own = counts + 256 * q + 8 * lane;
            u32 sum = 0;
#pragma unroll
            for (int i = 0; i < 8; i++) sum += own[i];
            u32 below = sum;  // with those of lanes before
#pragma unroll
            for (int d = 1; d < 32; d *= 2) {
                const u32 before = __shfl_sync(ALL, below, lane - d & 31);
                if (lane >= d) below += before;
            }
            below -= sum;
            for (int i = 0; i < 8; i++) {
                if (below <= rank[q] && rank[q] < below + own[i]) {
                    answer[2 * q] = 8 * lane + i;
                    answer[2 * q + 1] = rank[q] - below;
                }
                below += own[i];
            }
        }
        __syncthreads();
#pragma unroll
        for (int q = 0; q < 3; q++) {
            found[q] |= answer[2 * q] << shift;
            rank[q] = answer[2 * q + 1];
        }
    }
    if (threadIdx.x) return;
    seen[SEEN_TRAIN_LOSS] = train_loss / TRAIN;
    seen[SEEN_TRAIN_ACCURACY] = train_right / TRAIN;
    seen[SEEN_VALIDATION_LOSS] = other_loss / (PAIRS - TRAIN);
    seen[SEEN_VALIDATION_ACCURACY] = other_right / (PAIRS - TRAIN);
    seen[SEEN_ZERO_GRADIENT_SHARE] = zero / TRAIN;
#pragma unroll
    for (int q = 0; q < 3; q++)
        seen[SEEN_GAP_Q10 + q] =
            __uint_as_float(found[q] & 0x80000000u ? found[q] & 0x7fffffffu : ~found[q]);
    seen[SEEN_LEARNING_RATE] = learning_rate;
}

// -- A step ------------------------------------------------------------------------------------

// Where in the slot's order an example of the coming step stands; -1 beyond the last.
__device__ __forceinline__ int draw(int example, u32 step, u32 k0, u32 k1) {
    if (example >= BATCH) return -1;
    if (!MINIBATCH) return example;
    const Words four = philox(example / 4, step, PURPOSE_ORDER, 0, k0, k1);
    return __umulhi(pick(four, example % 4), static_cast<u32>(TRAIN));
}

// From the gradient of what 16 examples mixed: what each gives to its rows of a and b, and sums,
// times a factor, for the row of "=".
__device__ __forceinline__ void attend_back(const float *table, const Example (&e)[2],
                                            const float (&d)[D / 8][4], u16 *to_left,
                                            u16 *to_right, float (&sums)[SUMS], float factor) {
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    Three w[2][H], own[2][KH];
    attend(w, own, table, e);
    float over_b[2][4 * KH], over_c[2][4 * KH], to_equals[4][4];  // of four tiles of columns
#pragma unroll
    for (int h = 0; h < 4 * KH; h++)
        over_b[0][h] = over_b[1][h] = over_c[0][h] = over_c[1][h] = 0.f;
#pragma unroll
    for (int j = 0; j < D / 8; j++) {
        const int column = 8 * j + 2 * t;
        const float2 c2 = two(table + 2 * N * TC + column);
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const float2 a2 = two(table + e[r].left * TC + column),
                         b2 = two(table + (N + e[r].right) * TC + column);
            float left[2], right[2];
#pragma unroll
            for (int i = 0; i < 2; i++) {
                const float dy = d[j][2 * r + i], a = i ? a2.y : a2.x, b = i ? b2.y : b2.x,
                            c = i ? c2.y : c2.x;
#pragma unroll
                for (int h = 0; h < H; h++) {
                    if (!in_head(j, i, h)) continue;
                    over_b[r][h] = fmaf(dy, a - b, over_b[r][h]);
                    over_c[r][h] = fmaf(dy, a - c, over_c[r][h]);
                    left[i] = w[r][h].a * dy;
                    right[i] = w[r][h].b * dy;
                    to_equals[j % 4][2 * r + i] = w[r][h].c * dy;
                }
            }
            const int at = (g + 8 * r) * GS + column;
            *reinterpret_cast<u32 *>(to_left + at) = pack(left[0], left[1]);
            *reinterpret_cast<u32 *>(to_right + at) = pack(right[0], right[1]);
        }
        if (j % 4 == 3) add_columns(sums + C_VALUE + j / 4, to_equals, factor);
    }
    if (D % 32) {
        float rest[D % 32 / 8 + (D % 32 == 0)][4];
#pragma unroll
        for (int j = 0; j < D % 32 / 8; j++)
#pragma unroll
            for (int i = 0; i < 4; i++) rest[j][i] = to_equals[j][i];
        add_columns(sums + C_VALUE + D / 32, rest, factor);
    }
#pragma unroll
    for (int k = 0; k < (8 * GT - D) / 4; k++) {
        float to_score = 0.f;
#pragma unroll
        for (int r = 0; r < 2; r++) {
            float left = 0.f, right = 0.f;
            if (k < KH) {
                float b[4], c[4];
#pragma unroll
                for (int h = 0; h < 4; h++) {
                    b[h] = over_b[r][4 * (k % KH) + h];
                    c[h] = over_c[r][4 * (k % KH) + h];
                }
                const float of_b = over_quad(b), of_c = over_quad(c);
                // By pairs, w_i sum_j w_j (d_i - d_j): exact where attention is certain.
                const Three &x = own[r][k % KH];
                const float ab = x.a * x.b * of_b, ac = x.a * x.c * of_c,
                            bc = x.b * x.c * (of_c - of_b);
                left = ab + ac;
                right = bc - ab;
                to_score -= ac + bc;
            }
            const int at = (g + 8 * r) * GS + D + 4 * k + t;
            to_left[at] = static_cast<u16>(pack(left, 0.f));
            to_right[at] = static_cast<u16>(pack(right, 0.f));
        }
        if (k >= KH) continue;
#pragma unroll
        for (int q = 4; q < 32; q *= 2) to_score += __shfl_xor_sync(ALL, to_score, q);
        sums[C_SCORE + k % KH] += to_score * factor;
    }
}

// Adds to the table what each example of a tile gives to its rows: the product of a matrix that
// says who meets whom, 1 or 0, and what is given. Half of the warps see to rows of a, the others
// to rows of b.
__device__ __forceinline__ void add_to_table(float *dtable, const u16 *tokens, const u16 *to_left,
                                             const u16 *to_right, int warp) {
    constexpr int MT = above(N, 16), TEAM = WARPS / 2, TWO = 2;
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    const int matrix = lane / 8, row = lane % 8;
    const bool b_side = warp >= TEAM;
    const u16 *given = (b_side ? to_right : to_left) +
                       ((matrix & 1) * 8 + row) * GS + (matrix >> 1) * 8;
    const u16 *met = tokens + (b_side ? ROWS : 0) + 2 * t;
    float *table = dtable + (b_side ? N * TC : 0);
#pragma unroll 1
    for (int first = TWO * (warp % TEAM); first < MT; first += TWO * TEAM) {
        float sum[TWO][GT][4];
        u32 mine[TWO][2];  // the lane's two rows of each tile, as float16s
        auto each = [&](auto visit) {
#pragma unroll
            for (int m = 0; m < TWO; m++)
#pragma unroll
                for (int j = 0; j < GT; j++)
#pragma unroll
                    for (int r = 0; r < 2; r++) {
                        const int at = 16 * (first + m) + g + 8 * r, column = 8 * j + 2 * t;
                        if (at < N && (TC >= 8 * GT || column < TC))
                            visit(*reinterpret_cast<float2 *>(table + at * TC + column),
                                  sum[m][j] + 2 * r);
                    }
        };
#pragma unroll
        for (int m = 0; m < TWO; m++) {
            clear(sum[m]);
#pragma unroll
            for (int r = 0; r < 2; r++) {
                const float at = static_cast<float>(16 * (first + m) + g + 8 * r);
                mine[m][r] = pack(at, at);
            }
        }
        each([](float2 &here, float *x) { x[0] = here.x, x[1] = here.y; });
#pragma unroll 2
        for (int k = 0; k < ROWS / 16; k++) {
            const u32 near = *reinterpret_cast<const u32 *>(met + 16 * k),
                      far = *reinterpret_cast<const u32 *>(met + 16 * k + 8);
            u32 meets[TWO][4];
#pragma unroll
            for (int m = 0; m < TWO; m++) {
                meets[m][0] = equal(near, mine[m][0]);
                meets[m][1] = equal(near, mine[m][1]);
                meets[m][2] = equal(far, mine[m][0]);
                meets[m][3] = equal(far, mine[m][1]);
            }
#pragma unroll
            for (int j = 0; j < GT; j += 2) {
                u32 b[4];
                fetch<true>(b, given + 16 * k * GS + 8 * j);
#pragma unroll
                for (int m = 0; m < TWO; m++) {
                    multiply(sum[m][j], meets[m], b[0], b[1]);
                    if (j + 1 < GT) multiply(sum[m][j + 1 < GT ? j + 1 : j], meets[m], b[2], b[3]);
                }
            }
        }
        each([](float2 &here, float *x) { here = {x[0], x[1]}; });
    }
}

// The gradient of a product (unit g + s) W from U = unit' dy and the sums b of dy's columns:
// of W, g U + s b, in place of U; of g and of s, the row sums of W U and of W b. Eight lanes a
// row; reading and writing are apart so that one matrix need not wait for another.
template <class W>
struct Unfold {
    static constexpr int COLUMNS = W::ACROSS, EACH = COLUMNS / 8;
    static constexpr bool KEPT = EACH <= 76;  // else what was read is read again to be written
    static constexpr int AT_ONCE = KEPT ? EACH : 8;
    float x[KEPT ? EACH : 1], sum[KEPT ? EACH : 1], of_gain, of_shift;

    __device__ __forceinline__ void read(const float *u, const Memory &m, const float *sums,
                                         int row) {
        of_gain = of_shift = 0.f;
#pragma unroll AT_ONCE
        for (int i = 0; i < EACH; i++) {
            const int c = 8 * i + threadIdx.x % 8, kept = KEPT ? i : 0;
            const float weight = unpack(W::at(m, row, c));
            x[kept] = u[row * COLUMNS + c];
            sum[kept] = sums[c];
            of_gain = fmaf(weight, x[kept], of_gain);
            of_shift = fmaf(weight, sum[kept], of_shift);
        }
        of_gain = over_eight(of_gain);
        of_shift = over_eight(of_shift);
    }

    __device__ __forceinline__ void write(float *u, const float *sums, float gain, float shift,
                                          float *d_gain, float *d_shift, int row) const {
#pragma unroll AT_ONCE
        for (int i = 0; i < EACH; i++) {
            const int c = 8 * i + threadIdx.x % 8, kept = KEPT ? i : 0;
            float &here = u[row * COLUMNS + c];
            here = gain * (KEPT ? x[kept] : here) + shift * (KEPT ? sum[kept] : sums[c]);
        }
        if (threadIdx.x % 8) return;
        d_gain[row] = of_gain;
        d_shift[row] = of_shift;
    }
};

// What kernels learn of a slot, in registers.
struct Slot {
    Genes genes;
    u32 k0, k1;  // of the order
    const int *order;
};

struct Training {  // what a step has, besides what evaluations have too
    float *dtable, *buffer, *gradient;
    int *met;             // two tiles of examples
    u16 *tokens;          // theirs, of a and then of b, as float16s
    const Place *places;  // of all weights
};

// Tiles of examples come one after the other, also from step to step: of the coming tile, every
// example is in shared memory; of the one after it, only where it stands in the list of pairs.
struct Arrivals {
    int turn, index;

    static constexpr int TILES = above(BATCH, ROWS);

    static __device__ __forceinline__ int drawn(const Slot &slot, int tile, u32 step) {
        const int example = tile % TILES * ROWS + threadIdx.x;
        const int at = threadIdx.x < ROWS
                           ? draw(example, step + tile / TILES, slot.k0, slot.k1) : -1;
        return at < 0 ? 0 : slot.order[at];
    }

    static __device__ __forceinline__ void meet(const Training &own, int turn, int pair) {
        if (threadIdx.x >= ROWS) return;
        const Example e = unpack(pair);
        own.met[turn * ROWS + threadIdx.x] = pair;
        u16 *at = own.tokens + turn * 2 * ROWS + threadIdx.x;
        at[0] = static_cast<u16>(pack(static_cast<float>(e.left), 0.f));
        at[ROWS] = static_cast<u16>(pack(static_cast<float>(e.right), 0.f));
    }
};

// Weights and moments of a slot, and gradients if they are not there already, on their way to
// shared memory: every thread's own, some lines of fours ahead of where it is.
struct Queue {
    const float *weight, *mean, *square, *gradient;
    float *room;

    static constexpr int LINES = above(P, B.line);

    // Where a thread's fours of a line are, in the slot and in shared memory.
    static __device__ __forceinline__ int from(int line, int k) {
        return line * B.line + 4 * (k * THREADS + threadIdx.x);
    }

    __device__ __forceinline__ float *to(int line, int k) const {
        return room + B.each * (line % B.lines) * B.line + 4 * (k * THREADS + threadIdx.x);
    }

    __device__ __forceinline__ void ask(int line) const {
#pragma unroll
        for (int k = 0; k < B.at_once; k++) {
            const int there = from(line, k);
            if (there >= P) break;
            float *here = to(line, k);
            copy(here, weight + there);
            copy(here + B.line, mean + there);
            copy(here + 2 * B.line, square + there);
            if (WIDE) copy(here + 3 * B.line, gradient + there);
        }
        end_group();
    }

    __device__ __forceinline__ void begin() const {
#pragma unroll
        for (int line = 0; line < B.lines; line++) ask(line);
    }
};

// One step: returns the loss, and the gradient lies there in the order of the layout.
__device__ __forceinline__ float differentiate(const Memory &m, const Training &own,
                                               const int *pairs, const Slot &slot, u32 step,
                                               Arrivals &coming, const Queue &queue) {
    const int lane = threadIdx.x % 32, warp = warp_index(), g = lane / 4, t = lane % 4;
    const int mine = 16 * warp;
    const Genes &genes = slot.genes;
    const float *small = m.small;
    float *room = m.small + S_ROOM;
    const int threshold = static_cast<int>(genes.dropout_threshold);
    constexpr float levels = DROPOUT_LEVELS;
    const float factor = genes.layer_scale * (levels / (levels - threshold));
    u16 *tile = reinterpret_cast<u16 *>(own.buffer);

    build_table(m, genes.inverse_embed_ratio);
    for (int i = threadIdx.x; i < DTABLE_FLOATS / 4; i += THREADS)
        reinterpret_cast<float4 *>(own.dtable)[i] = {0.f, 0.f, 0.f, 0.f};

    // Of unit' dy; what stands between unit and the product is put in at the end. A wide model has
    // no registers for them: there, every tile adds to what lies in memory.
    Gradient<D, V> d_unembed;
    Gradient<F, D> d_down;
    Gradient<D, F> d_up;
    Gradient<D, D> d_out;
    d_unembed.reset();
    d_down.reset();
    d_up.reset();
    d_out.reset();
    float *grad = own.gradient;
    float sums[SUMS], loss = 0.f;
#pragma unroll
    for (int i = 0; i < SUMS; i++) sums[i] = 0.f;
    float scale = infinity();  // of gradients: as small as the largest of them asked for
    __syncthreads();

#pragma unroll 1
    for (int tile_number = 0; tile_number < Arrivals::TILES; tile_number++) {
        const int *met = own.met + coming.turn * ROWS;
        const int next = pairs[coming.index];
        coming.index = Arrivals::drawn(slot, tile_number + 2, step);
        const int row = tile_number * ROWS + mine + g;
        const Example e[2] = {unpack(met[mine + g]), unpack(met[mine + g + 8])};
        Passed p;
        float change = 1.f;  // of the scale
        p.kept[0][0] = p.kept[0][1] = p.kept[1][0] = p.kept[1][1] = ALL;
        if (threshold)  // its key waits in shared memory: registers are dear here
            draw_kept(p.kept, row, step, __float_as_uint(small[S_DROPOUT_KEY]),
                      __float_as_uint(small[S_DROPOUT_KEY + 1]), threshold);
        {
            float z[V / 8][4], share_of[2], wrong[2];
            forward(p, z, m, e, factor, tile + T.unit);
            Weighed w[2];
            weigh(w, z, e);
#pragma unroll
            for (int r = 0; r < 2; r++) {
                const bool there = row + 8 * r < BATCH;
                share_of[r] = there ? 1.f / (w[r].others + itself(w[r])) : 0.f;
                wrong[r] = share_of[r] * w[r].others;
            }
            // All lanes of a quad know both rows: one counts the first, one the second.
            if (t < 2 && row + 8 * t < BATCH) loss += judged(of_row(w, t)).loss;
            const float asked = magnifier(greatest_of_block(fmaxf(wrong[0], wrong[1]), room));
            if (asked < scale) {
                change = asked / scale;
                d_unembed.scale(change);
                d_down.scale(change);
                d_up.scale(change);
                d_out.scale(change);
                for (int i = threadIdx.x; i < DTABLE_FLOATS; i += THREADS) own.dtable[i] *= change;
                scale = asked;
            }
#pragma unroll
            for (int j = 0; j < V / 8; j++)
#pragma unroll
                for (int i = 0; i < 4; i++) z[j][i] *= share_of[i / 2] * scale;
            Factors dz[V / 16];
            as_factors<V / 8>(dz, z);
            share<V / 8>(tile + T.dz, dz, mine);
            __syncwarp();
#pragma unroll
            for (int r = 0; r < 2; r++)
                if (t == 0)
                    tile[T.dz + (mine + g + 8 * r) * padded(V) + e[r].answer] =
                        static_cast<u16>(pack(-wrong[r] * scale, 0.f));
            __syncwarp();
        }
        if (!WIDE) {
            share<CHUNK / 8>(tile + T.hidden, p.hidden, mine);
            share<D / 8>(tile + T.middle, p.middle, mine);
        }
        float dx[D / 8][4], branch[D / 8][4];
        Factors into[D / 16];
        {
            Factors dz[V / 16], last[D / 16];
            recall<V / 8>(dz, tile + T.dz, mine);
            recall<D / 8>(last, tile + T.unit, mine);
            clear(dx);
            product<Unembed, true>(dx, dz, m);
            times(dx, small + S_GAIN);
            normalise_back(dx, last, p.last_scale);
        }
        const float back = 1.f / (scale * BATCH),
                    after = tile_number == Arrivals::TILES - 1 ? back : 1.f;
        if (WIDE) {
            __syncthreads();
            add_to<D, V>(grad + UNEMBED, V, grad + UNEMBED_B, true, tile + T.unit, tile + T.dz,
                         change, after, warp);
            __syncthreads();
            share<D / 8>(tile + T.middle, p.middle, mine);
        }
        // The feed-forward branch's second half, then its first.
        clear(branch);
        add_branch(branch, dx, factor, p.kept[1]);
        as_factors<D / 8>(into, branch);
        share<D / 8>(tile + T.into, into, mine);
        clear(branch);
#pragma unroll 1
        for (int first = 0; first < F; first += CHUNK) {
            if (CHUNK < F) activate(p.hidden, p.shifted, m, first);  // again
            if (WIDE) share<CHUNK / 8>(tile + T.hidden, p.hidden, mine);
            float dh[CHUNK / 8][4];
            clear(dh);
            product<Down, true>(dh, into, m, first);
#pragma unroll
            for (int j = 0; j < CHUNK / 8; j++)
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    const u32 two = p.hidden[j / 2].at[2 * (j % 2) + i / 2];
                    dh[j][i] = (i % 2 ? two >> 16 : two & 0xffffu) ? dh[j][i] : 0.f;
                }
            as_factors<CHUNK / 8>(p.hidden, dh);
            share<CHUNK / 8>(tile + T.dh, p.hidden, mine);
            product<Up, true>(branch, p.hidden, m, 0, first);
            if (!WIDE) break;
            __syncthreads();
            add_to<CHUNK, D>(grad + DOWN + first * D, D, grad + DOWN_B, first == 0,
                             tile + T.hidden, tile + T.into, change, after, warp);
            add_to<D, CHUNK>(grad + UP + first, F, grad + UP_B + first, true, tile + T.middle,
                             tile + T.dh, change, after, warp);
            __syncthreads();
        }
        times(branch, small + S_GAIN2);
        normalise_back(branch, p.middle, p.middle_scale);
#pragma unroll
        for (int j = 0; j < D / 8; j++)
#pragma unroll
            for (int i = 0; i < 4; i++) dx[j][i] += branch[j][i];
        add_columns(sums + C_EQUALS, dx, back);
        clear(branch);
        add_branch(branch, dx, factor, p.kept[0]);
        as_factors<D / 8>(into, branch);
        if (!WIDE) {
            __syncthreads();
            d_unembed.add(tile + T.unit, tile + T.dz, warp);
            d_down.add(tile + T.hidden, tile + T.into, warp);
            d_up.add(tile + T.middle, tile + T.dh, warp);
        }
        coming.turn ^= 1;
        Arrivals::meet(own, coming.turn, next);
        if (!WIDE) __syncthreads();
        // The output projection, and what each example gives to its rows of the table.
        share<D / 8>(tile + T.mixed, p.mixed, mine);
        share<D / 8>(tile + T.branch, into, mine);
        clear(branch);
        product<Out, true>(branch, into, m);  // of what was mixed
        if (WIDE) {
            __syncthreads();
            add_to<D, D>(grad + OUT, D, grad + OUT_B, true, tile + T.mixed, tile + T.branch,
                         change, after, warp);
            __syncthreads();
        }
        attend_back(m.table, e, branch, tile + T.left + mine * GS, tile + T.right + mine * GS,
                    sums, back);
        __syncthreads();
        if (!WIDE) d_out.add(tile + T.mixed, tile + T.branch, warp);
        add_to_table(own.dtable, own.tokens + (coming.turn ^ 1) * 2 * ROWS, tile + T.left,
                     tile + T.right, warp);
    }
    const float back = 1.f / (scale * BATCH);  // from here on, of the table's gradient too

    // Sums over columns, warp by warp; then each column's, in the room of the first warp.
#pragma unroll
    for (int i = 0; i < SUMS; i++) m.table[(warp * SUMS + i) * 32 + lane] = sums[i];
    __syncthreads();
    if (!WIDE) queue.begin();
#pragma unroll 1
    for (int i = threadIdx.x; i < SUMS * 32; i += THREADS) {
        float sum = 0.f;
        for (int w = 0; w < WARPS; w++) sum += m.table[w * SUMS * 32 + i];
        m.table[i] = sum;
    }
    __syncthreads();
    auto column_sum = [&](int first, int column) {
        return m.table[(first + column / 32) * 32 + lane_of_column(column)];
    };
    float *equals_row = own.dtable + 2 * N * TC;
    for (int c = threadIdx.x; c < D + H; c += THREADS)
        equals_row[c] = (scale * BATCH) *
                        (c < D ? column_sum(C_VALUE, c)
                               : m.table[(C_SCORE + (c - D) / 4) * 32 + (c - D) % 4]);
    __syncthreads();

    // The table: gradients of values and scores into those of its rows, and of W_v and W_k q.
    float greatest = 0.f;
    for (int i = 4 * threadIdx.x; i < DTABLE_FLOATS; i += 4 * THREADS) {
        const float4 x = four(own.dtable + i);
        greatest = fmaxf(fmaxf(greatest, fmaxf(fabsf(x.x), fabsf(x.y))),
                         fmaxf(fabsf(x.z), fabsf(x.w)));
    }
    const float table_scale = magnifier(greatest_of_block(greatest, room)),
                table_back = back / table_scale;
    Gradient<D, DS> d_table;
    d_table.reset();
#pragma unroll 1
    for (int first = mine; first < (WIDE ? above(TABLE, ROWS) * ROWS : TABLE); first += ROWS) {
        const int own_row = WIDE ? mine : first;  // of the tile; there, every round has its own
        float x[D / 8][4], deviation[2], d[D / 8][4];
        Factors unit[D / 16];
        table_rows(x, deviation, first, m, genes.inverse_embed_ratio);
        as_factors<D / 8>(unit, x);
        share<D / 8>(tile, unit, own_row);
        {
            float both[DS / 8][4];
            Factors a[DS / 16];
#pragma unroll
            for (int j = 0; j < DS / 8; j++)
#pragma unroll
                for (int r = 0; r < 2; r++) {
                    const int row = first + g + 8 * r, column = 8 * j + 2 * t;
                    const bool there = row < TABLE && (8 * j + 8 <= TC || column < TC);
                    const float2 x = there ? two(own.dtable + row * TC + column) : float2{0.f, 0.f};
                    both[j][2 * r] = x.x * table_scale;
                    both[j][2 * r + 1] = x.y * table_scale;
                }
            as_factors<DS / 8>(a, both);
            share<DS / 8>(tile + T_VALUES, a, own_row);
            clear(d);
            product<ToTable, true>(d, a, m);
        }
#pragma unroll
        for (int j = 0; j < D / 8; j++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                d[j][i] *= table_back;
                if (first + g + 8 * (i / 2) == 2 * N)  // "=" also asks: it is finished below
                    m.small[S_DEQUALS + 8 * j + 2 * t + i % 2] = d[j][i];
            }
        times(d, small + S_GAIN1);
        normalise_back(d, unit, deviation);
        __syncwarp();
#pragma unroll
        for (int j = 0; j < D / 8; j++)
#pragma unroll
            for (int r = 0; r < 2; r++) {
                const int row = first + g + 8 * r;
                if (row < 2 * N)
                    *reinterpret_cast<float2 *>(own.dtable + row * TC + 8 * j + 2 * t) = {
                        d[j][2 * r], d[j][2 * r + 1]};
            }
        if (WIDE) {
            __syncthreads();
            d_table.add(tile, tile + T_VALUES, warp);
            __syncthreads();
        }
    }
    if (!WIDE) {
        __syncthreads();
        d_table.add<TABLE_TILES>(tile, tile + T_VALUES, warp);
        __syncthreads();
    }

    // Everything into the gradient. The tile is done with.
    float *d_value = m.table + R_TABLE;
#pragma unroll
    for (int part = 0; part < 2; part++) {
        if (!WIDE) {
            d_unembed.give(back, grad + UNEMBED, grad + UNEMBED_B, warp, part);
            d_down.give(back, grad + DOWN, grad + DOWN_B, warp, part);
            d_up.give(back, grad + UP, grad + UP_B, warp, part);
            d_out.give(back, grad + OUT, grad + OUT_B, warp, part);
        }
        d_table.give(table_back, d_value, m.table + R_SUMS, warp, part);
        if (part == 0) __syncthreads();
    }
    for (int c = threadIdx.x; c < D; c += THREADS)
        equals_row[c] = column_sum(C_EQUALS, c);  // of the residual stream at "="
    __syncthreads();
#pragma unroll 1
    for (int row = threadIdx.x / 8; row < D; row += THREADS / 8) {
        Unfold<Unembed> last;
        Unfold<Up> up;
        Unfold<ToTable> first;
        last.read(grad + UNEMBED, m, grad + UNEMBED_B, row);
        up.read(grad + UP, m, grad + UP_B, row);
        first.read(d_value, m, m.table + R_SUMS, row);
        last.write(grad + UNEMBED, grad + UNEMBED_B, small[S_GAIN + row], small[S_SHIFT + row],
                   grad + GAIN, grad + SHIFT, row);
        up.write(grad + UP, grad + UP_B, small[S_GAIN2 + row], small[S_SHIFT2 + row],
                 grad + GAIN2, grad + SHIFT2, row);
        first.write(d_value, m.table + R_SUMS, small[S_GAIN1 + row], small[S_SHIFT1 + row],
                    grad + GAIN1, grad + SHIFT1, row);
    }
    __syncthreads();
    const float head_scale = rsqrtf(static_cast<float>(HEAD));
    // Of the vectors that scores are rows times, (D, H); a padded column's head has none.
    const float *d_scores = d_value + D;
    for (int d = threadIdx.x / 8; d < D; d += THREADS / 8) {
        float sum = 0.f;
#pragma unroll
        for (int i = threadIdx.x % 8; i < D; i += 8)
            sum = fmaf(d_scores[i * DS + d / HEAD], m.key[i * D + d], sum);
        sum = over_eight(sum);
        if (threadIdx.x % 8) continue;
        m.small[S_DQ + d] = sum * head_scale;
        grad[QUERY_B + d] = sum * head_scale;
        grad[VALUE_B + d] = m.table[R_SUMS + d];
    }
    __syncthreads();
    if (WIDE) {  // what the row of "=" asks for; here, all warps find it
        for (int c = threadIdx.x / 8; c < D; c += THREADS / 8) {
            float sum = 0.f;
#pragma unroll
            for (int i = threadIdx.x % 8; i < D; i += 8)
                sum = fmaf(m.query[c * D + i], small[S_DQ + i], sum);
            sum = over_eight(sum);
            if (threadIdx.x % 8 == 0) m.small[S_EQUALS + c] = sum;  // that row is done with
        }
        __syncthreads();
    }
#pragma unroll 1
    for (int i = threadIdx.x; i < D * D; i += THREADS) {
        const int row = i / D, d = i % D;
        grad[QUERY + i] = small[S_SHIFTED + row] * small[S_DQ + d];
        grad[KEY + i] = head_scale * d_scores[row * DS + d / HEAD] * small[S_Q + d];
        grad[VALUE + i] = d_value[row * DS + d];
    }
    if (warp == 0) {  // the row of "="
        float d[KD], sum = 0.f, along = 0.f;
#pragma unroll
        for (int k = 0; k < KD; k++) {
            const int c = lane + 32 * k;
            d[k] = 0.f;
            if (c >= D) continue;
            float asked = WIDE ? small[S_EQUALS + c] : 0.f;
#pragma unroll 8
            for (int i = 0; i < (WIDE ? 0 : D); i++)
                asked = fmaf(m.query[c * D + i], small[S_DQ + i], asked);
            grad[GAIN1 + c] += asked * small[S_UNIT + c];
            grad[SHIFT1 + c] += asked;
            d[k] = (small[S_DEQUALS + c] + asked) * small[S_GAIN1 + c];
            sum += d[k];
            along += d[k] * small[S_UNIT + c];
        }
#pragma unroll
        for (int q = 16; q; q /= 2) {
            sum += __shfl_xor_sync(ALL, sum, q);
            along += __shfl_xor_sync(ALL, along, q);
        }
#pragma unroll
        for (int k = 0; k < KD; k++) {
            const int c = lane + 32 * k;
            if (c >= D) continue;
            const float before =
                d[k] - sum * (1.f / WIDTH) - small[S_UNIT + c] * (along * (1.f / WIDTH));
            const float whole = c < WIDTH ? equals_row[c] + before * small[S_SCALE] : 0.f;
            grad[POSITIONS + 2 * D + c] = whole;
            grad[TOKENS + N * D + c] = genes.inverse_embed_ratio * whole;
        }
    } else {
        for (int c = threadIdx.x - 32; c < 2 * D; c += THREADS - 32) {  // positions of a and b
            float sum = 0.f;
            const float *column = own.dtable + c / D * N * TC + c % D;
#pragma unroll 8
            for (int i = 0; i < N; i++) sum += column[i * TC];
            grad[POSITIONS + c] = sum;
        }
    }
#pragma unroll 4
    for (int i = threadIdx.x; i < N * D; i += THREADS) {
        const int token = i / D, c = i % D;
        grad[TOKENS + i] = genes.inverse_embed_ratio *
                           (own.dtable[token * TC + c] + own.dtable[(N + token) * TC + c]);
    }
    return over_block(loss, room) * (1.f / BATCH);
}

// -- The optimiser -------------------------------------------------------------------------------

__device__ __forceinline__ float lerp(float from, float to, float weight) {
    return weight < 0.5f ? fmaf(weight, to - from, from) : to - (to - from) * (1.f - weight);
}

// Where a factor that would be here in shared memory is in global memory.
__device__ __forceinline__ int outdoors(int at) {
    auto of = [at](auto matrix, int start) {
        using W = decltype(matrix);
        return W::outdoors((at - start) / W::STRIDE, (at - start) % W::STRIDE);
    };
    return at < W_UP        ? of(Out(), W_OUT)
           : at < W_DOWN    ? of(Up(), W_UP)
           : at < W_UNEMBED ? of(Down(), W_DOWN)
           : at < W_TABLE   ? of(Unembed(), W_UNEMBED)
                            : of(ToTable(), W_TABLE);
}

// Puts four weights where the model reads them.
__device__ __forceinline__ void place(const Memory &m, u32 where, const float (&w)[4]) {
    const int at = 4 * where;
    if (at < HALVES) {
        const uint2 both = {pack(w[0], w[1]), pack(w[2], w[3])};
        if (at < INSIDE) {
            *reinterpret_cast<uint2 *>(m.halves + at) = both;
        } else {  // of a block's row, lanes have two numbers each
            u32 *there = reinterpret_cast<u32 *>(m.outside + outdoors(at));
            there[0] = both.x;
            there[4] = both.y;
        }
    } else if (!WIDE || at < HALVES + S_TOKENS) {
        *reinterpret_cast<float4 *>(m.small + at - HALVES) = {w[0], w[1], w[2], w[3]};
    }
}

__device__ __forceinline__ float rate(const Genes &genes, long long step, float decay) {
    const float warm = (step + 1) / fmaxf(genes.warmup_steps, 1.f);
    return genes.learning_rate * fminf(warm, 1.f) * decay;
}

__device__ __forceinline__ void adamw(const Memory &m, const Training &own, const State &s, int slot,
                                      const Genes &genes, const Queue &queue, long long step,
                                      float learning_rate) {
    const float *grad = own.gradient;
    const long long first = static_cast<long long>(slot) * P;
    if (WIDE) queue.begin();
    float squares = 0.f;
#pragma unroll AHEAD
    for (int i = threadIdx.x; i < P / 4; i += THREADS) {
        const float4 d = four(grad + 4 * i);
        squares += d.x * d.x + d.y * d.y + d.z * d.z + d.w * d.w;
    }
    const float norm = sqrtf(over_block(squares, m.small + S_ROOM));
    // Not fminf, which would make 1 of a NaN.
    const float limit = genes.grad_clip / (norm + float(CLIP_EPSILON));
    const float clip = limit > 1.f ? 1.f : limit;
    const float count = static_cast<float>(step + 1);
    const float inverse2 = -1.f / expm1f(count * genes.log_beta2);
    const float size = -learning_rate / expm1f(count * genes.log_beta1);
    const float shrink = 1.f - learning_rate * genes.weight_decay;
    u32 where[B.at_once];  // the line goes, in a wide model: they come from far
    auto locate = [&](int line) {
#pragma unroll
        for (int k = 0; k < B.at_once; k++)
            where[k] = own.places[min(Queue::from(line, k), P - 4) / 4];
    };
    if (WIDE) locate(0);
#pragma unroll 1
    for (int line = 0; line < Queue::LINES; line++) {
        wait_for_group<B.lines - 1>();
        float4 d4[B.at_once], w4[B.at_once], a4[B.at_once], v4[B.at_once];
#pragma unroll
        for (int k = 0; k < B.at_once; k++) {
            const float *here = queue.to(line, k);
            w4[k] = four(here);
            a4[k] = four(here + B.line);
            v4[k] = four(here + 2 * B.line);
            d4[k] = four(WIDE ? here + 3 * B.line : grad + min(Queue::from(line, k), P - 4));
        }
#pragma unroll
        for (int k = 0; k < B.at_once; k++) {
            const int at = Queue::from(line, k);
            const float d[4] = {d4[k].x, d4[k].y, d4[k].z, d4[k].w};
            float w[4] = {w4[k].x, w4[k].y, w4[k].z, w4[k].w};
            float a[4] = {a4[k].x, a4[k].y, a4[k].z, a4[k].w};
            float v[4] = {v4[k].x, v4[k].y, v4[k].z, v4[k].w};
#pragma unroll
            for (int q = 0; q < 4; q++) {
                const float x = d[q] * clip;
                a[q] = lerp(a[q], x, genes.one_minus_beta1);
                v[q] = lerp(v[q], x * x, genes.one_minus_beta2);
                w[q] = w[q] * shrink - a[q] * size / (sqrtf(v[q] * inverse2) + genes.epsilon);
            }
            if (at >= P) break;
            __stcg(reinterpret_cast<float4 *>(s.weight + first + at), {w[0], w[1], w[2], w[3]});
            __stcg(reinterpret_cast<float4 *>(s.mean + first + at), {a[0], a[1], a[2], a[3]});
            __stcg(reinterpret_cast<float4 *>(s.square + first + at), {v[0], v[1], v[2], v[3]});
            place(m, WIDE ? where[k] : own.places[at / 4], w);
        }
        if (WIDE) locate(line + 1);
        queue.ask(line + B.lines);
    }
    __syncthreads();
}

// -- How a trial begins --------------------------------------------------------------------------

// As in layout.py: where a weight is in the flat vector, how many of its rows are real, how far
// apart they are and how many of their columns are real, and whose scale it has.
struct Weight {
    int start, rows, stride, columns, role;

    __device__ __forceinline__ int at(int i) const {  // of its real numbers
        return start + i / columns * stride + i % columns;
    }
};
constexpr int ROLES = 5, ONE = ROLES + 1;  // and ROLES itself: zero

struct Entry {  // a trial that begins; admission.py
    int slot;
    u32 init[2], split[2], training[4];  // key words
    float scale[ROLES], recipe[sizeof(Genes) / 4];
};

__device__ __forceinline__ double uniform(u32 word) { return (word + 0.5) / 4294967296.0; }

// A weight's numbers by Box and Muller's transform in float64; seeds.normals.
__device__ __forceinline__ void draw_weight(float *flat, const Weight &own, int index,
                                            const u32 (&key)[2], float deviation) {
    const int count = own.rows * own.columns, half = (count + 1) / 2;
    auto word = [&](int i) {
        return pick(philox(i / 4, index, PURPOSE_INIT, 0, key[0], key[1]), i % 4);
    };
    auto put = [&](int i, double unit) {
        flat[own.at(i)] = static_cast<float>(unit) * deviation;
    };
    for (int i = threadIdx.x; i < half; i += THREADS) {
        const double radius = sqrt(-2.0 * log(uniform(word(i))));
        const double angle = 2.0 * 3.141592653589793 * uniform(word(half + i));
        put(i, radius * cos(angle));
        if (half + i < count) put(half + i, radius * sin(angle));
    }
}

// A random order of all pairs, as seeds.permutation: sorted by random words, ties by index. Words
// are spread evenly, so buckets of their leading bits hold a few each. All threads.
__device__ __forceinline__ void draw_order(int *order, const u32 (&key)[2], u32 *ends) {
    u32 *of_thread = ends + BUCKETS;
    auto word = [&](int i) {
        return pick(philox(i / 4, 0, PURPOSE_SPLIT, 0, key[0], key[1]), i % 4);
    };
    auto bucket = [&](int i) { return ends + word(i) / (0xffffffffu / BUCKETS + 1); };
    for (int i = threadIdx.x; i < BUCKETS; i += THREADS) ends[i] = 0;
    __syncthreads();
    for (int i = threadIdx.x; i < PAIRS; i += THREADS) atomicAdd(bucket(i), 1u);
    __syncthreads();
    constexpr int OWN = BUCKETS / THREADS;
    u32 *mine = ends + OWN * threadIdx.x, sum = 0;
    for (int i = 0; i < OWN; i++) sum += mine[i];
    of_thread[threadIdx.x] = sum;
    __syncthreads();
    u32 before = 0;
    for (int i = 0; i < static_cast<int>(threadIdx.x); i++) before += of_thread[i];
    for (int i = 0; i < OWN; i++) {  // from how many there are to where they begin
        const u32 count = mine[i];
        mine[i] = before;
        before += count;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < PAIRS; i += THREADS) order[atomicAdd(bucket(i), 1u)] = i;
    __syncthreads();
    for (int b = threadIdx.x; b < BUCKETS; b += THREADS) {
        const int first = b ? ends[b - 1] : 0, end = ends[b];
        for (int i = first + 1; i < end; i++) {  // insertion sort
            const int own = order[i];
            const u32 of_own = word(own);
            int at = i;
            for (; at > first; at--) {
                const int other = order[at - 1];
                const u32 of_other = word(other);
                if (of_other < of_own || (of_other == of_own && other < own)) break;
                order[at] = other;
            }
            order[at] = own;
        }
    }
}

// -- The kernels ---------------------------------------------------------------------------------

// What a launch has to ask for: shared memory, and global memory a block.
extern "C" {
__constant__ int train_bytes = TRAIN_BYTES, judge_bytes = JUDGE_BYTES,
                 begin_bytes = BEGIN_BYTES, outside_bytes = 4 * OUTSIDE;
}

// Begins trials: initial weights, zero moments, own streams, step 0. Orders of examples are drawn
// unless they are given, `(K, PAIRS)`.
extern "C" __global__ void __launch_bounds__(THREADS, 2)
    begin(State s, const Entry *entries, const int *orders, const Weight *weights, int count) {
    extern __shared__ __align__(16) unsigned char shared_memory[];
    const Entry &it = entries[blockIdx.x];
    const long long first = static_cast<long long>(it.slot) * P;
    float *flat = s.weight + first;
    for (int i = threadIdx.x; i < P; i += THREADS)
        flat[i] = s.mean[first + i] = s.square[first + i] = 0.f;
    __syncthreads();
    for (int w = 0; w < count; w++) {
        const Weight &own = weights[w];
        if (own.role < ROLES) draw_weight(flat, own, w, it.init, it.scale[own.role]);
        if (own.role != ONE) continue;
        for (int i = threadIdx.x; i < own.rows * own.columns; i += THREADS) flat[own.at(i)] = 1.f;
    }
    for (int i = threadIdx.x; i < static_cast<int>(sizeof(Genes) / 4); i += THREADS)
        s.recipe[i * s.slots + it.slot] = it.recipe[i];
    for (int i = threadIdx.x; i < 4; i += THREADS) s.key[4 * it.slot + i] = it.training[i];
    int *order = s.order + static_cast<long long>(it.slot) * PAIRS;
    if (orders) {
        orders += static_cast<long long>(blockIdx.x) * PAIRS;
        for (int i = threadIdx.x; i < PAIRS; i += THREADS) order[i] = orders[i];
    } else {
        draw_order(order, it.split, reinterpret_cast<u32 *>(shared_memory));
    }
    if (threadIdx.x) return;
    s.step[it.slot] = 0;
    s.loss_mean[it.slot] = s.loss_variance[it.slot] = 0.f;
    s.decaying[it.slot] = 0;
    s.decay[it.slot] = 1.f;
}

__device__ __forceinline__ Memory take_places(unsigned char *shared_memory, float *outside,
                                              const float *weight) {
    Memory m;
    m.halves = reinterpret_cast<u16 *>(shared_memory);
    m.outside = reinterpret_cast<u16 *>(outside + O_HALVES);
    m.small = reinterpret_cast<float *>(m.halves + INSIDE);
    m.table = TABLE_INSIDE ? m.small + SMALL : outside + O_TABLE;
    m.rest = m.small + SMALL + TABLE_INSIDE;
    m.tokens = WIDE ? weight + TOKENS : m.small + S_TOKENS;
    m.query = WIDE ? weight + QUERY : m.small + S_QUERY;
    m.key = WIDE ? weight + KEY : m.small + S_KEY;
    return m;
}

// A slot's genes, and its weights where the model reads them. All threads; ends synchronised.
__device__ __forceinline__ Slot enter(const Memory &m, const State &s, int slot) {
    Slot it;
    float *gene = reinterpret_cast<float *>(&it.genes);
#pragma unroll
    for (int i = 0; i < static_cast<int>(sizeof(Genes) / 4); i++)
        gene[i] = s.recipe[i * s.slots + slot];
    it.k0 = static_cast<u32>(s.key[4 * slot]);
    it.k1 = static_cast<u32>(s.key[4 * slot + 1]);
    if (threadIdx.x < 2)
        m.small[S_DROPOUT_KEY + threadIdx.x] =
            __uint_as_float(static_cast<u32>(s.key[4 * slot + 2 + threadIdx.x]));
    it.order = s.order + static_cast<long long>(slot) * PAIRS;
    for (int i = threadIdx.x; i < D * DS; i += THREADS)  // columns that nothing else fills
        ToTable::at(m, i / DS, i % DS) = 0;
    __syncthreads();
    const float *weight = s.weight + static_cast<long long>(slot) * P;
    for (int i = threadIdx.x; i < P / 4; i += THREADS) {
        const float4 w4 = reinterpret_cast<const float4 *>(weight)[i];
        const float w[4] = {w4.x, w4.y, w4.z, w4.w};
        place(m, s.place[i], w);
    }
    __syncthreads();
    return it;
}

// Trains the listed slots; or, given somewhere to write it, only finds the loss and the gradient
// (P + 1 numbers a slot) of the coming step.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    train(State s, const int *listed, int steps, float *gradient, float *outside) {
    extern __shared__ __align__(16) unsigned char shared_memory[];
    const int slot = listed[blockIdx.x];
    const long long first = static_cast<long long>(slot) * P;
    outside += static_cast<long long>(blockIdx.x) * OUTSIDE;
    const Memory m = take_places(shared_memory, outside, s.weight + first);
    Training own;
    own.dtable = DTABLE_INSIDE ? m.rest : outside + O_DTABLE;
    own.buffer = m.rest + DTABLE_INSIDE;
    own.gradient = WIDE ? outside : own.buffer;
    own.met = reinterpret_cast<int *>(own.buffer + BUFFER_FLOATS);
    own.tokens = reinterpret_cast<u16 *>(own.met + 2 * ROWS);
    own.places = s.place;
    if (!WIDE) {
        Place *places = reinterpret_cast<Place *>(own.tokens + 4 * ROWS);
        for (int i = threadIdx.x; i < P / 4; i += THREADS) places[i] = s.place[i];
        own.places = places;
    }
    const Slot it = enter(m, s, slot);
    const Queue queue = {s.weight + first, s.mean + first, s.square + first, own.gradient,
                         own.buffer + B.queue_at};
    const Genes &genes = it.genes;

    // Every thread keeps the schedule; one writes it back.
    long long step = s.step[slot];
    float loss_mean = s.loss_mean[slot], loss_variance = s.loss_variance[slot],
          decay = s.decay[slot];
    bool decaying = s.decaying[slot];
    Arrivals coming = {0, Arrivals::drawn(it, 1, static_cast<u32>(step))};
    Arrivals::meet(own, 0, s.pairs[Arrivals::drawn(it, 0, static_cast<u32>(step))]);
#pragma unroll 1
    for (int i = 0; i < steps; i++) {
        const float loss = differentiate(m, own, s.pairs, it, static_cast<u32>(step), coming,
                                         queue);
        if (gradient) {
            for (int k = threadIdx.x; k < P; k += THREADS)
                gradient[static_cast<long long>(slot) * (P + 1) + k] = own.gradient[k];
            if (threadIdx.x == 0) gradient[static_cast<long long>(slot) * (P + 1) + P] = loss;
            return;
        }
        adamw(m, own, s, slot, genes, queue, step, rate(genes, step, decay));
        constexpr float newest = LOSS_WEIGHT;
        const float surprise = step == 0 ? 0.f : loss - loss_mean;
        loss_mean = step == 0 ? loss : loss_mean + newest * surprise;
        loss_variance = float(1 - LOSS_WEIGHT) * (loss_variance + newest * surprise * surprise);
        step++;
        decaying |= static_cast<float>(step) >= fmaxf(genes.warmup_steps, LOSSES_NEEDED) &&
                    loss_variance < genes.decay_trigger;
        if (decaying) decay *= 1.f - genes.decay_rate;
    }
    if (threadIdx.x) return;
    s.step[slot] = step;
    s.loss_mean[slot] = loss_mean;
    s.loss_variance[slot] = loss_variance;
    s.decaying[slot] = decaying;
    s.decay[slot] = decay;
}

// Evaluates the listed slots on every pair. Two blocks share a multiprocessor, if they have room.
extern "C" __global__ void __launch_bounds__(THREADS, WIDE ? 1 : 2)
    judge(State s, const int *listed, float *seen, float *outside) {
    extern __shared__ __align__(16) unsigned char shared_memory[];
    const int slot = listed[blockIdx.x];
    const Memory m = take_places(shared_memory, outside + static_cast<long long>(blockIdx.x) * OUTSIDE,
                                 s.weight + static_cast<long long>(slot) * P);
    const Slot it = enter(m, s, slot);
    u32 *gaps = reinterpret_cast<u32 *>(m.rest), *members = gaps + fours(TRAIN),
        *filled = members + MEMBERS + COUNTS - 1;
    for (int i = threadIdx.x; i < MEMBERS; i += THREADS) members[i] = 0;
    if (threadIdx.x == 0) *filled = 0;
    build_table(m, it.genes.inverse_embed_ratio);
    for (int i = threadIdx.x; i < TRAIN; i += THREADS)
        atomicOr(members + it.order[i] / 32, 1u << it.order[i] % 32);
    __syncthreads();
    const int lane = threadIdx.x % 32, warp = warp_index(), g = lane / 4, t = lane % 4;
    auto met = [&](int first, int r) {
        const int at = first + g + 8 * r;
        return at < PAIRS ? s.pairs[at] : 0;
    };
    Sums sums = {0.f, 0.f, 0.f, 0.f, 0.f};
    int coming[2] = {met(16 * warp, 0), met(16 * warp, 1)};
    // Pairs in their own order: neighbours share a, and meet rows of b that are neighbours too.
#pragma unroll 1
    for (int first = 16 * warp; first < PAIRS; first += ROWS) {
        const Example e[2] = {unpack(coming[0]), unpack(coming[1])};
        coming[0] = met(first + ROWS, 0);
        coming[1] = met(first + ROWS, 1);
        const u32 of_train = members[first / 32] >> first % 32;
        Passed p;
        p.kept[0][0] = p.kept[0][1] = p.kept[1][0] = p.kept[1][1] = ALL;
        float z[V / 8][4];
        forward(p, z, m, e, it.genes.layer_scale, nullptr);
        Weighed w[2];
        weigh(w, z, e);
        // All lanes of a quad know both rows: one of them judges the first, one the second.
        const int row = g + 8 * t;
        if (t < 2 && first + row < PAIRS) {
            const Weighed own = of_row(w, t);
            const Judged found = judged(own);
            const bool train = of_train >> row & 1, right = found.ahead > 0.f;
            sums.train_loss += train ? found.loss : 0.f;
            sums.train_right += train && right;
            sums.other_loss += train ? 0.f : found.loss;
            sums.other_right += !train && right;
            sums.zero += train && own.others == 0.f;
            // In any order: only order statistics are asked for.
            if (train) gaps[atomicAdd(filled, 1u)] = in_order(found.ahead);
        }
    }
    __syncthreads();
    finish_judging(m, sums, rate(it.genes, s.step[slot], s.decay[slot]),
                   seen + slot * SEEN_COLUMNS);
}
