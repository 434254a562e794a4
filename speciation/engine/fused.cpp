// A whole interval of a trial in one call: so many steps of training, then an evaluation.
//
// This is training.py for one slot after another, in the algebra of model.py, with every
// activation in the processor's cache: examples pass through the model in tiles, forward and
// backward, and only sums over examples outlive a tile. Sums have one fixed order, so a trial's
// bits are its own wherever it sits.
//
// Sizes, offsets and column numbers are macros, defined by fused_cpu.py from the Python that
// owns them. Matrices are row-major and their columns padded with zeros to whole vectors.
//
// Axes: T examples of a tile, R table rows, D model width, F ffn width, V vocabulary.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low half lies first");

namespace {

// -- Vectors --------------------------------------------------------------------------------

#if defined(__AVX512F__)
constexpr int LANES = 16, REGISTERS = 32;
#elif defined(__AVX__)
constexpr int LANES = 8, REGISTERS = 16;
#elif defined(__aarch64__)
constexpr int LANES = 4, REGISTERS = 32;
#else
constexpr int LANES = 4, REGISTERS = 16;
#endif

typedef float Vec __attribute__((vector_size(4 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));
typedef uint32_t Words __attribute__((vector_size(4 * LANES)));
typedef uint64_t Longs __attribute__((vector_size(4 * LANES)));
typedef int16_t Half __attribute__((may_alias));

constexpr int padded(int columns) { return (columns + LANES - 1) / LANES * LANES; }

constexpr int D = padded(WIDTH), F = padded(HIDDEN), V = padded(VOCABULARY);
constexpr int R = 2 * ELEMENTS + 1;
constexpr int T = 64;
constexpr int HEAD = WIDTH / HEADS;
constexpr int PARTS = D / LANES;  // vectors of a row of model width

inline Vec load(const float* from) {
    Vec v;
    std::memcpy(&v, from, sizeof v);
    return v;
}

inline void store(float* to, Vec v) { std::memcpy(to, &v, sizeof v); }

inline Vec all(float x) { return x - Vec{}; }

template <class To, class From>
inline To bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "");
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

// A NaN in the first argument comes back.
inline Vec larger(Vec x, Vec y) { return x < y ? y : x; }

template <int... INDEX>
inline Vec permuted(Vec v, std::integer_sequence<int, INDEX...>) {
#if defined(__clang__)
    return __builtin_shufflevector(v, v, INDEX...);
#else
    return __builtin_shuffle(v, Ints{INDEX...});
#endif
}

using Lanes = std::make_integer_sequence<int, LANES>;

// Lane i of the result is lane i ^ SPAN.
template <int SPAN, int... I>
inline Vec swapped(Vec v, std::integer_sequence<int, I...>) {
    return permuted(v, std::integer_sequence<int, (I ^ SPAN)...>{});
}

// The sum of each aligned group of SPAN lanes, in all lanes of the group.
template <int SPAN>
inline Vec group_sums(Vec v) {
    if constexpr (SPAN > 1) {
        v += swapped<SPAN / 2>(v, Lanes{});
        return group_sums<SPAN / 2>(v);
    }
    return v;
}

inline float sum(Vec v) { return group_sums<LANES>(v)[0]; }

template <int SPAN = LANES>
inline float greatest(Vec v) {
    if constexpr (SPAN > 1) return greatest<SPAN / 2>(larger(v, swapped<SPAN / 2>(v, Lanes{})));
    return v[0];
}

// Part `part` of a row with zeros in the lanes beyond its real columns.
inline Vec without_padding(Vec v, int part) {
    if constexpr (D > WIDTH)
        for (int i = WIDTH - part * LANES; i < LANES; i++) v[i] = 0.0f;
    return v;
}

// -- Exponential and logarithm ----------------------------------------------------------------

// exp(x) for x <= 0, with subnormals and then exactly zero; NaN stays NaN. Cody and Waite's
// reduction to exp(r) 2^n. 2^n is made as 2^(n + 64) 2^-64, so that subnormals round once; at
// the least n that is 0, and what is far away costs no underflow (slow on many processors).
inline Vec exp_negative(Vec x) {
    constexpr float MAGIC = 12582912.0f + 64 + 127;  // 1.5 * 2^23: its last bit counts ones
    x = larger(x, all(-132.4f));  // n = -191
    Vec shifted = x * 1.44269504088896341f + MAGIC;
    Vec n = shifted - MAGIC;
    Vec r = x - n * 0.693145751953125f;
    r = r - n * 1.42860682030941723212e-6f;
    Vec p = r * 1.38145993e-3f + 8.36871751e-3f;  // minimax, off by 3e-9 of exp(r)
    p = p * r + 4.16683890e-2f;
    p = p * r + 1.66665211e-1f;
    p = p * r + 4.99999940e-1f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    return p * bits<Vec>(bits<Ints>(shifted) << 23) * 5.42101086242752217e-20f;
}

// log(1 + x) for x >= 0: the logarithm of the rounded 1 + x, and what the rounding lost.
inline Vec log1p_positive(Vec x) {
    Vec u = 1.0f + x;
    Vec lost = (x - (u - 1.0f)) / u;
    // u = 2^n m with m in [sqrt(1/2), sqrt(2)).
    Ints n = (bits<Ints>(u) - 0x3F3504F3) >> 23;
    Vec f = bits<Vec>(bits<Ints>(u) - (n << 23)) - 1.0f;
    Vec p = f * 7.0376836292e-2f - 1.1514610310e-1f;  // Cephes' logf
    p = p * f + 1.1676998740e-1f;
    p = p * f - 1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f - 1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f - 2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    Vec e = __builtin_convertvector(n, Vec);
    Vec y = f * f * f * p + e * -2.12194440e-4f - 0.5f * f * f;
    return x != x ? x : f + (y + lost) + e * 0.693359375f;
}

// -- Matrix products --------------------------------------------------------------------------

struct Matrix {  // read with any strides
    const float* at;
    long row, column;
};

alignas(64) constexpr float ZEROS[std::max({D, F, V, 2 * D})] = {};

// ROWS by VECTORS * LANES numbers of start + A B, held in registers.
template <int ROWS, int VECTORS>
inline void block(int depth, Matrix a, const float* b, long b_row, const float* start,
                  long start_row, float* out, long out_row) {
    Vec total[ROWS][VECTORS];
#pragma GCC unroll 32
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 32
        for (int v = 0; v < VECTORS; v++) total[r][v] = load(start + r * start_row + v * LANES);
    for (int k = 0; k < depth; k++) {
        Vec right[VECTORS];
#pragma GCC unroll 32
        for (int v = 0; v < VECTORS; v++) right[v] = load(b + k * b_row + v * LANES);
#pragma GCC unroll 32
        for (int r = 0; r < ROWS; r++) {
            float left = a.at[r * a.row + k * a.column];
#pragma GCC unroll 32
            for (int v = 0; v < VECTORS; v++) total[r][v] += left * right[v];
        }
    }
#pragma GCC unroll 32
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 32
        for (int v = 0; v < VECTORS; v++) store(out + r * out_row + v * LANES, total[r][v]);
}

// All rows of so many columns.
template <int ROWS, int VECTORS>
inline void columns(int depth, Matrix a, const float* b, long b_row, const float* start,
                    long start_row, float* out, long out_row) {
    constexpr int HELD = std::min((REGISTERS - 1 - VECTORS) / VECTORS, 16), LEFT = ROWS % HELD;
    int r = 0;
    for (; r + HELD <= ROWS; r += HELD)
        block<HELD, VECTORS>(depth, {a.at + r * a.row, a.row, a.column}, b, b_row,
                             start + r * start_row, start_row, out + r * out_row, out_row);
    if constexpr (LEFT > 0)
        block<LEFT, VECTORS>(depth, {a.at + r * a.row, a.row, a.column}, b, b_row,
                             start + r * start_row, start_row, out + r * out_row, out_row);
}

// out (ROWS, COLUMNS) = start + A B; a row of start is start_row numbers after the one before.
template <int ROWS, int COLUMNS>
void multiply(int depth, Matrix a, const float* b, const float* start, long start_row,
              float* out) {
    constexpr int VECTORS = COLUMNS / LANES, MOST = REGISTERS == 32 ? 7 : 3;
    constexpr int PIECES = (VECTORS + MOST - 1) / MOST, WIDE = (VECTORS + PIECES - 1) / PIECES;
    constexpr int LEFT = VECTORS % WIDE;
    int v = 0;
    for (; v + WIDE <= VECTORS; v += WIDE)
        columns<ROWS, WIDE>(depth, a, b + v * LANES, COLUMNS, start + v * LANES, start_row,
                            out + v * LANES, COLUMNS);
    if constexpr (LEFT > 0)
        columns<ROWS, LEFT>(depth, a, b + v * LANES, COLUMNS, start + v * LANES, start_row,
                            out + v * LANES, COLUMNS);
}

// y = x W + b for so many rows x, of which `depth` columns are real.
template <int ROWS, int COLUMNS>
void linear(const float* x, long x_row, int depth, const float* weight, const float* bias,
            float* y) {
    multiply<ROWS, COLUMNS>(depth, {x, x_row, 1}, weight, bias, 0, y);
}

// weight += x' dy and bias += the sum of dy, over so many rows.
template <int DEPTH, int COLUMNS>
void add_outer(const float* x, long x_row, const float* dy, int rows, float* weight,
               float* bias) {
    multiply<DEPTH, COLUMNS>(rows, {x, 1, x_row}, dy, weight, COLUMNS, weight);
    for (int v = 0; v < COLUMNS; v += LANES) {
        Vec total = load(bias + v);
        for (int r = 0; r < rows; r++) total += load(dy + r * COLUMNS + v);
        store(bias + v, total);
    }
}

// -- What a slot is ---------------------------------------------------------------------------

struct Slots {  // the tensors of State, of the schedule and of the task; S slots
    float *weight, *mean, *square;  // (S, SIZE)
    const float* recipe;            // (columns, S)
    int64_t* step;                  // (S,) each, to decay
    float *loss_mean, *loss_variance;
    bool* decaying;
    float* decay;
    const int64_t* key;                    // (S, 4): of order, of dropout
    const int32_t* order;                  // (S, pairs)
    const int32_t *left, *right, *answer;  // (pairs,)
    int64_t slots, pairs, train_count, batch, drawn;
};

struct Weights {  // of one slot, as the products want them: padded, and transposed (_t)
    alignas(64) float gain1[D], shift1[D], query[WIDTH * D], query_t[WIDTH * D], query_bias[D];
    alignas(64) float both[WIDTH * 2 * D], both_t[2 * D * D], both_bias[2 * D];  // value, key
    alignas(64) float out[WIDTH * D], out_t[WIDTH * D], out_bias[D], gain2[D], shift2[D];
    alignas(64) float up[WIDTH * F], up_t[HIDDEN * D], up_bias[F];
    alignas(64) float down[HIDDEN * D], down_t[WIDTH * F], down_bias[D];
    alignas(64) float gain[D], shift[D], unembed[WIDTH * V], unembed_t[ELEMENTS * D];
    alignas(64) float unembed_bias[V];
};

struct Gradients {  // of the same
    alignas(64) float tokens[(ELEMENTS + 1) * D], positions[3 * D];
    alignas(64) float gain1[D], shift1[D], query[WIDTH * D], query_bias[D];
    alignas(64) float both[WIDTH * 2 * D], both_bias[2 * D];
    alignas(64) float out[WIDTH * D], out_bias[D], gain2[D], shift2[D];
    alignas(64) float up[WIDTH * F], up_bias[F], down[HIDDEN * D], down_bias[D];
    alignas(64) float gain[D], shift[D], unembed[WIDTH * V], unembed_bias[V];
};

struct Table {  // rows of every a, every b and "="
    alignas(64) float row[R * D], unit[R * D], shifted[R * D], both[R * 2 * D];
    alignas(64) float dboth[R * 2 * D], drow[R * D];
    alignas(64) float scale[padded(R)], query[D], score[R * HEADS + LANES];
};

struct Tile {  // the activations of T examples
    int32_t left[T], right[T], answer[T];
    int count;  // of them real; the others repeat the first, without weight
    alignas(64) float mix[3][padded(T * HEADS) + LANES], mixed[T * D];
    alignas(64) float kept[2][T * D], x[T * D];
    alignas(64) float unit2[T * D], scale2[T], normed2[T * D], hidden[T * F], branch[T * D];
    alignas(64) float unit[T * D], scale[T], normed[T * D], logits[T * V];
    alignas(64) float own[T], most[T], total[T], whole[T];
    alignas(64) float loss[T], gap[T], wrong[T], share[T];
    alignas(64) float dx[T * D], dy[T * D], dhidden[T * F];
    uint32_t words[T * WIDTH / 2 + 8 + 4 * LANES];
};

constexpr int ROUNDED = (SIZE + 4 * LANES - 1) / (4 * LANES) * (4 * LANES);

struct Work {
    Weights weights;
    Gradients gradients;
    Table table;
    Tile tile;
    alignas(64) float flat[ROUNDED];  // gradients in the layout's order
    std::vector<int32_t> examples;    // of the coming step
    std::vector<float> loss, gap, wrong;  // of every pair
    std::vector<int32_t> ranked;
};

struct Slot {
    const Slots& all;
    int64_t index;

