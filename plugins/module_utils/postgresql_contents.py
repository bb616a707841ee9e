# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a PostgreSQL database holds, asked the same way at backup time and of a restored copy.

What belongs to an extension is left out: its own script makes it, and not the dump.

Note that this module util is private to the collection.
"""

from __future__ import annotations

_SHOWN = 10
_OWN_SCHEMA = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
_OF_NO_EXTENSION = "NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = '%s'::regclass AND d.objid = %s.oid AND d.deptype = 'e')"
_RELATIONS = (
    "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relpersistence <> 't' AND %s AND %s"
    % (_OWN_SCHEMA, _OF_NO_EXTENSION % ("pg_catalog.pg_class", "c"))
)  # fmt: skip
# Tables with rows of their own: partitioned tables have none, and foreign tables have others'.
_TABLES = "SELECT jsonb_build_array(n.nspname || '.' || c.relname, format('%%I.%%I', n.nspname, c.relname)) AS name %s AND c.relkind = 'r'" % _RELATIONS
_OF_TABLES = "(SELECT c.oid %s AND c.relkind IN ('r', 'p', 'm'))" % _RELATIONS

TABLE_COUNT = "SELECT count(*) %s AND c.relkind IN ('r', 'p')" % _RELATIONS
_OBJECTS = {
    "tables": TABLE_COUNT,
    "views": "SELECT count(*) %s AND c.relkind IN ('v', 'm')" % _RELATIONS,
    "sequences": "SELECT count(*) %s AND c.relkind = 'S'" % _RELATIONS,
    # An index that was never finished is not dumped.
    "indexes": "SELECT count(*) FROM pg_catalog.pg_index i WHERE i.indisvalid AND i.indrelid IN %s" % _OF_TABLES,
    "functions": (
        "SELECT count(*) FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE %s AND %s"
        % (_OWN_SCHEMA, _OF_NO_EXTENSION % ("pg_catalog.pg_proc", "p"))
    ),
    # Those of partitions follow from the partitioned table.
    "triggers": (
        "SELECT count(*) FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class p ON p.oid = t.tgrelid "
        "WHERE NOT t.tgisinternal AND NOT p.relispartition AND t.tgrelid IN %s" % _OF_TABLES
    ),
    "large_objects": "SELECT count(*) FROM pg_catalog.pg_largeobject_metadata",
}  # fmt: skip
_FACTS = (
    "SELECT jsonb_build_object('version', current_setting('server_version'), 'encoding', current_setting('server_encoding'), "
    "'bytes', pg_catalog.pg_database_size(current_database()), 'superuser', (SELECT rolname FROM pg_catalog.pg_roles WHERE oid = 10), "
    "'extensions', (SELECT jsonb_agg(extname ORDER BY extname) FROM pg_catalog.pg_extension), 'objects', jsonb_build_object(%s))"
    % ", ".join("'%s', (%s)" % pair for pair in _OBJECTS.items())
)  # fmt: skip


def lock(session):
    """Takes the locks that keep every table as the snapshot sees it: TRUNCATE and rewritten tables are seen by older snapshots as well."""
    names = _names(session)
    if names:
        session.do("LOCK TABLE %s IN ACCESS SHARE MODE NOWAIT" % ", ".join("ONLY " + quoted for _name, quoted in names))


def contents(session, limit_s):
    """Returns the evidence of the session's database, in the session's snapshot; raises ProgramError. limit_s: seconds for each table."""
    facts = session.value(_FACTS)
    tables = {}
    for name, quoted in _names(session):
        # Names with dots in them may look alike.
        tables[name] = tables.get(name, 0) + session.value("SELECT count(*) FROM ONLY %s" % quoted, limit_s)
    return {"engine": "postgresql", "tables": tables, "rows": sum(tables.values()), **facts, "extensions": facts["extensions"] or []}


def differences(wanted, found):
    """Returns what differs between the evidence of backup time and that of a copy as text, "" if nothing does."""
    lines = [
        "table %s has %s, and %s at backup time" % (name, _rows(found["tables"].get(name)), _rows(wanted["tables"].get(name)))
        for name in sorted(set(wanted["tables"]) | set(found["tables"]))
        if wanted["tables"].get(name) != found["tables"].get(name)
    ]
    lines += [
        "there are %s %s, and %s at backup time" % (found["objects"].get(kind), kind.replace("_", " "), count)
        for kind, count in sorted(wanted["objects"].items())
        if found["objects"].get(kind) != count
    ]
    for key in ("encoding", "extensions"):
        if wanted[key] != found[key]:
            lines.append("%s: %s, and %s at backup time" % (key, found[key], wanted[key]))
    more = ["and %d more" % (len(lines) - _SHOWN)] if len(lines) > _SHOWN else []
    return "; ".join(lines[:_SHOWN] + more)


def _names(session):
    """Returns the tables' names, for people and quoted for SQL."""
    return session.value("SELECT coalesce(jsonb_agg(name ORDER BY name), '[]') FROM (%s) AS tables" % _TABLES)


def _rows(count):
    return "no such table" if count is None else "%d rows" % count
