/* mkmodel --shape SHAPE --type TYPE [--layers N] [--seed N] [--force] OUT.gguf
 *
 * Makes a GGUF file of a real model's shape with random weights, to measure with: every
 * tensor has the name, dimensions and type that a public file of that type has, and a
 * scale at which activations neither grow nor die over the layers. Quantized blocks are
 * made as such: random bits under scales that suit them, no floats in between. What the
 * model says is nonsense. The file is written front to back with a small buffer. With fewer
 * layers than the shape has it is made and measured sooner.
 *
 * The vocabulary is byte-level BPE whose merges make pairs and fours of letters, the
 * frequent ones of English first, so that text becomes about as many tokens as usual. */
#include "base/quantity.h"
#include "kernels/blocks.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/random.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <strings.h>
#include <sys/stat.h>

struct shape {
    const char *name, *pre;
    uint32_t embedding, inner, states, rank, vocabulary, layers;
    bool falcon; /* dt/B/C norms and ChatML */
    bool tied;
};

static const struct shape shapes[] = {
    {"falcon-mamba-7b", "falcon", 4096, 8192, 16, 256, 65024, 64, true, false},
    {"bundled", "falcon", 768, 1536, 16, 48, 16384, 16, true, true},
    {"mamba-130m", "gpt-2", 768, 1536, 16, 48, 50280, 24, false, true},
    {"mamba-2.8b", "gpt-2", 2560, 5120, 16, 160, 50280, 64, false, true},
    {"tiny", "falcon", 256, 512, 16, 32, 1024, 3, true, false},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* A file's type names that of its matrices and of the output, which files of few bits
 * keep finer; where the embedding serves as output, it is of the output's type. */
struct file_type {
    const char *name;
    uint32_t number; /* general.file_type */
    enum blocks_type matrices, output;
};

static const struct file_type file_types[] = {
    {"f32", 0, BLOCKS_F32, BLOCKS_F32},       {"f16", 1, BLOCKS_F16, BLOCKS_F16},
    {"bf16", 32, BLOCKS_BF16, BLOCKS_BF16},   {"q8_0", 7, BLOCKS_Q8_0, BLOCKS_Q8_0},
    {"q6_k", 18, BLOCKS_Q6_K, BLOCKS_Q6_K},   {"q5_k_m", 17, BLOCKS_Q5_K, BLOCKS_Q6_K},
    {"q4_k_m", 15, BLOCKS_Q4_K, BLOCKS_Q6_K}, {"q5_1", 9, BLOCKS_Q5_1, BLOCKS_Q6_K},
    {"q5_0", 8, BLOCKS_Q5_0, BLOCKS_Q6_K},    {"q4_0", 2, BLOCKS_Q4_0, BLOCKS_Q6_K},
};
enum { FILE_TYPES = sizeof file_types / sizeof file_types[0] };

enum {
    MOST_LAYERS = 512,
    CONTROLS = 3,
    ALIGNMENT = 32,
    BUFFER = 1 << 20,
    SCALES = 64,
    QUANTILES = 4096
};

struct making {
    const struct shape *shape;
    const struct file_type *type;
    uint32_t layers;
    struct random random;
    const char *path;
    int file; /* -1 while the header is being made: nothing is written */
    struct gguf_writer header;
    uint64_t offset;       /* of the next tensor, from where the tensors' data begins */
    unsigned char *buffer; /* [BUFFER] */
};

/* --- vocabulary --------------------------------------------------------------------------- */

/* The symbols that pairs are made of, frequent ones first; \xC4\xA0 stands for a space,
 * with which a word may begin. */
static const char *const symbols[] = {"\xC4\xA0", "e", "t", "a", "o", "i", "n", "s", "h",
                                      "r",        "d", "l", "c", "u", "m", "w", "f", "g",
                                      "y",        "p", "b", "v", "k", "j", "x", "q", "z"};
enum { SYMBOLS = sizeof symbols / sizeof symbols[0], PAIRS = SYMBOLS * (SYMBOLS - 1) };

struct merge {
    char left[8], right[8];
};

/* Walks the cells of a table along its diagonals, from the corner: the likeliest
 * combinations of what is sorted by frequency. False when it has been walked. */
static bool next_cell(size_t size, size_t *i, size_t *j)
{
    if (*i + 1 < size && *j > 0) {
        (*i)++;
        (*j)--;
        return true;
    }
    size_t diagonal = *i + *j + 1;
    *i = diagonal < size ? 0 : diagonal - size + 1;
    *j = diagonal - *i;
    return *i < size;
}

static bool begins_with_space(const char *text)
{
    return strncmp(text, symbols[0], strlen(symbols[0])) == 0;
}

/* The first `count` merges: all pairs, then pairs of pairs. */
static void make_merges(struct merge *merges, size_t count)
{
    char pairs[PAIRS][8];
    size_t made = 0;
    for (size_t i = 0, j = 0; made < count && made < PAIRS;) {
        if (j > 0) { /* a space only begins a word */
            struct merge *merge = &merges[made];
            snprintf(merge->left, sizeof merge->left, "%s", symbols[i]);
            snprintf(merge->right, sizeof merge->right, "%s", symbols[j]);
            snprintf(pairs[made++], sizeof pairs[0], "%s%s", symbols[i], symbols[j]);
        }
        if (!next_cell(SYMBOLS, &i, &j))
            break;
    }
    for (size_t i = 0, j = 0; made < count;) {
        if (!begins_with_space(pairs[j])) {
            memcpy(merges[made].left, pairs[i], sizeof pairs[i]);
            memcpy(merges[made++].right, pairs[j], sizeof pairs[j]);
        }
        if (!next_cell(PAIRS, &i, &j))
            break;
    }
}

static void add_string(struct gguf_writer *header, const char *text)
{
    gguf_writer_string(&header->entries, text, strlen(text));
}

/* The 256 bytes in GPT-2's alphabet. */
static void add_bytes(struct gguf_writer *header)
{
    for (unsigned byte = 0, next = 0x100; byte < 256; byte++) {
        bool prints = (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
        unsigned rune = prints ? byte : next++;
        char text[3] = {(char)(rune < 0x80 ? rune : 0xC0 | rune >> 6),
                        (char)(rune < 0x80 ? 0 : 0x80 | (rune & 0x3F)), 0};
        add_string(header, text);
    }
}

static void add_vocabulary(struct making *m)
{
    static const char *const controls[CONTROLS] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
    struct gguf_writer *header = &m->header;
    size_t count = m->shape->vocabulary - 256 - CONTROLS;
    struct merge *merges = calloc(count, sizeof *merges);
    gguf_writer_require(merges != NULL);
    make_merges(merges, count);
    gguf_writer_text(header, "tokenizer.ggml.model", "gpt2");
    gguf_writer_text(header, "tokenizer.ggml.pre", m->shape->pre);
    gguf_writer_array(header, "tokenizer.ggml.tokens", GGUF_STRING, m->shape->vocabulary);
    for (size_t i = 0; i < CONTROLS; i++)
        add_string(header, controls[i]);
    add_bytes(header);
    char text[32];
    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%s%s", merges[i].left, merges[i].right);
        add_string(header, text);
    }
    gguf_writer_array(header, "tokenizer.ggml.token_type", GGUF_I32, m->shape->vocabulary);
    for (size_t i = 0; i < m->shape->vocabulary; i++)
        gguf_writer_number(&header->entries, i < CONTROLS ? 3 : 1, 4);
    gguf_writer_array(header, "tokenizer.ggml.merges", GGUF_STRING, count);
    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%s %s", merges[i].left, merges[i].right);
        add_string(header, text);
    }
    gguf_writer_u32(header, "tokenizer.ggml.bos_token_id", 0);
    gguf_writer_u32(header, "tokenizer.ggml.eos_token_id", m->shape->falcon ? 2 : 0);
    if (m->shape->falcon)
        gguf_writer_text(header, "tokenizer.chat_template",
                         "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
                         "<|im_end|>\n{% endfor %}");
    free(merges);
}

