/* What the program can be told, and the help that says so. */
#include "app/options_table.h"

#include "app/options.h"
#include "app/work/asking.h"

#include <assert.h>

#define EVERY (~0u)
#define READ (1u << OPTIONS_READ)
#define ASK (1u << OPTIONS_ASK)
#define SUM (1u << OPTIONS_SUM)
#define BENCH (1u << OPTIONS_BENCH)

#define ANY_NUMBER ((size_t)-1)

const struct options_command_entry options_commands[OPTIONS_COMMANDS] = {
    [OPTIONS_READ] =
        {"read", "FILE...", "read documents and keep the model's states",
         "Takes text and outline of each FILE into the library, then reads it with\n"
         "the model, keeping a state at the ends of sections. Interrupted, the same\n"
         "command goes on from the last state; a file that was read is not read again.",
         1, ANY_NUMBER},
    [OPTIONS_LS] = {"ls", "", "list the documents of the library",
                    "Shows the number, name and size of each document, how much of it was read,\n"
                    "and what its states take on disk.",
                    0, 0},
    [OPTIONS_SHOW] =
        {"show", "DOC", "show the outline of a document",
         "DOC is a document's number, name or path. Marks: a prefix state (everything\n"
         "up to here was read) and a section state (this section alone).",
         1, 1},
    [OPTIONS_ASK] =
        {"ask", "DOC[:SECTION] QUESTION...", "ask a question about a document",
         "Answers from the states of the best sections, or of the SECTION (a number or\n"
         "a title), and looks up every quote in the document. Exit code 6: the document\n"
         "does not say.",
         2, ANY_NUMBER},
    [OPTIONS_SUM] = {"sum", "DOC[:SECTION]", "summarize a document or a section",
                     "Summarizes each section from its state, then the whole from the parts, by\n"
                     "sentences of the text that the model chooses, and keeps what it made: asked\n"
                     "again, it is instant.",
                     1, 1},
    [OPTIONS_RM] = {"rm", "DOC...", "remove documents and their states from the library",
                    "The source files stay. Questions, answers and summaries go.", 1, ANY_NUMBER},
    [OPTIONS_MODEL] = {"model", "", "show the model in use",
                       "Says which one, and how it was found.", 0, 0},
    [OPTIONS_BENCH] = {"bench", "", "measure how fast the model runs here",
                       "Beside what the machine can do, measured in the same run.", 0, 0},
    [OPTIONS_HELP] = {"help", "[COMMAND]", "show this, or the help of a command", "", 0, 1},
};

#define AT(field) offsetof(struct options, field)

const struct options_entry options_table[] = {
    {"no-model", 0, NULL, "stop when text and outline are in the library", READ, OPTIONS_FLAG,
     AT(no_model), 0, 0, false},
    {"as", 0, "NAME", "take all FILEs as one document of this name", READ, OPTIONS_TEXT,
     AT(as_name), 0, 0, false},
    {"keep-every", 0, "TOKENS", "a state at the first section end after so many (0: at each)", READ,
     OPTIONS_COUNT, AT(keep_every), 0, 1e12, false},
    {"mix", 0, NULL, "go on with a reading begun by other kernels, marked for good", READ,
     OPTIONS_FLAG, AT(mix), 0, 0, false},

    {"reread", 0, NULL, "read the passages again, with the question first", ASK, OPTIONS_FLAG,
     AT(reread), 0, 0, false},
    {"as-of", 0, "SECTION", "answer from what was read up to the end of this section", ASK,
     OPTIONS_TEXT, AT(as_of), 0, 0, false},
    {"lanes", 0, "N", "sections that are asked side by side", ASK, OPTIONS_COUNT, AT(lanes), 1,
     ASKING_MAX_LANES, false},
    {"so-far", 0, "SECTION", "the story up to the end of this section", SUM, OPTIONS_TEXT,
     AT(so_far), 0, 0, false},
    {"own-words", 0, NULL, "let the model write, instead of choosing sentences of the text", SUM,
     OPTIONS_FLAG, AT(own_words), 0, 0, false},
    {"max-tokens", 0, "N", "longest answer or summary", ASK | SUM, OPTIONS_COUNT, AT(max_tokens), 1,
     100000, false},
    {"temperature", 0, "T", "0: always the likeliest token (default); 1: as the model says", ASK,
     OPTIONS_REAL, AT(temperature), 0, 100, false},
    {"top-k", 0, "K", "draw from the K likeliest tokens (0: off)", ASK, OPTIONS_COUNT, AT(top_k), 0,
     1000000, false},
    {"top-p", 0, "P", "draw from the likeliest tokens that make up P (1: off)", ASK, OPTIONS_REAL,
     AT(top_p), 0, 1, true},
    {"min-p", 0, "P", "draw from tokens at least P times as likely as the best (0: off)", ASK,
     OPTIONS_REAL, AT(min_p), 0, 1, false},
    {"repetition-penalty", 0, "X", "make tokens that were used less likely (1: off)", ASK,
     OPTIONS_REAL, AT(repetition_penalty), 0, 100, true},
    {"seed", 0, "N", "of the draw", ASK, OPTIONS_COUNT, AT(seed), 0, 9e15, false},

    {"rounds", 0, "N", "timed rounds of everything; medians are shown (default 3)", BENCH,
     OPTIONS_COUNT, AT(rounds), 1, 1000, false},

    {"json", 0, NULL, "print results as JSON, one object a line", EVERY, OPTIONS_FLAG, AT(json), 0,
     0, false},
    {"model", 'm', "FILE", "model to use: a GGUF file, or a name in a models folder", EVERY,
     OPTIONS_TEXT, AT(model), 0, 0, false},
    {"library", 'l', "DIR", "folder of the library", EVERY, OPTIONS_TEXT, AT(library), 0, 0, false},
    {"threads", 't', "N", "threads to compute with (default: one a core)", EVERY, OPTIONS_COUNT,
     AT(threads), 1, 1024, false},
    {"kernels", 0, "NAME", "arithmetic to use: reference, avx512 (default: the fastest)", EVERY,
     OPTIONS_TEXT, AT(kernels), 0, 0, false},
    {"quiet", 'q', NULL, "say nothing on standard error but errors", EVERY, OPTIONS_FLAG, AT(quiet),
     0, 0, false},
    {"help", 'h', NULL, "show help", EVERY, OPTIONS_FLAG, AT(help), 0, 0, false},
    {"version", 'V', NULL, "show the version", EVERY, OPTIONS_FLAG, AT(version), 0, 0, false},
    {0},
};

