/* What the program can be told. */
#include "app/options_table.h"

#include "app/options.h"
#include "app/work/asking.h"

#include <assert.h>

#define OPEN (1u << OPTIONS_OPEN)
#define READ (1u << OPTIONS_READ)
#define ASK (1u << OPTIONS_ASK)
#define SUM (1u << OPTIONS_SUM)
#define TEXT (1u << OPTIONS_TEXT)
#define RM (1u << OPTIONS_RM)
#define GC (1u << OPTIONS_GC)
#define RESTORE (1u << OPTIONS_RESTORE)
#define EVAL (1u << OPTIONS_EVAL)
#define MODEL (1u << OPTIONS_MODEL)
#define BENCH (1u << OPTIONS_BENCH)

#define ANY_NUMBER ((size_t)-1)

const struct options_command_entry options_commands[OPTIONS_COMMANDS] = {
    [OPTIONS_OPEN] = {.name = "open",
                      .arguments = "[FILE|DOC...]",
                      .summary = "open the reader in the terminal",
                      .detail = "Begins with the list of the library's documents or, if one is "
                                "given, with the first FILE or DOC; every FILE is taken into the "
                                "library. A document is read on while it is open. The word `open` "
                                "can be left out before a FILE and, on a terminal, before any DOC "
                                "whose name is not like a command's; `tidemark` alone on a "
                                "terminal opens the reader too. What a key does is shown there by "
                                "`<F1>`.",
                      .most = ANY_NUMBER,
                      .first = OPTIONS_FORM_EITHER,
                      .rest = OPTIONS_FORM_EITHER},
    [OPTIONS_READ] = {.name = "read",
                      .arguments = "FILE...",
                      .summary = "read documents and keep the model's states",
                      .detail = "Takes text and outline of each FILE into the library, then reads "
                                "it with the model, keeping a state and the bits per token at the "
                                "ends of sections. A FILE of `-` is standard input. Interrupted "
                                "or killed, the same command goes on from the last state. A file "
                                "that was read is not read again; one that has grown is read on "
                                "from the start of its last section, and one that has changed "
                                "from the last state before the change.",
                      .least = 1,
                      .most = ANY_NUMBER,
                      .first = OPTIONS_FORM_FILE,
                      .rest = OPTIONS_FORM_FILE},
    [OPTIONS_LS] = {.name = "ls",
                    .arguments = "",
                    .summary = "list the documents of the library",
                    .detail = "Shows number, name, sections and size of each document, how much "
                              "of it was read, and what its states take on disk."},
    [OPTIONS_SHOW] = {.name = "show",
                      .arguments = "DOC",
                      .summary = "show the outline of a document",
                      .detail = "For each section: its number, title, page or line, tokens, bits "
                                "per token (how well the model predicted it: less is better), and "
                                "the states that are kept: P for a prefix state, which holds "
                                "everything up to the section's end, S for a section state, which "
                                "holds this section alone.",
                      .least = 1,
                      .most = 1,
                      .first = OPTIONS_FORM_DOCUMENT},
    [OPTIONS_TEXT] = {.name = "text",
                      .arguments = "DOC[:SECTION]",
                      .summary = "print the text of a document or a section",
                      .detail = "As the model reads it. What a terminal would act on instead of "
                                "showing it is written visibly.",
                      .least = 1,
                      .most = 1,
                      .first = OPTIONS_FORM_DOCUMENT},
    [OPTIONS_ASK] = {.name = "ask",
                     .arguments = "DOC[:SECTION] QUESTION...",
                     .summary = "ask a question about a document",
                     .detail = "The sections are ranked by the words of the question; each of the "
                               "best is asked from its section state, side by side, and the most "
                               "confident answer is printed. With a SECTION, only that one is "
                               "asked. A terminal shows the words of the best ranked section's "
                               "answer as they come. The answer is followed by the sentence of "
                               "the section that the model chose for it, and that takes longer to "
                               "find. Every quote is looked up in the document and "
                               "shown with its section, and its page or line, as verified, or as "
                               "not in the document. Verified says that the words stand there, "
                               "not that they prove the answer. The words of the question need no "
                               "quotation marks but what the shell asks for. Question and answer "
                               "are kept in the library. Exit code 6: the document does not say.",
                     .least = 2,
                     .most = ANY_NUMBER,
                     .first = OPTIONS_FORM_DOCUMENT},
    [OPTIONS_SUM] = {.name = "sum",
                     .arguments = "DOC[:SECTION]",
                     .summary = "summarize a document or a section",
                     .detail = "Without a SECTION, every section is summarized from its state, "
                               "then the whole from the parts, by sentences of the text that the "
                               "model chooses. Summaries are kept in the library: asked for "
                               "again, they are printed at once.",
                     .least = 1,
                     .most = 1,
                     .first = OPTIONS_FORM_DOCUMENT},
    [OPTIONS_EXPORT] = {.name = "export",
                        .arguments = "DOC",
                        .summary = "write what is known of a document as Markdown",
                        .detail = "Its outline, summaries, questions, answers and quotes, and "
                                  "your marks, bookmarks and notes, on standard output. "
                                  "Follow-ups stand under what they follow.",
                        .least = 1,
                        .most = 1,
                        .first = OPTIONS_FORM_DOCUMENT},
    [OPTIONS_RM] = {.name = "rm",
                    .arguments = "DOC...",
                    .summary = "remove documents and their states from the library",
                    .detail = "All that hangs on them goes too: text, questions, answers and "
                              "summaries. The source files stay.",
                    .least = 1,
                    .most = ANY_NUMBER,
                    .first = OPTIONS_FORM_DOCUMENT,
                    .rest = OPTIONS_FORM_DOCUMENT},
    [OPTIONS_VERIFY] = {.name = "verify",
                        .arguments = "",
                        .summary = "check the library and every state in it",
                        .detail = "Checks both databases, all texts and checksums, and looks for "
                                  "what belongs to nothing. Changes nothing. Exit code 5: "
                                  "something is wrong."},
    [OPTIONS_GC] = {.name = "gc",
                    .arguments = "",
                    .summary = "remove states that are of no use, and thin the rest to the budget",
                    .detail = "States can be made again by reading. Kept are those that save the "
                              "most reading per byte, and always the last one of each reading."},
    [OPTIONS_BACKUP] = {.name = "backup",
                        .arguments = "FILE",
                        .summary = "copy the library into a new file",
                        .detail = "Documents, questions, answers and summaries; not the states, "
                                  "which can be made again. Others may use the library meanwhile. "
                                  "A file that is there already is refused.",
                        .least = 1,
                        .most = 1,
                        .first = OPTIONS_FORM_FILE},
    [OPTIONS_RESTORE] = {.name = "restore",
                         .arguments = "FILE",
                         .summary = "put a backup in place of the library",
                         .detail = "Refused, with a count of what would be lost, while the "
                                   "library holds what the backup lacks.",
                         .least = 1,
                         .most = 1,
                         .first = OPTIONS_FORM_FILE},
    [OPTIONS_EVAL] = {.name = "eval",
                      .arguments = "FILE",
                      .summary = "measure how well and how fast the model reads a text",
                      .detail = "Bits per byte and tokens a second, in all and by position in the "
                                "document. Nothing of it is kept in the library.",
                      .least = 1,
                      .most = 1,
                      .first = OPTIONS_FORM_FILE},
    [OPTIONS_MODEL] = {.name = "model",
                       .arguments = "[show|import DIR|FILE...|quantize FILE|verify [FILE]]",
                       .summary = "show the model in use; import, quantize or check one",
                       .detail =
                           "With `show`, or without a word: which model is used and how it was "
                           "found, its shape, types, sizes and fingerprint, and how fast it "
                           "read here when `bench` last measured it. Then `import` writes a GGUF "
                           "file from a model as the hub lays it out: the folder DIR with "
                           "config.json, safetensors and tokenizer.json, or the FILEs of "
                           "weights in it; `quantize` writes a GGUF file from another; "
                           "`verify` checks all that opening a file checks, and every "
                           "block of its weights. Files of weights that could run code "
                           "(pickle) are refused. A file that is written gets its name once "
                           "it is whole. Exit code 4: a file is not sound.",
                       .most = ANY_NUMBER,
                       .first = OPTIONS_FORM_CHOICE,
                       .rest = OPTIONS_FORM_FILE,
                       .choices = "show import quantize verify"},
    [OPTIONS_BENCH] = {.name = "bench",
                       .arguments = "",
                       .summary = "measure how fast the model runs here",
                       .detail = "How fast it reads and answers, beside what the machine can do, "
                                 "measured in the same run: a processor's arithmetic between the "
                                 "layers of what is read, its least and most beside the mean. "
                                 "Takes 1 GiB of memory."},
    [OPTIONS_DOCTOR] = {.name = "doctor",
                        .arguments = "",
                        .summary = "look for what may be wrong here, and say what helps",
                        .detail = "Looks at terminal, locale, processor, configuration, model, "
                                  "library and clock. Changes nothing. Exit code 0: there is no "
                                  "problem; else the code of the first one's kind."},
    [OPTIONS_COMPLETIONS] = {.name = "completions",
                             .arguments = "SHELL",
                             .summary = "print the completions for a shell",
                             .detail = "For bash, zsh or fish. Installed from a package or "
                                       "by `cmake --install`, they are in their places already.",
                             .least = 1,
                             .most = 1,
                             .first = OPTIONS_FORM_CHOICE,
                             .choices = "bash zsh fish"},
    [OPTIONS_HELP] = {.name = "help",
                      .arguments = "[COMMAND]",
                      .summary = "show this, or the help of a command",
                      .detail = "",
                      .most = 1,
                      .first = OPTIONS_FORM_COMMAND},
};