static void add_keys(struct making *m)
{
    const struct shape *shape = m->shape;
    struct gguf_writer *header = &m->header;
    gguf_writer_text(header, "general.architecture", "mamba");
    char name[64];
    snprintf(name, sizeof name, "%s of random weights", shape->name);
    gguf_writer_text(header, "general.name", name);
    gguf_writer_u32(header, "general.file_type", m->type->number);
    gguf_writer_u32(header, "general.quantization_version", 2);
    gguf_writer_u32(header, "mamba.context_length", 1u << 20);
    gguf_writer_u32(header, "mamba.embedding_length", shape->embedding);
    gguf_writer_u32(header, "mamba.block_count", m->layers);
    gguf_writer_u32(header, "mamba.ssm.conv_kernel", 4);
    gguf_writer_u32(header, "mamba.ssm.inner_size", shape->inner);
    gguf_writer_u32(header, "mamba.ssm.state_size", shape->states);
    gguf_writer_u32(header, "mamba.ssm.time_step_rank", shape->rank);
    gguf_writer_f32(header, "mamba.attention.layer_norm_rms_epsilon", 1e-5f);
    gguf_writer_bool(header, "mamba.ssm.dt_b_c_rms", shape->falcon);
    add_vocabulary(m);
}

/* --- random weights ------------------------------------------------------------------------ */

