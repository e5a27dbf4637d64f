/* answers [--reread] [--model FILE] [--threads N] [--lanes N] [--every N] [--details FILE] DIR
 *
 * Measures `ask`. DIR holds stories (stories/NAME.md) and questions with known
 * answers (questions.jsonl: story, parts, question, answers). The stories are
 * read as one document into a library of their own, every question is asked
 * through the code of `tidemark ask`, and one JSON object is printed. Rates are
 * fractions from 0 to 1: right_part_in_top1 and _top4 (a part that holds the
 * answer is among the first ranked sections), f1 (of words) and exact (match),
 * both after lower-casing and dropping punctuation and a, an, the; the best of
 * the given answers counts. --every N: only every N-th question. --details: one
 * JSON object a question with what each lane answered. */
#include "app/work/asking.h"
#include "app/work/ranking.h"
#include "app/work/reading.h"
#include "base/clock.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_STORIES = 256, MAX_WORDS = 256, RANKED = 4 };

struct tally {
    size_t questions, top1, top4, quotes, verified;
    int64_t tokens_reread;
    double f1, exact, seconds;
};

struct bench {
    struct session_options session_options;
    bool reread;
    size_t lanes, every;
    const char *details_path;
    FILE *details;
    const char *folder;
    char *stories[MAX_STORIES]; /* paths */
    size_t story_count;
    struct session session;
    int64_t document;
    struct tally tally;
};

/* --- score ----------------------------------------------------------------------------- */

/* Lower case, no punctuation, no articles; words end in NUL inside `memory`. */
static size_t normal_words(char *memory, const char *words[MAX_WORDS], const char *text)
{
    size_t count = 0;
    while (*text && count < MAX_WORDS) {
        char *word = memory;
        for (; *text && !isspace((unsigned char)*text); text++)
            if (!ispunct((unsigned char)*text))
                *memory++ = (char)tolower((unsigned char)*text);
        *memory++ = '\0';
        while (isspace((unsigned char)*text))
            text++;
        bool article = !strcmp(word, "a") || !strcmp(word, "an") || !strcmp(word, "the");
        if (*word && !article)
            words[count++] = word;
    }
    return count;
}

static double score_one(const char *answer, const char *expected, bool *exact)
{
    const char *a[MAX_WORDS], *e[MAX_WORDS];
    bool used[MAX_WORDS] = {false};
    *exact = false;
    char *memory = malloc(2 * (strlen(answer) + strlen(expected)) + 4);
    if (!memory)
        return 0;
    size_t a_count = normal_words(memory, a, answer);
    size_t e_count = normal_words(memory + 2 * strlen(answer) + 2, e, expected);
    size_t common = 0;
    *exact = a_count == e_count && a_count > 0;
    for (size_t i = 0; i < a_count; i++) {
        *exact = *exact && strcmp(a[i], e[i]) == 0;
        for (size_t j = 0; j < e_count; j++)
            if (!used[j] && strcmp(a[i], e[j]) == 0) {
                used[j] = true;
                common++;
                break;
            }
    }
    free(memory);
    return common ? 2.0 * (double)common / (double)(a_count + e_count) : 0;
}

static double score(const char *answer, const json_t *expected, bool *exact)
{
    double best = 0;
    size_t index;
    json_t *value;
    *exact = false;
    json_array_foreach(expected, index, value)
    {
        bool same;
        double f1 = score_one(answer, json_string_value(value), &same);
        best = f1 > best ? f1 : best;
        *exact = *exact || same;
    }
    return best;
}

/* --- questions ------------------------------------------------------------------------- */

/* Is section `ordinal` one of the question's parts ("3" is the heading "Part 3")
 * of its story? */
static bool is_right_part(struct bench *bench, const json_t *question, int64_t ordinal)
{
    struct library_section section;
    struct library_source source;
    struct error error;
    bool right = false;
    if (!library_get_section(bench->session.library, bench->document, ordinal, LIBRARY_OUTLINE,
                             &section, &error))
        return false;
    if (library_get_source(bench->session.library, bench->document, section.source, &source,
                           &error)) {
        char file[512], title[64];
        snprintf(file, sizeof file, "/%s.md",
                 json_string_value(json_object_get(question, "story")));
        size_t length = strlen(source.path), tail = strlen(file);
        bool story = length >= tail && strcmp(source.path + length - tail, file) == 0;
        size_t index;
        json_t *part;
        json_array_foreach(json_object_get(question, "parts"), index, part)
        {
            snprintf(title, sizeof title, "Part %s", json_string_value(part));
            right = right || (story && strcmp(section.title, title) == 0);
        }
        library_source_free(&source);
    }
    library_section_free(&section);
    return right;
}