    float recipe(int column) const { return all.recipe[column * all.slots + index]; }
    const float* weight() const { return all.weight + index * SIZE; }
    const int32_t* order() const { return all.order + index * all.pairs; }
    float layer_scale() const { return recipe(RECIPE_LAYER_SCALE); }
    float embed_scale() const { return recipe(RECIPE_INVERSE_EMBED_RATIO); }

    float learning_rate() const {  // of the coming step
        float count = static_cast<float>(all.step[index] + 1);
        float warm = std::min(count / std::max(recipe(RECIPE_WARMUP_STEPS), 1.0f), 1.0f);
        return recipe(RECIPE_LEARNING_RATE) * warm * all.decay[index];
    }
};

// -- Random numbers: streams.py ---------------------------------------------------------------

// Both halves of each product; the even words first, then the odd ones.
inline void multiply_words(Words x, uint32_t factor, Words& high, Words& low) {
    constexpr uint64_t LOW = 0xFFFFFFFF;
    Longs even = (bits<Longs>(x) & LOW) * factor, odd = (bits<Longs>(x) >> 32) * factor;
    high = bits<Words>((even >> 32) | (odd & ~LOW));
    low = bits<Words>((even & LOW) | (odd << 32));
}

// Words 4 i ... 4 i + 3 of each block i from `first`, one in each lane; up to 4 LANES more.
void philox(Slot slot, uint32_t purpose, int64_t first, int64_t count, uint32_t* words) {
    const Words none{};
    Words lanes;
    for (int i = 0; i < LANES; i++) lanes[i] = i;
    for (int64_t begin = 0; begin < count; begin += LANES) {
        const int64_t* key = slot.all.key + 4 * slot.index + (purpose == PURPOSE_DROPOUT ? 2 : 0);
        auto k0 = static_cast<uint32_t>(key[0]), k1 = static_cast<uint32_t>(key[1]);
        Words c0 = lanes + static_cast<uint32_t>(first + begin);
        Words c1 = none + static_cast<uint32_t>(slot.all.step[slot.index]);
        Words c2 = none + purpose, c3 = none;  // the lane of "=" is 0
        for (int round = 0; round < 10; round++) {
            Words high0, low0, high2, low2;
            multiply_words(c0, 0xD2511F53, high0, low0);
            multiply_words(c2, 0xCD9E8D57, high2, low2);
            c0 = high2 ^ c1 ^ k0;
            c1 = low2;
            c2 = high0 ^ c3 ^ k1;
            c3 = low0;
            k0 += 0x9E3779B9;
            k1 += 0xBB67AE85;
        }
        for (int i = 0; i < LANES; i++) {
            uint32_t* to = words + 4 * (begin + i);
            to[0] = c0[i];
            to[1] = c1[i];
            to[2] = c2[i];
            to[3] = c3[i];
        }
    }
}

// The examples of the coming step, indices into the task's table.
void draw_examples(Slot slot, std::vector<int32_t>& examples) {
    int64_t batch = slot.all.batch, blocks = (batch + 3) / 4;
    examples.resize(batch);
    if (!slot.all.drawn) {
        std::copy_n(slot.order(), batch, examples.data());
        return;
    }
    std::vector<uint32_t> words(4 * (blocks + LANES));
    philox(slot, PURPOSE_ORDER, 0, blocks, words.data());
    auto count = static_cast<uint64_t>(slot.all.train_count);
    for (int64_t i = 0; i < batch; i++) examples[i] = slot.order()[(words[i] * count) >> 32];
}

// Dropout factors (T, D) of one of the two branches, for examples from `first`.
void draw_kept(Slot slot, int branch, int64_t first, uint32_t* words, float* kept) {
    int64_t begin = (branch * slot.all.batch + first) * WIDTH, block = begin / 8;
    philox(slot, PURPOSE_DROPOUT, block, (begin + T * WIDTH + 7) / 8 - block, words);
    float threshold = slot.recipe(RECIPE_DROPOUT_THRESHOLD);
    float scale = DROPOUT_LEVELS / (DROPOUT_LEVELS - threshold);
    int limit = static_cast<int>(threshold) - DROPOUT_LEVELS / 2;
    const Half* half = reinterpret_cast<const Half*>(words) + begin % 8;
    for (int e = 0; e < T; e++)
        for (int d = 0; d < WIDTH; d++)
            kept[e * D + d] = half[e * WIDTH + d] >= limit ? scale : 0.0f;
}

// -- Layer norm -------------------------------------------------------------------------------

// Mean 0 and variance 1 along D, before gain and shift; `scale` has room for whole vectors.
void norm(const float* x, int rows, float* unit, float* scale) {
    constexpr float EPSILON = NORM_EPSILON;
    for (int r = 0; r < rows; r++) {
        Vec total{}, square{}, centred[PARTS];
        for (int p = 0; p < PARTS; p++) total += load(x + r * D + p * LANES);
        Vec mean = group_sums<LANES>(total) * (1.0f / WIDTH);
        for (int p = 0; p < PARTS; p++) {
            centred[p] = without_padding(load(x + r * D + p * LANES) - mean, p);
            square += centred[p] * centred[p];
            store(unit + r * D + p * LANES, centred[p]);
        }
        scale[r] = sum(square);
    }
    for (int r = 0; r < rows; r++)
        scale[r] = 1.0f / std::sqrt(scale[r] * (1.0f / WIDTH) + EPSILON);
    for (int r = 0; r < rows; r++)
        for (int p = 0; p < D; p += LANES)
            store(unit + r * D + p, load(unit + r * D + p) * scale[r]);
}

void affine(const float* unit, int rows, const float* gain, const float* shift, float* y) {
    for (int r = 0; r < rows; r++)
        for (int p = 0; p < D; p += LANES)
            store(y + r * D + p, load(unit + r * D + p) * load(gain + p) + load(shift + p));
}

// From the gradient after gain and shift to that before the norm, in place; both add theirs.
void norm_back(float* dy, int rows, const float* unit, const float* scale, const float* gain,
               float* dgain, float* dshift) {
    Vec gains[PARTS], shifts[PARTS];
    for (int p = 0; p < PARTS; p++) {
        gains[p] = load(dgain + p * LANES);
        shifts[p] = load(dshift + p * LANES);
    }
    for (int r = 0; r < rows; r++) {
        Vec dunit[PARTS], mean{}, along{};
        for (int p = 0; p < PARTS; p++) {
            Vec d = load(dy + r * D + p * LANES), u = load(unit + r * D + p * LANES);
            gains[p] += d * u;
            shifts[p] += d;
            dunit[p] = d * load(gain + p * LANES);
            mean += dunit[p];
            along += dunit[p] * u;
        }
        mean = group_sums<LANES>(mean) * (1.0f / WIDTH);
        along = group_sums<LANES>(along) * (1.0f / WIDTH);
        for (int p = 0; p < PARTS; p++) {
            Vec u = load(unit + r * D + p * LANES);
            Vec dx = (dunit[p] - mean - u * along) * scale[r];
            store(dy + r * D + p * LANES, without_padding(dx, p));
        }
    }
    for (int p = 0; p < PARTS; p++) {
        store(dgain + p * LANES, gains[p]);
        store(dshift + p * LANES, shifts[p]);
    }
}

// -- Attention over the table -----------------------------------------------------------------

// Lanes of part PART of a row, each with the number of its head.
template <int PART, int... I>
inline Vec spread_part(const float* per_head, std::integer_sequence<int, I...>) {
    constexpr int FIRST = PART * LANES / HEAD;
    return permuted(load(per_head + FIRST),
                    std::integer_sequence<int, (std::min((PART * LANES + I) / HEAD, HEADS - 1) -
                                                FIRST)...>{});
}

template <int... PART>
inline void spread_parts(const float* per_head, Vec* wide,
                         std::integer_sequence<int, PART...>) {
    ((wide[PART] = spread_part<PART>(per_head, Lanes{})), ...);
}

// (H,) to (D,): each head's number for each of its columns. Reads up to LANES numbers more.
inline void spread(const float* per_head, Vec (&wide)[PARTS]) {
    spread_parts(per_head, wide, std::make_integer_sequence<int, PARTS>{});
}

// Each column becomes the sum of its head's columns.
inline void sum_heads(Vec (&wide)[PARTS]) {
    if constexpr (HEAD <= LANES && (HEAD & (HEAD - 1)) == 0) {
        for (int p = 0; p < PARTS; p++) wide[p] = group_sums<HEAD>(wide[p]);
    } else {
        float columns[D], per_head[HEADS + LANES] = {};
        std::memcpy(columns, wide, sizeof columns);
        for (int d = 0; d < WIDTH; d++) per_head[d / HEAD] += columns[d];
        spread(per_head, wide);
    }
}

// Rows, keys, values and scores of all tokens at their positions.
void fill_table(Slot slot, const Weights& w, Table& t) {
    const float *tokens = slot.weight() + AT_TOKENS, *positions = slot.weight() + AT_POSITIONS;
    float factor = slot.embed_scale();
    for (int r = 0; r < R; r++) {
        int position = r / ELEMENTS, token = position < 2 ? r % ELEMENTS : ELEMENTS;
        const float* at = positions + position * WIDTH;
        for (int d = 0; d < WIDTH; d++)
            t.row[r * D + d] = tokens[token * WIDTH + d] * factor + at[d];
    }
    norm(t.row, R, t.unit, t.scale);
    affine(t.unit, R, w.gain1, w.shift1, t.shifted);
    linear<R, 2 * D>(t.shifted, D, WIDTH, w.both, w.both_bias, t.both);
    linear<1, D>(t.shifted + (R - 1) * D, D, WIDTH, w.query, w.query_bias, t.query);
    const float factor_of_scores = 1.0f / std::sqrt(static_cast<float>(HEAD));
    for (int r = 0; r < R; r++) {
        Vec score[PARTS];
        for (int p = 0; p < PARTS; p++)
            score[p] = load(t.both + (2 * r + 1) * D + p * LANES) * load(t.query + p * LANES);
        sum_heads(score);
        float columns[D];
        std::memcpy(columns, score, sizeof columns);
        for (int h = 0; h < HEADS; h++)
            t.score[r * HEADS + h] = columns[h * HEAD] * factor_of_scores;
    }
}

// Softmax over the three rows that each example meets, and the mixed values.
void attend(const Table& t, Tile& tile) {
    auto& mix = tile.mix;
    for (int e = 0; e < T; e++) {
        const float* met[3] = {t.score + tile.left[e] * HEADS,
                               t.score + (tile.right[e] + ELEMENTS) * HEADS,
                               t.score + (R - 1) * HEADS};
        for (int i = 0; i < 3; i++)
            std::memcpy(mix[i] + e * HEADS, met[i], HEADS * sizeof(float));
    }
    for (int i = 0; i < padded(T * HEADS); i += LANES) {
        Vec a = load(mix[0] + i), b = load(mix[1] + i), c = load(mix[2] + i);
        Vec top = larger(larger(a, b), c);
        a = exp_negative(a - top), b = exp_negative(b - top), c = exp_negative(c - top);
        Vec inverse = 1.0f / (a + b + c);
        store(mix[0] + i, a * inverse);
        store(mix[1] + i, b * inverse);
        store(mix[2] + i, c * inverse);
    }
    for (int e = 0; e < T; e++) {
        Vec a[PARTS], b[PARTS], c[PARTS];
        spread(mix[0] + e * HEADS, a);
        spread(mix[1] + e * HEADS, b);
        spread(mix[2] + e * HEADS, c);
        const float* left = t.both + 2L * D * tile.left[e];
        const float* right = t.both + 2L * D * (tile.right[e] + ELEMENTS);
        const float* equals = t.both + 2L * D * (R - 1);
        for (int p = 0; p < PARTS; p++) {
            Vec mixed = a[p] * load(left + p * LANES) + b[p] * load(right + p * LANES) +
                        c[p] * load(equals + p * LANES);
            store(tile.mixed + e * D + p * LANES, mixed);
        }
    }
}

inline void add(float* to, Vec v) { store(to, load(to) + v); }

// From the gradient of the mixed values (T, D) to those of the table's values and scores.
// The softmax's gradient by pairs, as model.py says; a score's stands in every column of its
// head.
void attend_back(const float* dmixed, const Tile& tile, Table& t) {
    Vec equals[PARTS], equals_value[PARTS] = {}, equals_score[PARTS] = {};
    for (int p = 0; p < PARTS; p++) equals[p] = load(t.both + 2L * D * (R - 1) + p * LANES);
    for (int e = 0; e < T; e++) {
        Vec a[PARTS], b[PARTS], c[PARTS], over_b[PARTS], over_c[PARTS];
        spread(tile.mix[0] + e * HEADS, a);
        spread(tile.mix[1] + e * HEADS, b);
        spread(tile.mix[2] + e * HEADS, c);
        long left = 2L * D * tile.left[e], right = 2L * D * (tile.right[e] + ELEMENTS);
        for (int p = 0; p < PARTS; p++) {
            Vec d = load(dmixed + e * D + p * LANES), value = load(t.both + left + p * LANES);
            over_b[p] = d * (value - load(t.both + right + p * LANES));
            over_c[p] = d * (value - equals[p]);
        }
        sum_heads(over_b);
        sum_heads(over_c);
        for (int p = 0; p < PARTS; p++) {
            Vec d = load(dmixed + e * D + p * LANES);
            Vec ab = a[p] * b[p] * over_b[p], ac = a[p] * c[p] * over_c[p];
            Vec bc = b[p] * c[p] * (over_c[p] - over_b[p]);
            add(t.dboth + left + p * LANES, a[p] * d);
            add(t.dboth + left + D + p * LANES, ab + ac);
            add(t.dboth + right + p * LANES, b[p] * d);
            add(t.dboth + right + D + p * LANES, bc - ab);
            equals_value[p] += c[p] * d;
            equals_score[p] -= ac + bc;
        }
    }
    for (int p = 0; p < PARTS; p++) {
        add(t.dboth + 2L * D * (R - 1) + p * LANES, equals_value[p]);
        add(t.dboth + 2L * D * (R - 1) + D + p * LANES, equals_score[p]);
    }
}

// From the table's gradients to those of all that made it; `dequals` (D,) is what reaches the
// residual stream at "=" directly.
void table_back(Slot slot, const Weights& w, Table& t, const float* dequals, Gradients& g) {
    alignas(64) float dquery[D] = {};
    const float* last = t.shifted + (R - 1) * D;
    const float factor = 1.0f / std::sqrt(static_cast<float>(HEAD));
    for (int r = 0; r < R; r++)
        for (int p = 0; p < D; p += LANES) {
            float* dkey = t.dboth + (2L * r + 1) * D + p;
            Vec dscore = load(dkey) * factor;
            add(dquery + p, dscore * load(t.both + (2L * r + 1) * D + p));
            store(dkey, dscore * load(t.query + p));
        }
    add_outer<WIDTH, 2 * D>(t.shifted, D, t.dboth, R, g.both, g.both_bias);
    add_outer<WIDTH, D>(last, D, dquery, 1, g.query, g.query_bias);
    multiply<R, D>(2 * D, {t.dboth, 2 * D, 1}, w.both_t, ZEROS, 0, t.drow);
    float* drow_last = t.drow + (R - 1) * D;
    multiply<1, D>(WIDTH, {dquery, D, 1}, w.query_t, drow_last, D, drow_last);
    norm_back(t.drow, R, t.unit, t.scale, w.gain1, g.gain1, g.shift1);
    for (int d = 0; d < D; d++) drow_last[d] += dequals[d];
    float ratio = slot.embed_scale();
    for (int n = 0; n < ELEMENTS; n++)
        for (int p = 0; p < D; p += LANES) {
            Vec left = load(t.drow + n * D + p), right = load(t.drow + (n + ELEMENTS) * D + p);
            store(g.tokens + n * D + p, (left + right) * ratio);
            add(g.positions + p, left);
            add(g.positions + D + p, right);
        }
    for (int d = 0; d < D; d++) {
        g.tokens[ELEMENTS * D + d] = drow_last[d] * ratio;
        g.positions[2 * D + d] = drow_last[d];
    }
}

// -- The loss: loss.py ------------------------------------------------------------------------

// Loss, gap and wrong probability of the tile's examples; the logits become
// exp(z - z_y - shift), zero at the correct class.
void judge(Tile& tile) {
    for (int e = 0; e < T; e++) {
        float* own = tile.logits + e * V + tile.answer[e];
        tile.own[e] = *own;
        *own = -INFINITY;
    }
    for (int e = 0; e < T; e++) {
        Vec most = load(tile.logits + e * V);
        for (int v = LANES; v < V; v += LANES)
            most = larger(load(tile.logits + e * V + v), most);
        tile.most[e] = greatest(most) - tile.own[e];
    }
    for (int e = 0; e < T; e++) {
        float shift = tile.most[e] < 0.0f ? 0.0f : tile.most[e];
        Vec total{};
        for (int v = 0; v < V; v += LANES) {
            Vec other = exp_negative(load(tile.logits + e * V + v) - tile.own[e] - shift);
            store(tile.logits + e * V + v, other);
            total += other;
        }
        tile.total[e] = sum(total);
    }
    for (int e = 0; e < T; e += LANES) {
        Vec most = load(tile.most + e), total = load(tile.total + e);
        Vec shift = larger(most, Vec{});
        Vec own = exp_negative(-shift);
        store(tile.loss + e, shift + log1p_positive(total + (own - 1.0f)));
        store(tile.gap + e, -most);
        store(tile.whole + e, total + own);
        store(tile.wrong + e, total / (total + own));
    }
}

// The logits' gradient of a mean over `batch` examples, from what judge() left behind.
void logits_back(Tile& tile, int64_t batch) {
    const auto examples = static_cast<float>(batch);
    for (int e = 0; e < T; e++)
        tile.share[e] = e < tile.count ? 1.0f / (tile.whole[e] * examples) : 0.0f;
    for (int e = 0; e < T; e++)
        for (int v = 0; v < V; v += LANES)
            store(tile.logits + e * V + v, load(tile.logits + e * V + v) * tile.share[e]);
    for (int e = 0; e < T; e++)
        tile.logits[e * V + tile.answer[e]] = -tile.total[e] * tile.share[e];
}

// -- A tile through the model -----------------------------------------------------------------

// `count` examples, all T where there are as many; indices may be null for consecutive ones.
void gather(const Slots& all, const int32_t* index, int64_t first, int64_t end, Tile& tile) {
    tile.count = static_cast<int>(std::min<int64_t>(T, end - first));
    for (int e = 0; e < T; e++) {
        int64_t i = e < tile.count ? first + e : first;
        i = index ? index[i] : i;
        tile.left[e] = all.left[i];
        tile.right[e] = all.right[i];
        tile.answer[e] = all.answer[i];
    }
}

// x = residual + factor * branch * kept, for rows of a residual that lie residual_row apart.
void add_branch(const float* residual, long residual_row, float factor, const float* branch,
                const float* kept, float* x) {
    for (int e = 0; e < T; e++)
        for (int p = 0; p < D; p += LANES) {
            Vec added = load(branch + e * D + p);
            if (kept) added *= load(kept + e * D + p);
            store(x + e * D + p, load(residual + e * residual_row + p) + factor * added);
        }
}

// branch = factor * dx * kept
void branch_back(float factor, const float* dx, const float* kept, float* branch) {
    for (int i = 0; i < T * D; i += LANES) {
        Vec d = factor * load(dx + i);
        store(branch + i, kept ? d * load(kept + i) : d);
    }
}

void forward(float factor, const Weights& w, const Table& t, bool noisy, Tile& tile) {
    attend(t, tile);
    linear<T, D>(tile.mixed, D, WIDTH, w.out, w.out_bias, tile.branch);
    const float* equals = t.row + (R - 1) * D;
    add_branch(equals, 0, factor, tile.branch, noisy ? tile.kept[0] : nullptr, tile.x);
    norm(tile.x, T, tile.unit2, tile.scale2);
    affine(tile.unit2, T, w.gain2, w.shift2, tile.normed2);
    linear<T, F>(tile.normed2, D, WIDTH, w.up, w.up_bias, tile.hidden);
    for (int i = 0; i < T * F; i += LANES)
        store(tile.hidden + i, larger(load(tile.hidden + i), Vec{}));
    linear<T, D>(tile.hidden, F, HIDDEN, w.down, w.down_bias, tile.branch);
    add_branch(tile.x, D, factor, tile.branch, noisy ? tile.kept[1] : nullptr, tile.x);
    norm(tile.x, T, tile.unit, tile.scale);
    affine(tile.unit, T, w.gain, w.shift, tile.normed);
    linear<T, V>(tile.normed, D, WIDTH, w.unembed, w.unembed_bias, tile.logits);
}

// Adds the tile's share of all gradients; `dequals` takes what reaches the residual stream.
void backward(float factor, const Weights& w, bool noisy, Tile& tile, Table& t, float* dequals,
              Gradients& g) {
    add_outer<WIDTH, V>(tile.normed, D, tile.logits, T, g.unembed, g.unembed_bias);
    multiply<T, D>(ELEMENTS, {tile.logits, V, 1}, w.unembed_t, ZEROS, 0, tile.dx);
    norm_back(tile.dx, T, tile.unit, tile.scale, w.gain, g.gain, g.shift);

    branch_back(factor, tile.dx, noisy ? tile.kept[1] : nullptr, tile.branch);
    add_outer<HIDDEN, D>(tile.hidden, F, tile.branch, T, g.down, g.down_bias);
    multiply<T, F>(WIDTH, {tile.branch, D, 1}, w.down_t, ZEROS, 0, tile.dhidden);
    for (int i = 0; i < T * F; i += LANES) {
        Vec d = load(tile.dhidden + i);
        store(tile.dhidden + i, load(tile.hidden + i) > 0.0f ? d : Vec{});
    }
    add_outer<WIDTH, F>(tile.normed2, D, tile.dhidden, T, g.up, g.up_bias);
    multiply<T, D>(HIDDEN, {tile.dhidden, F, 1}, w.up_t, ZEROS, 0, tile.dy);
    norm_back(tile.dy, T, tile.unit2, tile.scale2, w.gain2, g.gain2, g.shift2);

    for (int p = 0; p < D; p += LANES) {
        Vec total = load(dequals + p);
        for (int i = p; i < T * D; i += D) {
            Vec d = load(tile.dx + i) + load(tile.dy + i);
            store(tile.dx + i, d);
            total += d;
        }
        store(dequals + p, total);
    }
    branch_back(factor, tile.dx, noisy ? tile.kept[0] : nullptr, tile.branch);
    add_outer<WIDTH, D>(tile.mixed, D, tile.branch, T, g.out, g.out_bias);
    multiply<T, D>(WIDTH, {tile.branch, D, 1}, w.out_t, ZEROS, 0, tile.dy);
    attend_back(tile.dy, tile, t);
}

// -- Between the flat vector and the padded matrices ------------------------------------------

void put(const float* from, int rows, int columns, float* to, long to_row) {
    for (int r = 0; r < rows; r++)
        std::memcpy(to + r * to_row, from + r * columns, columns * sizeof(float));
}

void put_transposed(const float* from, int rows, int columns, float* to, long to_row) {
    for (int c = 0; c < columns; c++)
        for (int r = 0; r < rows; r++) to[c * to_row + r] = from[r * columns + c];
}

void take(const float* from, long from_row, int rows, int columns, float* to) {
    for (int r = 0; r < rows; r++)
        std::memcpy(to + r * columns, from + r * from_row, columns * sizeof(float));
}

void unpack_weights(const float* flat, Weights& w) {
    put(flat + AT_0_NORM1_GAIN, 1, WIDTH, w.gain1, D);
    put(flat + AT_0_NORM1_SHIFT, 1, WIDTH, w.shift1, D);
    put(flat + AT_0_QUERY, WIDTH, WIDTH, w.query, D);
    put_transposed(flat + AT_0_QUERY, WIDTH, WIDTH, w.query_t, D);
    put(flat + AT_0_QUERY_BIAS, 1, WIDTH, w.query_bias, D);
    put(flat + AT_0_VALUE, WIDTH, WIDTH, w.both, 2 * D);
    put(flat + AT_0_KEY, WIDTH, WIDTH, w.both + D, 2 * D);
    put_transposed(flat + AT_0_VALUE, WIDTH, WIDTH, w.both_t, D);
    put_transposed(flat + AT_0_KEY, WIDTH, WIDTH, w.both_t + D * D, D);
    put(flat + AT_0_VALUE_BIAS, 1, WIDTH, w.both_bias, D);
    put(flat + AT_0_OUT, WIDTH, WIDTH, w.out, D);
    put_transposed(flat + AT_0_OUT, WIDTH, WIDTH, w.out_t, D);
    put(flat + AT_0_OUT_BIAS, 1, WIDTH, w.out_bias, D);
    put(flat + AT_0_NORM2_GAIN, 1, WIDTH, w.gain2, D);
    put(flat + AT_0_NORM2_SHIFT, 1, WIDTH, w.shift2, D);
    put(flat + AT_0_UP, WIDTH, HIDDEN, w.up, F);
    put_transposed(flat + AT_0_UP, WIDTH, HIDDEN, w.up_t, D);
    put(flat + AT_0_UP_BIAS, 1, HIDDEN, w.up_bias, F);
    put(flat + AT_0_DOWN, HIDDEN, WIDTH, w.down, D);
    put_transposed(flat + AT_0_DOWN, HIDDEN, WIDTH, w.down_t, F);
    put(flat + AT_0_DOWN_BIAS, 1, WIDTH, w.down_bias, D);
    put(flat + AT_NORM_GAIN, 1, WIDTH, w.gain, D);
    put(flat + AT_NORM_SHIFT, 1, WIDTH, w.shift, D);
    const float* unembed = flat + AT_UNEMBED;
    for (int k = 0; k < WIDTH; k++)
        for (int c = 0; c < ELEMENTS; c++)
            w.unembed[k * V + c] = w.unembed_t[c * D + k] = unembed[k * VOCABULARY + c];
    put(flat + AT_UNEMBED_BIAS, 1, ELEMENTS, w.unembed_bias, V);
    std::fill(w.unembed_bias + ELEMENTS, w.unembed_bias + V, static_cast<float>(PAD_LOGIT));
}

void pack_gradients(const Gradients& g, float* flat) {
    take(g.tokens, D, ELEMENTS + 1, WIDTH, flat + AT_TOKENS);
    take(g.positions, D, 3, WIDTH, flat + AT_POSITIONS);
    take(g.gain1, D, 1, WIDTH, flat + AT_0_NORM1_GAIN);
    take(g.shift1, D, 1, WIDTH, flat + AT_0_NORM1_SHIFT);
    take(g.query, D, WIDTH, WIDTH, flat + AT_0_QUERY);
    take(g.query_bias, D, 1, WIDTH, flat + AT_0_QUERY_BIAS);
    take(g.both, 2 * D, WIDTH, WIDTH, flat + AT_0_VALUE);
    take(g.both + D, 2 * D, WIDTH, WIDTH, flat + AT_0_KEY);
    take(g.both_bias, D, 1, WIDTH, flat + AT_0_VALUE_BIAS);
    take(g.out, D, WIDTH, WIDTH, flat + AT_0_OUT);
    take(g.out_bias, D, 1, WIDTH, flat + AT_0_OUT_BIAS);
    take(g.gain2, D, 1, WIDTH, flat + AT_0_NORM2_GAIN);
    take(g.shift2, D, 1, WIDTH, flat + AT_0_NORM2_SHIFT);
    take(g.up, F, WIDTH, HIDDEN, flat + AT_0_UP);
    take(g.up_bias, F, 1, HIDDEN, flat + AT_0_UP_BIAS);
    take(g.down, D, HIDDEN, WIDTH, flat + AT_0_DOWN);
    take(g.down_bias, D, 1, WIDTH, flat + AT_0_DOWN_BIAS);
    take(g.gain, D, 1, WIDTH, flat + AT_NORM_GAIN);
    take(g.shift, D, 1, WIDTH, flat + AT_NORM_SHIFT);
    take(g.unembed, V, WIDTH, VOCABULARY, flat + AT_UNEMBED);
    take(g.unembed_bias, V, 1, VOCABULARY, flat + AT_UNEMBED_BIAS);
}

// -- Step and evaluation: training.py, optimizer.py -------------------------------------------

// Mean loss of the coming step; its gradient lies in `flat`.
float step_gradients(Slot slot, Work& work) {
    const Weights& w = work.weights;
    Tile& tile = work.tile;
    unpack_weights(slot.weight(), work.weights);
    fill_table(slot, w, work.table);
    draw_examples(slot, work.examples);
    std::memset(&work.gradients, 0, sizeof work.gradients);
    std::memset(work.table.dboth, 0, sizeof work.table.dboth);
    alignas(64) float dequals[D] = {};
    float factor = slot.layer_scale();
    bool noisy = slot.recipe(RECIPE_DROPOUT_THRESHOLD) != 0.0f;
    double loss = 0.0;
    int64_t batch = slot.all.batch;
    for (int64_t first = 0; first < batch; first += T) {
        gather(slot.all, work.examples.data(), first, batch, tile);
        for (int branch = 0; noisy && branch < 2; branch++)
            draw_kept(slot, branch, first, tile.words, tile.kept[branch]);
        forward(factor, w, work.table, noisy, tile);
        judge(tile);
        for (int e = 0; e < tile.count; e++) loss += tile.loss[e];
        logits_back(tile, batch);
        backward(factor, w, noisy, tile, work.table, dequals, work.gradients);
    }
    table_back(slot, w, work.table, dequals, work.gradients);
    pack_gradients(work.gradients, work.flat);
    return static_cast<float>(loss / static_cast<double>(batch));
}

// What clipping multiplies the gradient with.
float clip_factor(float limit, const float* flat) {
    Vec total[4] = {};
    for (int i = 0; i < ROUNDED; i += 4 * LANES)
        for (int j = 0; j < 4; j++) {
            Vec g = load(flat + i + j * LANES);
            total[j] += g * g;
        }
    float norm = std::sqrt(sum((total[0] + total[1]) + (total[2] + total[3])));
    float factor = limit / (norm + static_cast<float>(CLIP_EPSILON));
    return factor > 1.0f ? 1.0f : factor;
}

void adamw(Slot slot, float clip, const float* flat) {
    float* __restrict weight = slot.all.weight + slot.index * SIZE;
    float* __restrict mean = slot.all.mean + slot.index * SIZE;
    float* __restrict square = slot.all.square + slot.index * SIZE;
    float count = static_cast<float>(slot.all.step[slot.index] + 1);
    float newest1 = slot.recipe(RECIPE_ONE_MINUS_BETA1);
    float newest2 = slot.recipe(RECIPE_ONE_MINUS_BETA2);
    float correction1 = -std::expm1(count * slot.recipe(RECIPE_LOG_BETA1));
    float correction2 = 1.0f / -std::expm1(count * slot.recipe(RECIPE_LOG_BETA2));
    float epsilon = slot.recipe(RECIPE_EPSILON), rate = slot.learning_rate();
    float left = 1.0f - rate * slot.recipe(RECIPE_WEIGHT_DECAY), length = rate / correction1;
    for (int i = 0; i < SIZE; i++) {
        float g = flat[i] * clip;
        mean[i] += newest1 * (g - mean[i]);
        square[i] += newest2 * (g * g - square[i]);
        float root = std::sqrt(square[i] * correction2) + epsilon;
        weight[i] = weight[i] * left - mean[i] * length / root;
    }
}

void advance_schedule(Slot slot, float loss) {
    const Slots& all = slot.all;
    int64_t s = slot.index;
    constexpr float NEWEST = LOSS_WEIGHT;
    bool first = all.step[s] == 0;
    float surprise = first ? 0.0f : loss - all.loss_mean[s];
    all.loss_mean[s] = first ? loss : all.loss_mean[s] + NEWEST * surprise;
    all.loss_variance[s] = static_cast<float>(1 - LOSS_WEIGHT) *
                           (all.loss_variance[s] + NEWEST * surprise * surprise);
    all.step[s] += 1;
    float needed = std::max<float>(slot.recipe(RECIPE_WARMUP_STEPS), LOSSES_NEEDED);
    all.decaying[s] |= static_cast<float>(all.step[s]) >= needed &&
                       all.loss_variance[s] < slot.recipe(RECIPE_DECAY_TRIGGER);
    if (all.decaying[s]) all.decay[s] *= 1.0f - slot.recipe(RECIPE_DECAY_RATE);
}

void train_step(Slot slot, Work& work) {
    float loss = step_gradients(slot, work);
    adamw(slot, clip_factor(slot.recipe(RECIPE_GRAD_CLIP), work.flat), work.flat);
    advance_schedule(slot, loss);
}

// Integers in the order of floats, every NaN last; its own inverse but for NaN.
int32_t rank(float x) {
    int32_t i = bits<int32_t>(x);
    return x != x ? INT32_MAX : i < 0 ? i ^ INT32_MAX : i;
}

// The number that a sort would put at round(q (count - 1)), a half to the even place.
float quantile(double q, int64_t count, int32_t* ranked) {
    double last = static_cast<double>(count - 1);
    int32_t* place = ranked + static_cast<int64_t>(std::nearbyint(q * last));
    std::nth_element(ranked, place, ranked + count);
    return bits<float>(*place < 0 ? *place ^ INT32_MAX : *place);
}

struct Means {  // of a stretch of the slot's order
    float loss, accuracy, zero_share;
};

Means means(const Work& work, const int32_t* order, int64_t count) {
    double loss = 0.0, correct = 0.0, zero = 0.0;
    for (int64_t i = 0; i < count; i++) {
        int32_t pair = order[i];
        loss += work.loss[pair];
        correct += work.gap[pair] > 0.0f;
        zero += work.wrong[pair] == 0.0f;
    }
    double all = static_cast<double>(count);
    return {static_cast<float>(loss / all), static_cast<float>(correct / all),
            static_cast<float>(zero / all)};
}

void judge_all(Slot slot, Work& work) {
    Tile& tile = work.tile;
    int64_t pairs = slot.all.pairs;
    for (auto* column : {&work.loss, &work.gap, &work.wrong}) column->resize(pairs);
    unpack_weights(slot.weight(), work.weights);
    fill_table(slot, work.weights, work.table);
    for (int64_t first = 0; first < pairs; first += T) {
        gather(slot.all, nullptr, first, pairs, tile);
        forward(slot.layer_scale(), work.weights, work.table, false, tile);
        judge(tile);
        std::copy_n(tile.loss, tile.count, work.loss.data() + first);
        std::copy_n(tile.gap, tile.count, work.gap.data() + first);
        std::copy_n(tile.wrong, tile.count, work.wrong.data() + first);
    }
}

void evaluate(Slot slot, Work& work, float* seen) {
    judge_all(slot, work);
    int64_t count = slot.all.train_count;
    const int32_t* order = slot.order();
    Means train = means(work, order, count);
    Means validation = means(work, order + count, slot.all.pairs - count);
    work.ranked.resize(count);
    for (int64_t i = 0; i < count; i++) work.ranked[i] = rank(work.gap[order[i]]);
    seen[SEEN_TRAIN_LOSS] = train.loss;
    seen[SEEN_TRAIN_ACCURACY] = train.accuracy;
    seen[SEEN_VALIDATION_LOSS] = validation.loss;
    seen[SEEN_VALIDATION_ACCURACY] = validation.accuracy;
    seen[SEEN_ZERO_GRADIENT_SHARE] = train.zero_share;
    seen[SEEN_GAP_Q10] = quantile(QUANTILE_0, count, work.ranked.data());
    seen[SEEN_GAP_Q50] = quantile(QUANTILE_1, count, work.ranked.data());
    seen[SEEN_GAP_Q90] = quantile(QUANTILE_2, count, work.ranked.data());
    seen[SEEN_LEARNING_RATE] = slot.learning_rate();
}

}  // namespace