/* The half nearest to a positive number below 65504: halves are in the order of their bits. */
static uint16_t half_of(double value)
{
    unsigned below = 0, above = 0x7BFF;
    while (above - below > 1) {
        unsigned middle = (below + above) / 2;
        if ((double)blocks_half_to_float((uint16_t)middle) <= value)
            below = middle;
        else
            above = middle;
    }
    double low = (double)blocks_half_to_float((uint16_t)below);
    double high = (double)blocks_half_to_float((uint16_t)above);
    return (uint16_t)(value - low < high - value ? below : above);
}

static void put_half(unsigned char *at, unsigned half)
{
    at[0] = (unsigned char)(half & 0xFF);
    at[1] = (unsigned char)(half >> 8);
}

/* Root mean square of a block's weights under a scale of 1, for random bits and the
 * scales that put_scales() chooses. */
static double unit_rms(enum blocks_type type)
{
    switch (type) {
    case BLOCKS_Q8_0:
        return 73.9;
    case BLOCKS_Q4_0:
        return 4.64;
    case BLOCKS_Q5_0:
        return 9.25;
    case BLOCKS_Q5_1:
        return 9.23;
    case BLOCKS_Q4_K:
        return 223;
    case BLOCKS_Q5_K:
        return 447;
    default:
        return 1479; /* Q6_K */
    }
}

/* What a matrix's blocks are made with: a few scales about the wanted one, and the
 * negative minimum that centres the weights where the type has one. */
struct scales {
    uint16_t d[SCALES], min[SCALES];
};

static void make_scales(struct scales *scales, enum blocks_type type, double rms)
{
    /* Weights are d (q - middle): the middle of 5 bits or of 4. */
    double middle = type == BLOCKS_Q4_K ? 7.5 : 15.5;
    for (size_t i = 0; i < SCALES; i++) {
        double d = rms / unit_rms(type) * (0.8 + 0.4 * ((double)i + 0.5) / SCALES);
        scales->d[i] = half_of(d);
        scales->min[i] = half_of(middle * d);
    }
}

/* Six-bit scales and minima from 32 to 63, each minimum equal to its scale, packed as in
 * blocks.c. */
static void put_packed_scales(unsigned char *packed, uint64_t noise)
{
    uint32_t first = ((uint32_t)noise & 0x1F1F1F1Fu) | 0x20202020u; /* of groups 0 to 3 */
    uint32_t last = ((uint32_t)(noise >> 32) & 0x1F1F1F1Fu) | 0x20202020u;
    uint32_t words[3] = {first | (last >> 4 & 0x03030303u) << 6, 0,
                         (last & 0x0F0F0F0Fu) | (last & 0x0F0F0F0Fu) << 4};
    words[1] = words[0];
    memcpy(packed, words, sizeof words);
}

/* Makes a block of random bytes one of well-scaled weights. */
static void put_scales(unsigned char *block, enum blocks_type type, const struct scales *scales,
                       struct random *random)
{
    uint64_t noise = random_next(random);
    size_t i = noise % SCALES;
    unsigned sign = (unsigned)(noise >> 48) & 0x8000u; /* no mean in spite of uneven ranges */
    switch (type) {
    case BLOCKS_Q5_1:
        put_half(block, scales->d[i]);
        put_half(block + 2, 0x8000u | scales->min[i]);
        break;
    case BLOCKS_Q4_K:
    case BLOCKS_Q5_K:
        put_half(block, scales->d[i]);
        put_half(block + 2, scales->min[i]);
        put_packed_scales(block + 4, random_next(random));
        break;
    case BLOCKS_Q6_K:
        for (size_t at = 192; at < 208; at++) /* 64 to 95 */
            block[at] = (unsigned char)((block[at] & 31) | 64);
        put_half(block + 208, scales->d[i] | sign);
        break;
    case BLOCKS_Q8_0:
        put_half(block, scales->d[i]);
        break;
    default:
        put_half(block, scales->d[i] | sign);
    }
}