static bool check_ranking(struct bench *bench, const json_t *question, struct error *error)
{
    struct library_hit hits[RANKED];
    size_t count;
    if (!ranking_run(&bench->session, bench->document,
                     json_string_value(json_object_get(question, "question")), hits, RANKED, &count,
                     error))
        return false;
    for (size_t i = 0; i < count; i++)
        if (is_right_part(bench, question, hits[i].section)) {
            bench->tally.top1 += i == 0;
            bench->tally.top4++;
            return true;
        }
    return true;
}

static void write_details(struct bench *bench, const json_t *question,
                          const struct asking_result *result, double f1)
{
    json_t *lanes = json_array();
    for (size_t i = 0; i < result->source_count; i++) {
        const struct asking_source *s = &result->sources[i];
        json_array_append_new(
            lanes, json_pack("{s:I, s:s, s:b, s:b, s:f, s:f, s:I, s:f}", "section",
                             (json_int_t)s->section, "answer", s->answer, "denied", (int)s->denied,
                             "right", (int)is_right_part(bench, question, s->section),
                             "log_probability", s->log_probability, "lowest", s->lowest, "tokens",
                             (json_int_t)s->counted, "rank_score", s->rank_score));
    }
    json_t *line = json_pack(
        "{s:O, s:O, s:s?, s:s?, s:f, s:I, s:o}", "question", json_object_get(question, "question"),
        "answers", json_object_get(question, "answers"), "answer", result->answer, "quote",
        result->quote_count ? result->quotes[result->quote_count - 1].text : NULL, "f1", f1,
        "section", (json_int_t)result->section, "lanes", lanes);
    json_dumpf(line, bench->details, JSON_COMPACT | JSON_ENSURE_ASCII);
    fputc('\n', bench->details);
    json_decref(line);
}

static bool ask(struct bench *bench, const json_t *question, struct error *error)
{
    struct asking_options options = {
        .document = bench->document,
        .question = json_string_value(json_object_get(question, "question")),
        .section = -1,
        .as_of = -1,
        .reread = bench->reread,
        .lanes = bench->lanes,
        .sampler = sampler_defaults,
    };
    struct asking_result result;
    bool exact;
    if (!asking_run(&bench->session, &options, &result, error))
        return false;
    double f1 =
        score(result.answer ? result.answer : "", json_object_get(question, "answers"), &exact);
    struct tally *tally = &bench->tally;
    tally->questions++;
    tally->f1 += f1;
    tally->exact += exact;
    tally->tokens_reread += result.tokens_reread;
    tally->quotes += result.quote_count;
    for (size_t i = 0; i < result.quote_count; i++)
        tally->verified += result.quotes[i].verified;
    if (bench->details)
        write_details(bench, question, &result, f1);
    asking_result_free(&result);
    return check_ranking(bench, question, error);
}

static bool is_question(const json_t *json)
{
    return json_is_string(json_object_get(json, "question")) &&
           json_is_string(json_object_get(json, "story")) &&
           json_is_array(json_object_get(json, "answers")) &&
           json_is_array(json_object_get(json, "parts"));
}

static bool ask_all(struct bench *bench, struct error *error)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/questions.jsonl", bench->folder);
    FILE *file = fopen(path, "r");
    if (!file)
        return error_set(error, ERROR_INPUT, "cannot open %s: %s", path, strerror(errno));
    char *line = NULL;
    size_t capacity = 0, number = 0;
    bool ok = true;
    double begin = clock_seconds();
    while (ok && getline(&line, &capacity, file) > 0) {
        if (number++ % bench->every != 0)
            continue;
        json_t *question = json_loads(line, 0, NULL);
        ok = is_question(question)
                 ? ask(bench, question, error)
                 : error_set(error, ERROR_INPUT, "%s line %zu is no question", path, number);
        json_decref(question);
    }
    bench->tally.seconds = clock_seconds() - begin;
    free(line);
    fclose(file);
    return ok;
}

