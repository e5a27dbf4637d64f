/* What the user says: after a byte that is even a command line, its words ended by
 * NUL; after an odd one a configuration file. */
#include "tests/fuzz/harness.h"

#include "app/options.h"
#include "app/work/configuration.h"
#include "base/size.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS 24

static struct error error;

/* --- command line --------------------------------------------------------------------- */

static void check_number(const struct options_entry *entry, double value, double unset)
{
    if (value == unset)
        return;
    HARNESS_REQUIRE(value >= entry->low && value <= entry->high);
    HARNESS_REQUIRE(!entry->above || value > entry->low);
}

static void check_values(const struct options *options)
{
    for (const struct options_entry *entry = options_table; entry->name; entry++) {
        const char *at = (const char *)options + entry->offset;
        const char *unset = (const char *)&options_defaults + entry->offset;
        const char *text;
        switch (entry->kind) {
        case OPTIONS_FLAG:
            break;
        case OPTIONS_STRING:
            memcpy(&text, at, sizeof text);
            HARNESS_REQUIRE(!text || *text);
            break;
        case OPTIONS_COUNT:
        case OPTIONS_BYTES:
            check_number(entry, (double)*(const int64_t *)(const void *)at,
                         (double)*(const int64_t *)(const void *)unset);
            break;
        case OPTIONS_REAL:
            check_number(entry, *(const double *)(const void *)at,
                         *(const double *)(const void *)unset);
            break;
        }
    }
}

static void check_parsed(const struct options *options, size_t words)
{
    static FILE *nowhere;
    if (!nowhere)
        nowhere = fopen("/dev/null", "w");
    HARNESS_REQUIRE(nowhere != NULL);
    HARNESS_REQUIRE(options->command <= OPTIONS_COMMANDS);
    HARNESS_REQUIRE(options->argument_count <= words);
    for (size_t i = 0; i < options->argument_count; i++)
        HARNESS_REQUIRE(options->arguments[i] != NULL);
    HARNESS_REQUIRE(options->arguments[options->argument_count] == NULL);
    check_values(options);
    if (options->command < OPTIONS_COMMANDS && !options->help && !options->version) {
        const struct options_command_entry *entry = &options_commands[options->command];
        HARNESS_REQUIRE(options->argument_count >= entry->least);
        HARNESS_REQUIRE(options->argument_count <= entry->most);
    }
    if (options->help)
        options_print_help(nowhere, options->command);
    else
        options_print_usage(nowhere);
}

static void check_word(const char *word)
{
    int64_t bytes;
    if (size_parse(&bytes, word))
        HARNESS_REQUIRE(bytes >= 0 && *word >= '.' && *word <= '9');
    if (options_find_command(word, &error) == OPTIONS_COMMANDS)
        harness_require_error(&error);
}

static void check_command_line(struct harness_input input)
{
    static char program[] = "tidemark";
    char *words[WORDS], *argv[WORDS + 2] = {program};
    struct options options;
    size_t count = 0;
    for (; count < WORDS && input.size > 0; count++) {
        const uint8_t *end = memchr(input.bytes, '\0', input.size);
        size_t size = end ? (size_t)(end - input.bytes) : input.size;
        words[count] = harness_text(harness_part(&input, size));
        harness_part(&input, 1);
        argv[count + 1] = words[count]; /* reordered by options_parse */
        check_word(words[count]);
    }
    if (options_parse(&options, (int)count + 1, argv, &error)) {
        check_parsed(&options, count);
    } else {
        HARNESS_REQUIRE(error.kind == ERROR_USAGE);
        harness_require_error(&error);
    }
    for (size_t i = 0; i < count; i++)
        free(words[i]);
}

/* --- configuration file ------------------------------------------------------------------ */

/* $XDG_CONFIG_HOME/tidemark/config, the folder `tidemark` being a link to its own. */
static void set_up(void)
{
    char link[600];
    snprintf(link, sizeof link, "%s/tidemark", harness_folder());
    HARNESS_REQUIRE(symlink(".", link) == 0);
    HARNESS_REQUIRE(setenv("XDG_CONFIG_HOME", harness_folder(), 1) == 0);
    HARNESS_REQUIRE(setenv("HOME", "/home/user", 1) == 0);
}

static void check_configuration(struct harness_input input)
{
    static bool ready;
    struct configuration configuration;
    if (!ready)
        set_up();
    ready = true;
    harness_write("config", input.bytes, input.size);
    if (!configuration_read(&configuration, &error)) {
        harness_require_error(&error);
        return;
    }
    HARNESS_REQUIRE(configuration.budget >= -1);
    if (configuration.model.size > 0)
        HARNESS_REQUIRE(strlen(configuration.model.data) == configuration.model.size);
    configuration_free(&configuration);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct harness_input input = {bytes, size};
    if (harness_byte(&input) & 1)
        check_configuration(input);
    else
        check_command_line(input);
    return 0;
}