static void random_bytes(unsigned char *out, size_t size, struct random *random)
{
    for (; size >= 8; size -= 8, out += 8)
        memcpy(out, &(uint64_t){random_next(random)}, 8);
    if (size)
        memcpy(out, &(uint64_t){random_next(random)}, size);
}

/* Normal numbers to choose from, in a plain type's own bits: sqrt(-2 log u) cos(2 pi v)
 * over a grid of u and v, so that the set is the same for every seed. */
struct quantiles {
    uint32_t bits[QUANTILES];
};

static void make_quantiles(struct quantiles *quantiles, enum blocks_type type, double rms)
{
    enum { SIDE = 64 };
    double values[QUANTILES], squares = 0;
    for (size_t i = 0; i < QUANTILES; i++) {
        double u = ((double)(i / SIDE) + 0.5) / SIDE, v = ((double)(i % SIDE) + 0.5) / SIDE;
        values[i] = sqrt(-2 * log(u)) * cos(2 * M_PI * v);
        squares += values[i] * values[i];
    }
    for (size_t i = 0; i < QUANTILES; i++) {
        float value = (float)(values[i] * rms / sqrt(squares / QUANTILES));
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        if (type == BLOCKS_BF16)
            bits >>= 16;
        if (type == BLOCKS_F16)
            bits = half_of(fabs((double)value)) | (value < 0 ? 0x8000u : 0);
        quantiles->bits[i] = bits;
    }
}

static void fill_plain(unsigned char *out, size_t bytes, enum blocks_type type,
                       const struct quantiles *quantiles, struct random *random)
{
    uint64_t noise = 0;
    size_t size = type == BLOCKS_F32 ? 4 : 2;
    for (size_t i = 0; i < bytes / size; i++, noise >>= 12) {
        if (i % 5 == 0)
            noise = random_next(random);
        uint32_t bits = quantiles->bits[noise % QUANTILES];
        if (size == 4)
            memcpy(out + 4 * i, &bits, 4);
        else
            memcpy(out + 2 * i, &(uint16_t){(uint16_t)bits}, 2);
    }
}

/* --- tensors --------------------------------------------------------------------------------- */

static bool put(struct making *m, const void *bytes, size_t size, struct error *error)
{
    if (file_write(m->file, bytes, size))
        return true;
    return error_set(error, ERROR_SYSTEM, "cannot write %s: %s", m->path, strerror(errno));
}

/* Notes the tensor in the header while that is made; afterwards says that its data is due. */
static bool data_is_due(struct making *m, const char *name, size_t ne0, size_t ne1,
                        enum blocks_type type)
{
    size_t bytes = ne1 * blocks_row_bytes(type, ne0);
    if (m->file < 0)
        gguf_writer_tensor_at(&m->header, name, ne1 > 1 ? 2 : 1, (uint64_t[]){ne0, ne1},
                              (uint32_t)type, m->offset);
    m->offset += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return m->file >= 0;
}

static bool put_padding(struct making *m, size_t bytes, struct error *error)
{
    static const char zeros[ALIGNMENT];
    return put(m, zeros, (ALIGNMENT - bytes % ALIGNMENT) % ALIGNMENT, error);
}

/* A row that its blocks do not divide takes the type that quantizers fall back to. */
static enum blocks_type fitting_type(enum blocks_type type, size_t columns)
{
    if (columns % blocks_layout((uint32_t)type)->weights == 0)
        return type;
    if (columns % 32)
        return BLOCKS_F16;
    return type == BLOCKS_Q4_K ? BLOCKS_Q5_0 : type == BLOCKS_Q5_K ? BLOCKS_Q5_1 : BLOCKS_Q8_0;
}