extern "C" {

// Trains the named slots for some steps each and evaluates them into their rows of `seen`.
void train(const Slots* all, int64_t steps, const int64_t* named, int64_t count, float* seen) {
    auto work = std::make_unique<Work>();
    for (int64_t i = 0; i < count; i++) {
        Slot slot{*all, named[i]};
        for (int64_t step = 0; step < steps; step++) train_step(slot, *work);
        evaluate(slot, *work, seen + named[i] * SEEN_COLUMNS);
    }
}

// Loss and gradient (SIZE,), not clipped, of a slot's coming step.
void gradients(const Slots* all, int64_t index, float* loss, float* flat) {
    auto work = std::make_unique<Work>();
    *loss = step_gradients(Slot{*all, index}, *work);
    std::copy_n(work->flat, SIZE, flat);
}

// What the coming step draws: its examples (batch,) and dropout factors (2, batch, WIDTH).
void drawn(const Slots* all, int64_t index, int32_t* examples, float* kept) {
    auto work = std::make_unique<Work>();
    Slot slot{*all, index};
    draw_examples(slot, work->examples);
    std::copy(work->examples.begin(), work->examples.end(), examples);
    for (int64_t i = 0; i < 2 * all->batch; i++) {
        int64_t example = i % all->batch, within = example % T;
        auto branch = static_cast<int>(i / all->batch);
        if (within == 0)
            draw_kept(slot, branch, example, work->tile.words, work->tile.kept[0]);
        std::copy_n(work->tile.kept[0] + within * D, WIDTH, kept + i * WIDTH);
    }
}

// The two elementary functions, for x <= 0 and x >= 0; `count` is a multiple of 16.
void elementary(int64_t count, const float* x, float* exponential, float* logarithm) {
    for (int64_t i = 0; i < count; i += LANES) {
        store(exponential + i, exp_negative(load(x + i)));
        store(logarithm + i, log1p_positive(-load(x + i)));
    }
}
}
