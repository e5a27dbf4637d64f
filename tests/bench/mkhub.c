/* mkhub DIR [LAYERS]: a model of Falcon-Mamba-7B's shape as the hub lays it out, of random
 * BF16 weights, in one shard a layer, for measuring `tidemark model import`. All 64
 * layers take 14 GB. */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { E = 4096, D = 8192, S = 16, R = 256, V = 65024, LAYERS = 64, PARTS = 10, DRAWS = 1 << 16 };

static uint16_t draws[DRAWS]; /* of a normal distribution, as BF16 */
static uint64_t seed = 88172645463325252u;

static uint64_t next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

static void make_draws(void)
{
    for (size_t i = 0; i < DRAWS; i++) {
        float sum = -6; /* of twelve uniform numbers, less their mean */
        for (int j = 0; j < 12; j++)
            sum += (float)(next() >> 40) / 0x1p24f;
        sum *= 0.02f;
        uint32_t bits;
        memcpy(&bits, &sum, sizeof bits);
        draws[i] = (uint16_t)(bits >> 16);
    }
}

static void require(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "mkhub: cannot write %s: %s\n", what, strerror(errno));
    exit(1);
}

static FILE *create(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    require(file != NULL, path);
    return file;
}

static void write_weights(FILE *file, uint64_t count)
{
    uint16_t buffer[4096];
    for (uint64_t at = 0; at < count;) {
        size_t part = count - at < 4096 ? (size_t)(count - at) : 4096;
        for (size_t i = 0; i < part; i += 4) {
            uint64_t four = next();
            for (size_t j = 0; j < 4; j++)
                buffer[i + j] = draws[four >> (16 * j) & (DRAWS - 1)];
        }
        require(fwrite(buffer, 2, part, file) == part, "weights");
        at += part;
    }
}

struct tensor {
    char name[96];
    uint64_t shape[3];
    int dims;
};

static uint64_t weights_of(const struct tensor *tensor)
{
    uint64_t count = 1;
    for (int i = 0; i < tensor->dims; i++)
        count *= tensor->shape[i];
    return count;
}

static void write_shard(const char *folder, const char *name, const struct tensor *tensors,
                        int count)
{
    static char header[1 << 16];
    size_t size = 8;
    uint64_t at = 0;
    for (int i = 0; i < count; i++) {
        const struct tensor *t = &tensors[i];
        size += (size_t)sprintf(header + size, "%s\"%s\":{\"dtype\":\"BF16\",\"shape\":[",
                                i ? "," : "{", t->name);
        for (int j = 0; j < t->dims; j++)
            size += (size_t)sprintf(header + size, "%s%llu", j ? "," : "",
                                    (unsigned long long)t->shape[j]);
        uint64_t end = at + 2 * weights_of(t);
        size += (size_t)sprintf(header + size, "],\"data_offsets\":[%llu,%llu]}",
                                (unsigned long long)at, (unsigned long long)end);
        at = end;
    }
    header[size++] = '}';
    for (int i = 0; i < 8; i++)
        header[i] = (char)((size - 8) >> (8 * i) & 0xFF);
    FILE *file = create(folder, name);
    require(fwrite(header, 1, size, file) == size, name);
    for (int i = 0; i < count; i++)
        write_weights(file, weights_of(&tensors[i]));
    require(fclose(file) == 0, name);
}

static void write_layer(const char *folder, int layer)
{
    static const struct {
        const char *name;
        uint64_t shape[3];
        int dims;
    } parts[PARTS] = {
        {"norm.weight", {E}, 1},
        {"mixer.in_proj.weight", {2 * D, E}, 2},
        {"mixer.conv1d.weight", {D, 1, 4}, 3},
        {"mixer.conv1d.bias", {D}, 1},
        {"mixer.x_proj.weight", {R + 2 * S, D}, 2},
        {"mixer.dt_proj.weight", {D, R}, 2},
        {"mixer.dt_proj.bias", {D}, 1},
        {"mixer.A_log", {D, S}, 2},
        {"mixer.D", {D}, 1},
        {"mixer.out_proj.weight", {E, D}, 2},
    };
    struct tensor tensors[PARTS];
    char name[64];
    for (int i = 0; i < PARTS; i++) {
        snprintf(tensors[i].name, sizeof tensors[i].name, "backbone.layers.%d.%s", layer,
                 parts[i].name);
        memcpy(tensors[i].shape, parts[i].shape, sizeof parts[i].shape);
        tensors[i].dims = parts[i].dims;
    }
    snprintf(name, sizeof name, "model-%05d.safetensors", layer + 1);
    write_shard(folder, name, tensors, PARTS);
}

/* As many tokens as there are rows, one merge for each that is no single byte. */
static void write_tokenizer(const char *folder)
{
    FILE *file = create(folder, "tokenizer.json");
    fputs("{\"added_tokens\":[],\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\","
          "\"add_prefix_space\":false},\"model\":{\"type\":\"BPE\",\"vocab\":{",
          file);
    for (int i = 0; i < V; i++)
        fprintf(file, i < 256 ? "%s\"\\u%04x\":%d" : "%s\"a%x\":%d", i ? "," : "",
                i < 256 ? 0x100 + i : i, i);
    fputs("},\"merges\":[", file);
    for (int i = 256; i < V; i++)
        fprintf(file, "%s[\"a\",\"%x\"]", i > 256 ? "," : "", i);
    fputs("]}}\n", file);
    require(fclose(file) == 0, "tokenizer.json");
}

int main(int argc, char **argv)
{
    int layers = argc > 2 ? atoi(argv[2]) : LAYERS;
    if (argc < 2 || layers < 1 || layers > LAYERS) {
        fprintf(stderr, "usage: mkhub DIR [LAYERS]\n");
        return 2;
    }
    require(mkdir(argv[1], 0700) == 0 || errno == EEXIST, argv[1]);
    make_draws();
    const struct tensor outer[] = {{"backbone.embeddings.weight", {V, E}, 2},
                                   {"backbone.norm_f.weight", {E}, 1},
                                   {"lm_head.weight", {V, E}, 2}};
    write_shard(argv[1], "model-00000.safetensors", outer, 3);
    for (int i = 0; i < layers; i++)
        write_layer(argv[1], i);
    write_tokenizer(argv[1]);
    FILE *file = create(argv[1], "config.json");
    fprintf(file, "{\"model_type\":\"falcon_mamba\",\"num_hidden_layers\":%d}\n", layers);
    require(fclose(file) == 0, "config.json");
    return 0;
}
