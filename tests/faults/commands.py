"""The commands that are tried, each with what was done in the library before. A line
here is all that a new command takes: every test runs it under its own kind of faults.
`{home}` is a folder with two documents; `{run}` is one that each run has for itself.
The other words are explained at faults.Stage."""

from harness import chapter

BRIEF = ("--json", "--quiet", "--threads", "1")

# A document that was read, a question about it, the summary of a section.
SHELF = (("read", "{home}/shelf.md", "--quiet"),
         ("ask", "shelf", "How far away is the ferry dock?", "--quiet", "--max-tokens", "3"),
         ("sum", "shelf:2", "--quiet"))

READ = ("read", "{home}/new.md", *BRIEF)
BACKUP = ("backup", "{home}/backup.db", "--quiet")

COMMANDS = {
    "read": dict(command=READ, prepare=SHELF, reads="new"),
    "read_first": dict(command=READ, reads="new"),
    # Of a document that has grown since.
    "read_on": dict(command=("read", "{home}/shelf.md", *BRIEF),
                    prepare=(*SHELF, ("append", "shelf.md", chapter(7, 2) + chapter(8, 2))),
                    reads="shelf", loses=("document", "source", "section", "section_reading",
                                          "state")),
    # There is no room for all the states.
    "read_thin": dict(command=(*READ, "--budget", "90K"), prepare=SHELF, loses=("state",)),
    "ask": dict(command=("ask", "shelf", "Who carried a blue lantern?", "--max-tokens", "3",
                         *BRIEF), prepare=SHELF),
    "ask_after": dict(command=("ask", "shelf", "--after", "1", "Who else?", "--max-tokens", "3",
                               *BRIEF), prepare=SHELF),
    "sum": dict(command=("sum", "shelf", "--max-tokens", "20", *BRIEF), prepare=SHELF),
    "gc": dict(command=("gc", "--budget", "70K", "--json", "--quiet"), prepare=(*SHELF, READ),
               loses=("state",)),
    "rm": dict(command=("rm", "shelf", "--quiet"), prepare=(*SHELF, READ), loses="all"),
    "shred": dict(command=("rm", "shelf", "--shred", "--quiet"), prepare=(*SHELF, READ),
                  loses="all", speaks=True),
    "backup": dict(command=("backup", "{run}/backup.db", "--json", "--quiet"), prepare=SHELF,
                   writes="backup.db"),
    "restore": dict(command=("restore", "{home}/backup.db", "--json", "--quiet"),
                    prepare=(*SHELF, BACKUP, ("rm", "shelf", "--quiet"))),
    "restore_older": dict(command=("restore", "{home}/backup.db", "--force", "--json", "--quiet"),
                          prepare=(*SHELF, BACKUP, READ), loses="all"),
    "ls": dict(command=("ls", "--json", "--quiet"), prepare=SHELF),
    "show": dict(command=("show", "shelf", "--json", "--quiet"), prepare=SHELF),
    "export": dict(command=("export", "shelf", "--quiet"), prepare=SHELF),
    "text": dict(command=("text", "shelf:2", "--quiet"), prepare=SHELF),
    "verify": dict(command=("verify", "--json", "--quiet"), prepare=SHELF, speaks=True),
    "import": dict(command=("model", "import", "{home}/falcon", "-o", "{run}/out.gguf",
                            "--type", "q8_0", *BRIEF), prepare=(("hub", "falcon"),),
                   makes="out.gguf"),
    "quantize": dict(command=("model", "quantize", "{home}/falcon.gguf", "-o", "{run}/out.gguf",
                              "--type", "q4_0", *BRIEF),
                     prepare=(("hub", "falcon"), ("model", "import", "{home}/falcon", "-o",
                                                  "{home}/falcon.gguf", "--type", "f32",
                                                  "--quiet")),
                     makes="out.gguf"),
    "usage": dict(command=("frobnicate",)),
}

# Those that change the library or write a file.
CHANGING = ("read", "read_first", "read_on", "read_thin", "ask", "ask_after", "sum", "gc", "rm", "shred",
            "backup", "restore", "restore_older", "import", "quantize")

# Tried at more places than the others.
FIRST = ("read", "ask", "sum", "gc")

# Those of which only the exit code is looked at: what they print is never the same.
OTHERS = (("doctor",), ("eval", "{home}/shelf.md", *BRIEF), ("model",), ("help",),
          ("help", "ask"), ("completions", "bash"), ("read", "{home}/shelf.md", "--json"))