static_assert(sizeof options_table / sizeof *options_table <= OPTIONS_TABLE_LIMIT + 1,
              "OPTIONS_TABLE_LIMIT is too small");

const struct options options_defaults = {
    .command = OPTIONS_COMMANDS,
    .top_p = 1,
    .repetition_penalty = 1,
    .rounds = 3,
};

/* --- help --------------------------------------------------------------------------- */

static void print_option(FILE *out, const struct options_entry *entry)
{
    char form[64];
    snprintf(form, sizeof form, "--%s%s%s", entry->name, entry->argument ? " " : "",
             entry->argument ? entry->argument : "");
    if (entry->letter)
        fprintf(out, "  -%c, %-24s %s\n", entry->letter, form, entry->help);
    else
        fprintf(out, "      %-24s %s\n", form, entry->help);
}

static void print_options(FILE *out, const char *heading, unsigned command, bool common)
{
    bool begun = false;
    for (const struct options_entry *entry = options_table; entry->name; entry++) {
        if (common != (entry->commands == EVERY) || !(entry->commands & command))
            continue;
        if (!begun)
            fprintf(out, "\n%s:\n", heading);
        begun = true;
        print_option(out, entry);
    }
}

static void print_commands(FILE *out)
{
    for (int i = 0; i < OPTIONS_COMMANDS; i++) {
        char form[64];
        snprintf(form, sizeof form, "%s %s", options_commands[i].name,
                 options_commands[i].arguments);
        fprintf(out, "  %-30s %s\n", form, options_commands[i].summary);
    }
}

void options_print_usage(FILE *out)
{
    fputs("Usage: tidemark COMMAND [OPTION]...\n\n", out);
    print_commands(out);
    fputs("\n`tidemark help` says more.\n", out);
}

void options_print_help(FILE *out, enum options_command command)
{
    if (command != OPTIONS_COMMANDS) {
        const struct options_command_entry *entry = &options_commands[command];
        fprintf(out, "Usage: tidemark %s%s%s [OPTION]...\n\nTo %s.\n", entry->name,
                *entry->arguments ? " " : "", entry->arguments, entry->summary);
        if (*entry->detail)
            fprintf(out, "%s\n", entry->detail);
        print_options(out, "Options", 1u << command, false);
        print_options(out, "Options of every command", EVERY, true);
        return;
    }
    fputs("Usage: tidemark COMMAND [OPTION]...\n\n"
          "Reads long documents once with a Mamba model, keeps the model's states, and from\n"
          "then on answers and summarizes without reading again.\n\nCommands:\n",
          out);
    print_commands(out);
    print_options(out, "Options of every command", EVERY, true);
    fputs("\nA DOC is a document's number, name or path; a SECTION is a number or a title.\n"
          "`tidemark COMMAND --help` lists a command's own options.\n\n"
          "Exit codes: 0 all is well, 1 the system failed, 2 wrong usage, 3 input, 4 model,\n"
          "5 library, 6 the document does not say, 130 interrupted.\n",
          out);
}