/* --- the library --------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool find_stories(struct bench *bench, struct error *error)
{
    char folder[PATH_MAX - 300], path[PATH_MAX];
    snprintf(folder, sizeof folder, "%s/stories", bench->folder);
    DIR *directory = opendir(folder);
    if (!directory)
        return error_set(error, ERROR_INPUT, "cannot open %s: %s", folder, strerror(errno));
    for (struct dirent *entry; (entry = readdir(directory));) {
        size_t length = strlen(entry->d_name);
        if (length < 4 || strcmp(entry->d_name + length - 3, ".md") != 0 ||
            bench->story_count == MAX_STORIES)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        bench->stories[bench->story_count++] = strdup(path);
    }
    closedir(directory);
    qsort(bench->stories, bench->story_count, sizeof bench->stories[0], by_name);
    return bench->story_count > 0 || error_set(error, ERROR_INPUT, "%s holds no stories", folder);
}

static bool read_and_ask(struct bench *bench, struct error *error)
{
    struct reading_options options = {
        .paths = (const char *const *)(uintptr_t)bench->stories,
        .path_count = bench->story_count,
        .name = "stories",
    };
    struct reading_result result;
    if (!session_open(&bench->session, &bench->session_options, NULL, NULL, NULL, error))
        return false;
    bool ok = reading_run(&bench->session, &options, &result, error);
    bench->document = result.document;
    ok = ok && ask_all(bench, error);
    session_close(&bench->session);
    return ok;
}

static void print(const struct tally *t)
{
    double n = t->questions ? (double)t->questions : 1;
    json_t *json =
        json_pack("{s:I, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:f}", "questions",
                  (json_int_t)t->questions, "right_part_in_top1", (double)t->top1 / n,
                  "right_part_in_top4", (double)t->top4 / n, "f1", t->f1 / n, "exact", t->exact / n,
                  "quotes", (json_int_t)t->quotes, "quotes_verified", (json_int_t)t->verified,
                  "tokens_reread", (json_int_t)t->tokens_reread, "seconds", t->seconds);
    json_dumpf(json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(json);
}

static void remove_library(const char *folder)
{
    DIR *directory = opendir(folder);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        unlinkat(dirfd(directory), entry->d_name, 0);
    if (directory)
        closedir(directory);
    rmdir(folder);
}

static bool parse(struct bench *bench, int argc, char **argv)
{
    static const struct option options[] = {
        {"reread", no_argument, NULL, 'r'},
        {"model", required_argument, NULL, 'm'},
        {"threads", required_argument, NULL, 't'},
        {"lanes", required_argument, NULL, 'l'},
        {"every", required_argument, NULL, 'e'},
        {"details", required_argument, NULL, 'd'},
        {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (c) {
        case 'r':
            bench->reread = true;
            break;
        case 'm':
            bench->session_options.model = optarg;
            break;
        case 't':
            bench->session_options.threads = (unsigned)atoi(optarg);
            break;
        case 'l':
            bench->lanes = (size_t)atoi(optarg);
            break;
        case 'e':
            bench->every = (size_t)(atoi(optarg) > 0 ? atoi(optarg) : 1);
            break;
        case 'd':
            bench->details_path = optarg;
            break;
        default:
            return false;
        }
    bench->folder = argv[optind];
    return argc - optind == 1;
}

int main(int argc, char **argv)
{
    struct bench bench = {.every = 1};
    struct error error = {0};
    if (!parse(&bench, argc, argv)) {
        fprintf(stderr, "usage: answers [--reread] [--model FILE] [--threads N] [--lanes N] "
                        "[--every N] [--details FILE] DIR\n");
        return ERROR_USAGE;
    }
    const char *temporary = getenv("TMPDIR");
    char library[PATH_MAX];
    snprintf(library, sizeof library, "%s/tidemark-answers-XXXXXX", temporary ? temporary : "/tmp");
    bool ok = mkdtemp(library) != NULL ||
              error_set(&error, ERROR_SYSTEM, "cannot create %s: %s", library, strerror(errno));
    bench.session_options.library = library;
    if (ok && bench.details_path && !(bench.details = fopen(bench.details_path, "w")))
        ok = error_set(&error, ERROR_USAGE, "cannot create %s: %s", bench.details_path,
                       strerror(errno));
    ok = ok && find_stories(&bench, &error) && read_and_ask(&bench, &error);
    if (ok)
        print(&bench.tally);
    else
        fprintf(stderr, "answers: %s\n", error.text);
    if (bench.details)
        fclose(bench.details);
    for (size_t i = 0; i < bench.story_count; i++)
        free(bench.stories[i]);
    remove_library(library);
    return ok ? 0 : error_exit_code(&error);
}