/* Weights of rms gain / sqrt(columns): rows in, rows of about gain times their size out. */
static bool matrix(struct making *m, const char *name, size_t columns, size_t outputs,
                   enum blocks_type wanted, double gain, struct error *error)
{
    enum blocks_type type = fitting_type(wanted, columns);
    if (!data_is_due(m, name, columns, outputs, type))
        return true;
    const struct blocks_layout *layout = blocks_layout((uint32_t)type);
    double rms = gain / sqrt((double)columns);
    struct scales scales;
    struct quantiles quantiles;
    if (layout->weights == 1)
        make_quantiles(&quantiles, type, rms);
    else
        make_scales(&scales, type, rms);
    size_t bytes = outputs * blocks_row_bytes(type, columns);
    size_t most = BUFFER / layout->bytes * layout->bytes;
    for (size_t left = bytes, size; left; left -= size) {
        size = left < most ? left : most;
        if (layout->weights == 1) {
            fill_plain(m->buffer, size, type, &quantiles, &m->random);
        } else {
            random_bytes(m->buffer, size, &m->random);
            for (size_t at = 0; at < size; at += layout->bytes)
                put_scales(m->buffer + at, type, &scales, &m->random);
        }
        if (!put(m, m->buffer, size, error))
            return false;
    }
    return put_padding(m, bytes, error);
}

typedef float small_value(struct random *random, size_t index);

static float near_one(struct random *random, size_t index)
{
    (void)index;
    return 0.9f + 0.2f * random_uniform(random);
}

static float tap(struct random *random, size_t index)
{
    (void)index;
    return random_uniform(random) - 0.5f;
}

/* The inverse softplus of a step from 0.001 to 0.1, as the paper initializes it. */
static float step_bias(struct random *random, size_t index)
{
    (void)index;
    double step = exp(log(1e-3) + log(100) * (double)random_uniform(random));
    return (float)log(expm1(step));
}

/* -1 to -16 down the states. */
static float decay(struct random *random, size_t index)
{
    return -(float)(index % 16 + 1) * near_one(random, index);
}

static bool small(struct making *m, const char *name, size_t ne0, size_t ne1, small_value *value,
                  struct error *error)
{
    if (!data_is_due(m, name, ne0, ne1, BLOCKS_F32))
        return true;
    float row[1024];
    size_t count = ne0 * ne1, most = sizeof row / sizeof row[0];
    for (size_t at = 0, size; at < count; at += size) {
        size = count - at < most ? count - at : most;
        for (size_t i = 0; i < size; i++)
            row[i] = value(&m->random, at + i);
        if (!put(m, row, size * sizeof row[0], error))
            return false;
    }
    return put_padding(m, count * sizeof row[0], error);
}

static const char *of_layer(char name[64], size_t layer, const char *rest)
{
    snprintf(name, 64, "blk.%zu.%s", layer, rest);
    return name;
}

static bool layer(struct making *m, size_t i, struct error *error)
{
    const size_t E = m->shape->embedding, D = m->shape->inner, S = m->shape->states,
                 R = m->shape->rank;
    enum blocks_type type = m->type->matrices;
    char n[64];
    return small(m, of_layer(n, i, "attn_norm.weight"), E, 1, near_one, error) &&
           small(m, of_layer(n, i, "ssm_a"), S, D, decay, error) &&
           small(m, of_layer(n, i, "ssm_conv1d.bias"), D, 1, tap, error) &&
           small(m, of_layer(n, i, "ssm_conv1d.weight"), 4, D, tap, error) &&
           small(m, of_layer(n, i, "ssm_d"), D, 1, near_one, error) &&
           small(m, of_layer(n, i, "ssm_dt.bias"), D, 1, step_bias, error) &&
           matrix(m, of_layer(n, i, "ssm_dt.weight"), R, D, type, 0.6, error) &&
           matrix(m, of_layer(n, i, "ssm_in.weight"), E, 2 * D, type, 1, error) &&
           matrix(m, of_layer(n, i, "ssm_out.weight"), D, E, type, 1, error) &&
           matrix(m, of_layer(n, i, "ssm_x.weight"), D, R + 2 * S, type, 1, error);
}

/* In the order of the file; called once to make the header and once to write. */
static bool tensors(struct making *m, struct error *error)
{
    const struct shape *shape = m->shape;
    const size_t E = shape->embedding, V = shape->vocabulary;
    m->offset = 0;
    if (!small(m, "output_norm.weight", E, 1, near_one, error) ||
        !matrix(m, "token_embd.weight", E, V, shape->tied ? m->type->output : m->type->matrices, 1,
                error) ||
        (!shape->tied && !matrix(m, "output.weight", E, V, m->type->output, 1, error)))
        return false;
    for (size_t i = 0; i < m->layers; i++)
        if (!layer(m, i, error))
            return false;
    return true;
}

/* --- the file ----------------------------------------------------------------------------------
 */