#define AT(field) offsetof(struct options, field)

const struct options_entry options_table[] = {
    {.name = "no-read",
     .help = "read documents on only when a key asks for it",
     .commands = OPEN,
     .offset = AT(no_read)},
    {.name = "script",
     .argument = "FILE",
     .help = "feed keys from a file instead of a terminal, for tests",
     .detail = "The screen is then kept in memory. One command a line: `size COLUMNS LINES`; "
               "`keys STROKES`, by name, such as `keys jj<Enter>`; `type TEXT`; `paste TEXT`; "
               "`click COLUMN LINE`; `wheel up COLUMN LINE`, or `down`; `wait`, until nothing "
               "goes on any more; `wait reading`, until a section was read; `screen FILE`, to "
               "save the screen as text. Empty lines and lines that begin with `#` are passed "
               "over.",
     .commands = OPEN,
     .kind = OPTIONS_STRING,
     .offset = AT(script),
     .form = OPTIONS_FORM_FILE},

    {.name = "no-model",
     .help = "stop when text and outline are in the library",
     .commands = READ,
     .offset = AT(no_model)},
    {.name = "as",
     .argument = "NAME",
     .help = "take all the files as one document of this name",
     .detail = "In the order in which they are given.",
     .commands = READ,
     .kind = OPTIONS_STRING,
     .offset = AT(as_name)},
    {.name = "keep-every",
     .argument = "TOKENS",
     .help = "a state at the first section end after so many (0: at each)",
     .detail = "They are counted from the last state on; the end of the document always gets "
               "one. What an interruption costs is at most the reading since the last state.",
     .commands = READ,
     .kind = OPTIONS_COUNT,
     .offset = AT(keep_every),
     .high = 1e12},
    {.name = "encoding",
     .argument = "NAME",
     .help = "encoding of the text, as iconv knows it (default: found out)",
     .detail = "Found out means: a byte order mark, else what the text itself declares at its "
               "beginning, else UTF-8 where nothing is against it, else a guess, which is shown "
               "with how sure it is. What was given is kept with the document; `auto` forgets "
               "it.",
     .commands = READ | EVAL | MODEL,
     .kind = OPTIONS_STRING,
     .offset = AT(encoding)},
    {.name = "follow",
     .letter = 'f',
     .help = "go on reading as the file grows, until interrupted",
     .commands = READ,
     .offset = AT(follow)},
    {.name = "mix",
     .help = "go on with a reading begun by other kernels, marked for good",
     .detail = "Without it that is refused, since the result would be neither the one's nor the "
               "other's.",
     .commands = READ,
     .offset = AT(mix)},

    {.name = "reread",
     .help = "read the passages again, with the question first",
     .detail = "Instead of using their states.",
     .commands = ASK,
     .offset = AT(reread)},
    {.name = "as-of",
     .argument = "SECTION",
     .help = "answer from what was read up to the end of this section",
     .detail = "From the prefix state there; where none is kept, the nearest earlier one is used, "
               "and the sections between are read again. Goes neither with --reread nor with a "
               "section after the document.",
     .commands = ASK,
     .kind = OPTIONS_STRING,
     .offset = AT(as_of)},
    {.name = "after",
     .argument = "ID",
     .help = "go on from the answer to this question, as in a conversation",
     .detail = "The number is what `export`, and `ask` with --json, show as a question's. Nothing "
               "is read again while the answer's state is kept; else it is made again. From any "
               "question one may go on as often as one likes. Goes without --as-of, --reread and "
               "a section after the document.",
     .commands = ASK,
     .kind = OPTIONS_COUNT,
     .offset = AT(after),
     .low = 1,
     .high = 9e15},
    {.name = "lanes",
     .argument = "N",
     .help = "sections that are asked side by side",
     .commands = ASK,
     .kind = OPTIONS_COUNT,
     .offset = AT(lanes),
     .low = 1,
     .high = ASKING_MAX_LANES},
    {.name = "so-far",
     .argument = "SECTION",
     .help = "the story up to the end of this section",
     .detail = "From the prefix state there. Name the document without a section then.",
     .commands = SUM,
     .kind = OPTIONS_STRING,
     .offset = AT(so_far)},
    {.name = "chapter",
     .help = "the section and all below it in the outline, as one",
     .commands = SUM,
     .offset = AT(chapter)},
    {.name = "own-words",
     .help = "let the model write, instead of choosing sentences of the text",
     .detail = "A large model writes well; the bundled one makes things up.",
     .commands = SUM,
     .offset = AT(own_words)},
    {.name = "max-tokens",
     .argument = "N",
     .help = "longest answer or summary",
     .commands = ASK | SUM,
     .kind = OPTIONS_COUNT,
     .offset = AT(max_tokens),
     .low = 1,
     .high = 100000},
    {.name = "temperature",
     .argument = "T",
     .help = "0: always the likeliest token (default); 1: as the model says",
     .commands = ASK,
     .kind = OPTIONS_REAL,
     .offset = AT(temperature),
     .high = 100},
    {.name = "top-k",
     .argument = "K",
     .help = "draw from the K likeliest tokens (default 0: off)",
     .commands = ASK,
     .kind = OPTIONS_COUNT,
     .offset = AT(top_k),
     .high = 1000000},
    {.name = "top-p",
     .argument = "P",
     .help = "draw from the likeliest tokens that make up P (default 1: off)",
     .commands = ASK,
     .kind = OPTIONS_REAL,
     .offset = AT(top_p),
     .high = 1,
     .above = true},
    {.name = "min-p",
     .argument = "P",
     .help = "draw from tokens at least P times as likely as the best (0: off)",
     .commands = ASK,
     .kind = OPTIONS_REAL,
     .offset = AT(min_p),
     .high = 1},
    {.name = "repetition-penalty",
     .argument = "X",
     .help = "make tokens that were used less likely (default 1: off)",
     .commands = ASK,
     .kind = OPTIONS_REAL,
     .offset = AT(repetition_penalty),
     .high = 100,
     .above = true},
    {.name = "seed",
     .argument = "N",
     .help = "seed of the draw (default 0)",
     .detail = "The same seed gives the same answer.",
     .commands = ASK,
     .kind = OPTIONS_COUNT,
     .offset = AT(seed),
     .high = 9e15},

    {.name = "budget",
     .argument = "SIZE",
     .help = "disk space for all states, as 500M or 8G (default 4G)",
     .detail = "When states are stored beyond it, those that save the least reading per byte are "
               "removed. K, M, G and T are powers of 1024.",
     .commands = OPEN | READ | ASK | SUM | GC,
     .kind = OPTIONS_BYTES,
     .offset = AT(budget),
     .high = 9e15},
    {.name = "raw",
     .help = "print the text byte for byte (not to a terminal)",
     .commands = TEXT,
     .offset = AT(raw)},
    {.name = "shred",
     .help = "overwrite what the library's files held of them",
     .detail = "Refused while another process uses the library. Copies that a file system, a disk "
               "or a backup keeps are beyond its reach.",
     .commands = RM,
     .offset = AT(shred)},
    {.name = "force",
     .help = "do it even if that loses something",
     .detail =
         "With `restore`, what the backup lacks; with `model`, the file that is there already.",
     .commands = RESTORE | MODEL,
     .offset = AT(force)},

    {.name = "output",
     .letter = 'o',
     .argument = "FILE",
     .help = "file that `import` and `quantize` write",
     .commands = MODEL,
     .kind = OPTIONS_STRING,
     .offset = AT(output),
     .form = OPTIONS_FORM_FILE},
    {.name = "type",
     .argument = "NAME",
     .help = "type of the weights that are written (default: q4_k_m)",
     .detail = "The smaller, the faster and the less exact. Small tensors stay F32, and matrices "
               "whose rows do not divide into blocks get the nearest type that fits.",
     .commands = MODEL,
     .kind = OPTIONS_STRING,
     .offset = AT(type),
     .form = OPTIONS_FORM_CHOICE,
     .choices = "f32 f16 bf16 q8_0 q6_k q5_k_m q4_k_m q4_0"},
    {.name = "tokenizer",
     .argument = "PATH",
     .help = "folder or tokenizer.json, where the weights have none beside them",
     .commands = MODEL,
     .kind = OPTIONS_STRING,
     .offset = AT(tokenizer),
     .form = OPTIONS_FORM_FILE},
    {.name = "calibrate",
     .argument = "FILE",
     .help = "text to read with the model first, to find which weights count",
     .detail = "Up to 100,000 tokens of it are read. Errors then weigh by what the weights are "
               "multiplied by, which costs the model less of what it knows.",
     .commands = MODEL,
     .kind = OPTIONS_STRING,
     .offset = AT(calibrate),
     .form = OPTIONS_FORM_FILE},

    {.name = "rounds",
     .argument = "N",
     .help = "timed rounds of everything; medians are shown (default 3)",
     .commands = BENCH,
     .kind = OPTIONS_COUNT,
     .offset = AT(rounds),
     .low = 1,
     .high = 1000},

    {.name = "sweep",
     .help = "pace and memory over a million tokens read, 130,000 generated",
     .detail = "At every power of two, on a GPU the device's memory, else the process's. Each "
               "of the two parts ends after 200 seconds at the latest. `scripts/sweep-figure` "
               "makes a picture of it, from --json.",
     .commands = BENCH,
     .offset = AT(sweep)},

    {.name = "json",
     .help = "print results as JSON, one object a line",
     .detail = "In ASCII.",
     .commands = OPTIONS_WORKING,
     .offset = AT(json)},
    {.name = "model",
     .letter = 'm',
     .argument = "FILE",
     .help = "model to use: a GGUF file, or a name in a models folder",
     .detail = "With or without `.gguf`.",
     .commands = OPTIONS_WORKING,
     .kind = OPTIONS_STRING,
     .offset = AT(model),
     .form = OPTIONS_FORM_FILE},
    {.name = "library",
     .letter = 'l',
     .argument = "DIR",
     .help = "folder of the library",
     .commands = OPTIONS_WORKING,
     .kind = OPTIONS_STRING,
     .offset = AT(library),
     .form = OPTIONS_FORM_FOLDER},
    {.name = "threads",
     .letter = 't',
     .argument = "N",
     .help = "threads to compute with (default: one a core)",
     .detail = "Of the cores that the process may run on. Results do not depend on it.",
     .commands = OPTIONS_WORKING,
     .kind = OPTIONS_COUNT,
     .offset = AT(threads),
     .low = 1,
     .high = 1024},
    {.name = "kernels",
     .argument = "NAME",
     .help = "arithmetic: reference, avx2, avx2_int8, avx512, vnni, amx (default: the fastest)",
     .detail = "Of those that run here. vnni and amx round activations before they multiply them.",
     .commands = OPTIONS_WORKING,
     .kind = OPTIONS_STRING,
     .offset = AT(kernels),
     .form = OPTIONS_FORM_CHOICE,
     .choices = "reference avx2 avx2_int8 avx512 vnni amx"},
    {.name = "backend",
     .argument = "NAME",
     .help = "where to compute: cpu, cuda, auto (default: auto)",
     .detail = "With `auto`, an NVIDIA GPU where one is there and takes the model, else the "
               "processor; what was chosen is said on standard error. With --kernels, the "
               "processor computes.",
     .commands = OPTIONS_WORKING,
     .kind = OPTIONS_STRING,
     .offset = AT(backend),
     .form = OPTIONS_FORM_CHOICE,
     .choices = "auto cpu cuda"},
    {.name = "quiet",
     .letter = 'q',
     .help = "say nothing on standard error but errors",
     .commands = OPTIONS_EVERY,
     .offset = AT(quiet)},
    {.name = "help",
     .letter = 'h',
     .help = "show help",
     .commands = OPTIONS_EVERY,
     .offset = AT(help)},
    {.name = "version",
     .letter = 'V',
     .help = "show the version",
     .commands = OPTIONS_EVERY,
     .offset = AT(version)},
    {0},
};

static_assert(sizeof options_table / sizeof *options_table <= OPTIONS_TABLE_LIMIT + 1,
              "OPTIONS_TABLE_LIMIT is too small");

const struct options options_defaults = {
    .command = OPTIONS_COMMANDS,
    .top_p = 1,
    .repetition_penalty = 1,
    .rounds = 3,
    .budget = -1,
};
