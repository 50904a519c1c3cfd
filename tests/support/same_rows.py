#!/usr/bin/env python3
"""Whether two results databases hold the same, whatever the ids and the order in which it came there.

    same_rows.py A.db B.db [--ignore TABLE or TABLE.COLUMN or .COLUMN]... [--tables]

Every row is shown with the keys of the rows that it refers to in place of their ids. Left out is what differs from one
run to the next: see TIMINGS and MOMENT. Prints what only one of both has; exit code 0: the same, 1: not, 2: bad usage.
"""

import argparse
import collections
import contextlib
import sqlite3
import sys

# When a thing was done, and how long it took or was thought to take.
TIMINGS = {"created_utc", "updated_utc", "started_utc", "finished_utc", "heartbeat_utc", "wall_seconds", "compute_seconds",
           "estimated_seconds"}
# Who did it, from where, and how often it was tried.
MOMENT = {"command_line", "attempts", "runner_id", "provenance_id", "path"}
# Tables of nothing else.
MOMENT_TABLES = {"programs", "sweep_runners"}


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


class Table:
    """Columns, keys and references of one table, and its rows."""

    def __init__(self, database, name):
        self.name = name
        information = database.execute("SELECT name, type, pk FROM pragma_table_info(?)", (name,)).fetchall()
        self.columns = [column for column, _, _ in information]
        self.references = {}
        for column, parent, to in database.execute(
                'SELECT "from", "table", "to" FROM pragma_foreign_key_list(?) ORDER BY id, seq', (name,)):
            self.references.setdefault(column, (parent, to))
        self.primary_key = [column for column, _, place in sorted(information, key=lambda row: row[2]) if place > 0]
        types = {column: kind for column, kind, _ in information}
        alone = self.primary_key[0] if len(self.primary_key) == 1 else None
        self.id = alone if alone and types[alone] == "INTEGER" and alone not in self.references else None
        self.unique = []
        # A partial index tells apart only those rows that the whole ones leave to it.
        for index in database.execute('SELECT name FROM pragma_index_list(?) WHERE "unique" ORDER BY partial', (name,)).fetchall():
            self.unique.append([row[0] for row in database.execute("SELECT name FROM pragma_index_info(?)", index)])
        self.rows = [dict(zip(self.columns, row)) for row in database.execute(f"SELECT * FROM {quoted(name)}")]
        self.by_id = {row[self.id]: row for row in self.rows} if self.id else {}


class Contents:
    def __init__(self, path, ignored):
        self.ignored = ignored
        self.known = {}
        # Not read-only: what a killed writer left beside the file is part of it.
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True)) as database:
            names = [name for (name,) in database.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")]
            self.tables = {name: Table(database, name) for name in names}

    def is_ignored(self, table, column):
        return bool({f"{table}.{column}", f".{column}", table} & self.ignored)

    def entity(self, table, column):
        """The table whose id a column holds, or None."""
        if column == table.id:
            return table
        if column not in table.references:
            return None
        parent, to = table.references[column]
        parent = self.tables[parent]
        return self.entity(parent, to or parent.primary_key[0])

    def value(self, table, row, column):
        parent = self.entity(table, column) if column != table.id else None
        if parent is None or row[column] is None:
            return row[column]
        if row[column] not in parent.by_id:
            return f"{parent.name}: a row that is missing"
        return self.key(parent, row[column])

    def key(self, table, number):
        """What tells the row with this id apart in every file."""
        if (table.name, number) not in self.known:
            row = table.by_id[number]
            columns = next((unique for unique in table.unique if all(row[column] is not None for column in unique)),
                           [column for column in self.shown(table) if row[column] is not None])
            self.known[table.name, number] = (table.name, *(self.value(table, row, column) for column in columns))
        return self.known[table.name, number]

    def shown(self, table):
        return [column for column in table.columns if column != table.id and not self.is_ignored(table.name, column)]

    def lines(self, name):
        """How often each row occurs: {((column, value), ...): n}."""
        table = self.tables.get(name)
        if table is None or name in self.ignored:
            return collections.Counter()
        shown = self.shown(table)
        return collections.Counter(tuple((column, self.value(table, row, column)) for column in shown) for row in table.rows)


def differences(a, b, name):
    """The rows of a table that only one of both has, those of a key side by side: lists of lines to print."""
    lines_a, lines_b = a.lines(name), b.lines(name)
    only_a, only_b = sorted((lines_a - lines_b).elements(), key=repr), sorted((lines_b - lines_a).elements(), key=repr)
    table = a.tables.get(name) or b.tables.get(name)
    key_columns = table.unique[0] if table.unique else table.primary_key

    def key(line):
        return tuple(value for column, value in line if column in key_columns)

    out = []
    of_key = collections.defaultdict(list)
    for line in only_b:
        of_key[key(line)].append(line)
    for line in only_a:
        other = of_key[key(line)].pop(0) if of_key[key(line)] else None
        if other is None:
            out.append(f"  only in A: {show(line)}")
            continue
        changed = [f"{column}: {one!r} != {two!r}" for (column, one), (_, two) in zip(line, other) if one != two]
        out.append(f"  {show([pair for pair in line if pair[0] in key_columns])}\n      " + "\n      ".join(changed))
    for lines in of_key.values():
        out.extend(f"  only in B: {show(line)}" for line in lines)
    return out, sum(lines_a.values()), sum(lines_b.values())


def show(line):
    text = ", ".join(f"{column}={value!r}" for column, value in line)
    return text if len(text) <= 400 else text[:400] + " ..."


def compare(path_a, path_b, ignored=frozenset(), print_tables=False):
    """The difference as text, "" where there is none."""
    ignored = set(ignored) | MOMENT_TABLES | {f".{column}" for column in TIMINGS | MOMENT}
    a, b = Contents(path_a, ignored), Contents(path_b, ignored)
    out = []
    for name in sorted(a.tables.keys() | b.tables.keys()):
        if name in ignored:
            continue
        lines, rows_a, rows_b = differences(a, b, name)
        if print_tables:
            print(f"{rows_a:8} {rows_b:8}  {name}")
        if lines:
            out.append(f"{name}: {rows_a} rows in A, {rows_b} in B")
            out.extend(lines[:20])
            if len(lines) > 20:
                out.append(f"  and {len(lines) - 20} more")
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a")
    parser.add_argument("b")
    parser.add_argument("--ignore", action="append", default=[], help="TABLE, TABLE.COLUMN or .COLUMN of all tables")
    parser.add_argument("--tables", action="store_true", help="print how many rows each table has")
    arguments = parser.parse_args()
    try:
        difference = compare(arguments.a, arguments.b, arguments.ignore, arguments.tables)
    except sqlite3.Error as problem:
        print(f"same_rows.py: {problem}", file=sys.stderr)
        return 2
    if difference:
        print(difference)
    return 1 if difference else 0


if __name__ == "__main__":
    sys.exit(main())
