"""What a library holds, read past the program: that both databases are sound, and their
rows without what may differ from one run to the next."""

import collections
import hashlib
import json
import shutil
import sqlite3

TIMES = {"added_at", "used_at", "updated_at", "asked_at", "made_at", "created_at", "changed_ns"}
# Numbers of documents are never given twice, so one that was begun and given up counts.
VOLATILE = {"id", "document", "seconds", "first_token_seconds", "resumed_at", "tokens_read", "kept",
            "from_states", "states_made", "tokens_reread", "tokens_generated"}


def steady(value):
    """JSON without what may differ from run to run."""
    if isinstance(value, dict):
        return {key: steady(item) for key, item in value.items() if key not in VOLATILE}
    if isinstance(value, list):
        return [steady(item) for item in value]
    return value


def rows(connection, table, names, leave_out=()):
    """The rows of a table as a set, without times and the columns named; with names in
    place of the numbers of documents and readings."""
    columns = [column[1] for column in connection.execute("PRAGMA table_info(%s)" % table)]
    kept = [name for name in columns if name not in TIMES and name not in leave_out]
    found = set()
    for row in connection.execute("SELECT %s FROM %s" % (", ".join(kept), table)):
        fields = dict(zip(kept, row))
        for key in ("document", "reading"):
            if key in fields:
                fields[key] = names[key].get(fields[key], fields[key])
        if table == "question":
            fields["detail"] = json.dumps(steady(json.loads(fields["detail"])), sort_keys=True)
        found.add(tuple(fields.items()))
    return found


def check_database(connection, path):
    found = connection.execute("PRAGMA integrity_check").fetchall()
    assert found == [("ok",)], "%s is damaged: %s" % (path, found)
    found = connection.execute("PRAGMA foreign_key_check").fetchall()
    assert not found, "%s has rows that hang on nothing: %s" % (path, found)


def check_documents(connection):
    """What the library says of a document is what it holds."""
    for document, sections, characters in connection.execute(
            "SELECT id, sections, characters FROM document"):
        found = connection.execute(
            "SELECT count(*), ifnull(max(ordinal) + 1, 0), ifnull(sum(characters), 0)"
            " FROM section WHERE document = ?", (document,)).fetchone()
        assert found == (sections, sections, characters), (
            "document %d: %s sections, but %s" % (document, sections, found))
    for reading, sections, tokens in connection.execute(
            "SELECT id, sections, tokens FROM reading"):
        found = connection.execute(
            "SELECT count(*), ifnull(max(end_token), 0) FROM section_reading"
            " WHERE reading = ?", (reading,)).fetchone()
        assert found == (sections, tokens), (
            "reading %d: %d sections, %d tokens, but %s" % (reading, sections, tokens, found))
    # Fails unless the index holds just the words of the sections.
    connection.execute("INSERT INTO search (search, rank) VALUES ('integrity-check', 1)")


def dump_library(connection):
    names = {"document": dict(connection.execute("SELECT id, name FROM document"))}
    names["reading"] = {reading: (names["document"][document], model)
                        for reading, document, model in connection.execute(
                            "SELECT id, document, model FROM reading")}
    tables = [name for name, in connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table'")
        if not name.startswith(("sqlite_", "search"))]
    found = {name: rows(connection, name, names, () if name == "model" else ("id",))
             for name in tables}
    return found, names


def dump_states(connection, names):
    lone = connection.execute("SELECT (SELECT count(*) FROM state) - "
                              "(SELECT count(*) FROM payload)").fetchone()[0]
    assert lone == 0, "%d states without bytes" % lone
    payloads = {state: hashlib.sha256(payload).hexdigest() for state, payload in
                connection.execute("SELECT state, bytes FROM payload")}
    found = set()
    for row in rows(connection, "state", names):
        fields = dict(row)
        if fields["kind"] == 3:
            continue  # an answer's: made again when it could not be kept
        found.add((*fields.items(), ("payload", payloads[fields.pop("id")])))
    return {"state": {tuple(field for field in row if field[0] != "id") for row in found}}


def dump_database(path, check, read):
    """What read() finds in a database that is sound; None if it has no layout yet."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        check_database(connection, path)
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            return None
        check(connection)
        return read(connection)
    finally:
        connection.close()


def dump(library):
    """Checks both databases; {table: rows}. What is not there yet is empty."""
    tables = collections.defaultdict(set)
    names = {"document": {}, "reading": {}}
    if (library / "library.db").exists():
        found, names = dump_database(library / "library.db", check_documents,
                                     dump_library) or (tables, names)
        tables.update(found)
    if (library / "states.db").exists():
        tables.update(dump_database(library / "states.db", lambda connection: None,
                                    lambda connection: dump_states(connection, names)) or {})
    return tables


def dump_file(path, folder, note):
    """The same for a copy of library.db."""
    folder.mkdir()
    shutil.copy(path, folder / "library.db")
    try:
        return dump(folder)
    except (AssertionError, sqlite3.Error) as problem:
        raise AssertionError("%s\nis damaged: %s" % (note, problem)) from problem
    finally:
        shutil.rmtree(folder)


def without_states(tables):
    return {name: found for name, found in tables.items() if name != "state" and found}


def sections_read(tables, document):
    """How many sections of a document the library says are read."""
    return max((fields["sections"] for fields in map(dict, tables["reading"])
                if fields["document"] == document), default=0)


def ends(tables, document):
    """Tokens up to the end of each section that is read, from 0 for none."""
    return [0] + sorted(fields["end_token"] for fields in map(dict, tables["section_reading"])
                        if fields["reading"][0] == document)


def content(library):
    """A hash of what is on the disk, without what holds nothing to keep."""
    total = hashlib.sha256()
    for path in sorted(library.rglob("*")) if library.exists() else ():
        if path.is_file() and not path.name.endswith(("-shm", ".lock")):
            data = path.read_bytes()
            if data:
                total.update(b"%s\0%d\0" % (path.name.encode(), len(data)) + data)
    return total.digest()