/* Asks for the room at once, where the file system can be asked, so that a full disk is told
 * before minutes are spent. */
static bool reserve(const struct making *m, uint64_t size, struct error *error)
{
    char text[QUANTITY_SIZE];
    if (fallocate(m->file, FALLOC_FL_KEEP_SIZE, 0, (off_t)size) == 0 ||
        (errno != ENOSPC && errno != EFBIG && errno != EDQUOT))
        return true;
    return error_set(error, ERROR_SYSTEM, "%s needs %s: %s", m->path,
                     quantity_bytes(text, (int64_t)size), strerror(errno));
}

static bool write_file(struct making *m, const struct buffer *header, struct error *error)
{
    uint64_t size = header->size + m->offset;
    bool done = reserve(m, size, error) && put(m, header->data, header->size, error) &&
                put_padding(m, header->size, error) && tensors(m, error);
    if (close(m->file) != 0 && done)
        done = error_set(error, ERROR_SYSTEM, "cannot write %s: %s", m->path, strerror(errno));
    if (!done)
        unlink(m->path);
    return done;
}

static bool create(struct making *m, bool force, struct error *error)
{
    struct stat info;
    if (force && lstat(m->path, &info) == 0 && S_ISREG(info.st_mode))
        unlink(m->path); /* not cut short: a program may have it mapped */
    m->file = open(m->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (m->file >= 0)
        return true;
    if (errno == EEXIST)
        return error_set(error, ERROR_INPUT, "%s exists: %s", m->path,
                         force ? "it is not a plain file" : "give --force to overwrite it");
    return error_set(error, ERROR_INPUT, "cannot create %s: %s", m->path, strerror(errno));
}

static bool make(struct making *m, bool force, struct error *error)
{
    m->file = -1;
    add_keys(m);
    if (!tensors(m, error))
        return false;
    struct buffer header = gguf_writer_finish(&m->header);
    m->buffer = malloc(BUFFER);
    gguf_writer_require(m->buffer != NULL);
    bool made = create(m, force, error) && write_file(m, &header, error);
    free(m->buffer);
    buffer_free(&header);
    return made;
}

/* --- the command line ----------------------------------------------------------------------------
 */

static int usage(void)
{
    fputs("usage: mkmodel --shape SHAPE --type TYPE [--layers N] [--seed N] [--force] OUT.gguf\n"
          "shapes:",
          stderr);
    for (size_t i = 0; i < SHAPES; i++)
        fprintf(stderr, " %s", shapes[i].name);
    fputs("\ntypes:", stderr);
    for (size_t i = 0; i < FILE_TYPES; i++)
        fprintf(stderr, " %s", file_types[i].name);
    fputs("\n", stderr);
    return ERROR_USAGE;
}

static bool parse_number(uint64_t *number, const char *text)
{
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && errno == 0;
}

static bool parse(struct making *m, bool *force, int count, char **arguments)
{
    static const struct option options[] = {
        {"shape", required_argument, NULL, 's'},  {"type", required_argument, NULL, 't'},
        {"layers", required_argument, NULL, 'l'}, {"seed", required_argument, NULL, 'n'},
        {"force", no_argument, NULL, 'f'},        {0}};
    uint64_t layers = 0;
    for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) {
        if (option == 's')
            for (size_t i = 0; i < SHAPES; i++)
                m->shape = strcmp(optarg, shapes[i].name) ? m->shape : &shapes[i];
        else if (option == 't')
            for (size_t i = 0; i < FILE_TYPES; i++)
                m->type = strcasecmp(optarg, file_types[i].name) ? m->type : &file_types[i];
        else if (option == 'f')
            *force = true;
        else if (option == 'l') {
            if (!parse_number(&layers, optarg) || layers < 1 || layers > MOST_LAYERS)
                return false;
        } else if (option != 'n' || !parse_number(&m->random.state, optarg))
            return false;
    }
    m->path = arguments[optind];
    m->layers = layers ? (uint32_t)layers : m->shape ? m->shape->layers : 0;
    return m->shape && m->type && optind + 1 == count;
}

int main(int count, char **arguments)
{
    struct making m = {.random = {1}};
    struct error error = {0};
    bool force = false;
    if (!parse(&m, &force, count, arguments))
        return usage();
    if (make(&m, force, &error))
        return 0;
    fprintf(stderr, "mkmodel: %s\n", error.text);
    return error_exit_code(&error);
}
