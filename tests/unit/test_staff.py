# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The maker of staff data keeps its promises: the same data for the same seed, and scripts that say what was meant."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest


def script(staff, engine, **options):
    out = io.StringIO()
    staff.sql(engine, out, **{"megabytes": 1, **options})
    return out.getvalue()


def directory(staff, **options):
    """The entries of an LDIF text by name: attribute -> values as octets."""
    out = io.StringIO()
    staff.ldif(out, **options)
    assert max(map(len, out.getvalue().split("\n"))) <= 76
    assert out.getvalue().isascii()
    entries = {}
    for block in out.getvalue().replace("\n ", "").strip().split("\n\n"):
        found = {}
        for line in block.split("\n"):
            attribute, encoded, value = re.fullmatch(r"(\w+):(:?) *(.*)", line).groups()
            found.setdefault(attribute, []).append(base64.b64decode(value) if encoded else value.encode())
        entries[found.pop("dn")[0].decode()] = found
    return entries


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
def test_same_seed_makes_the_same_database(staff, engine):
    a, b, c = (script(staff, engine, seed=seed) for seed in (7, 7, 8))
    assert a == b != c
    assert len(script(staff, engine, megabytes=2)) > 1.5 * len(a)


def test_postgresql_reads_back_what_was_meant(staff):
    text = script(staff, "postgresql")
    number = text.count("\n", text.index("COPY pegawai"), text.index("\\.\n", text.index("COPY pegawai"))) - 1
    (block,) = re.findall(r"^COPY pegawai [^\n]*\n(.*?)^\\\.\n", text, re.MULTILINE | re.DOTALL)
    meant = list(staff.rows("pegawai", number, 1))
    read = [tuple(map(of_copy, line.split("\t"))) for line in block.removesuffix("\n").split("\n")]
    assert read == [tuple(f"\\x{one.hex()}" if isinstance(one, bytes) else one if one is None else str(one) for one in row) for row in meant]


def of_copy(text):
    return None if text == "\\N" else re.sub(r"\\(.)", lambda found: {"n": "\n", "r": "\r", "t": "\t"}.get(found[1], found[1]), text)


def test_mariadb_reads_back_what_was_meant(staff):
    text = script(staff, "mariadb")
    literal = r"NULL|0x[0-9a-f]+|\d+|'(?:[^'\\]|\\.)*'"
    read = []
    for insert in re.findall(r"^INSERT INTO pegawai [^\n]* VALUES\n(.*?\));\n(?=INSERT)", text, re.MULTILINE | re.DOTALL):
        read += [[of_insert(one) for one in re.findall(literal, row)] for row in re.findall(rf"\(((?:(?:{literal}),?)+)\)", insert)]
    meant = [[str(one) if isinstance(one, int) else one for one in row] for row in staff.rows("pegawai", len(read), 1)]
    assert len(read) > 20 and read == meant


def of_insert(text):
    if text.startswith("'"):
        return re.sub(r"\\(.)", lambda found: {"n": "\n", "r": "\r"}.get(found[1], found[1]), text[1:-1], flags=re.DOTALL)
    return None if text == "NULL" else bytes.fromhex(text[2:]) if text.startswith("0x") else text


def test_every_difficult_text_is_there_and_no_two_people_are_one(staff):
    rows = list(staff.rows("pegawai", 12_000, 1))
    numbers, notes, photos = {row[1] for row in rows}, [row[7] for row in rows], [row[8] for row in rows]
    assert notes[: len(staff.TRAPS)] == list(staff.TRAPS)
    assert {None, ""} < set(notes) and None in photos
    assert len(numbers) == len(rows) and all(re.fullmatch(r"\d{18}", number) for number in numbers)
    assert any("'" in row[2] for row in rows) and not all(row[2].isascii() for row in rows)


def test_the_directory_has_so_many_people_in_groups_below_its_suffix(staff):
    entries = directory(staff, entries=100, suffix="dc=uji")
    people = {name: entry for name, entry in entries.items() if entry["objectClass"] == [b"inetOrgPerson"]}
    assert len(people) == 100
    assert all(name.endswith(",dc=uji") for name in entries)
    assert {member.decode() for entry in entries.values() for member in entry.get("member", ())} == set(people)
    assert {text for entry in people.values() for text in entry.get("description", ())} >= {text.encode() for text in staff.TRAPS}
    assert sum(entry.get("jpegPhoto", [b""])[0].startswith(b"\xff\xd8") for entry in people.values()) > 50
    assert directory(staff, entries=100, suffix="dc=uji") == entries != directory(staff, entries=100, suffix="dc=uji", seed=2)


def test_the_writer_counts_its_transactions_and_ends_each(staff, monkeypatch, capfd, tmp_path):
    # a client that only notes what it is told
    monkeypatch.setitem(staff.CLIENTS, "postgresql", ["tee"])
    number = staff.write("postgresql", str(tmp_path / "said"), seconds=0.3)
    said = (tmp_path / "said").read_text()
    assert number == said.count("BEGIN;") == said.count("COMMIT;") > 1


def test_the_writer_fails_with_its_client(staff, monkeypatch):
    monkeypatch.setitem(staff.CLIENTS, "mariadb", ["sh", "-c", "exit 3"])
    with pytest.raises(RuntimeError, match="ended with 3"):
        staff.write("mariadb", "apa saja", seconds=30)


def test_it_runs_alone(staff):
    said = subprocess.run([sys.executable, "-I", Path(staff.__file__), "ldif", "--entries", "1"], capture_output=True, text=True, check=True, timeout=30)
    assert said.stdout.count("dn: ") == 4
