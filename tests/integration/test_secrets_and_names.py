# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets are nowhere; hostile file names are harmless everywhere."""

from __future__ import annotations

import csv
import os
import subprocess
import time
from pathlib import Path

from ansible_collections.sicekat.backup.plugins.plugin_utils import secrets

from .conftest import SECRET

PROJECT = Path(__file__).resolve().parents[2]


def everything_written(site) -> list[Path]:
    return [path for path in site.root.rglob("*") if path.is_file() and path.name != "hosts.yml" and site.primary not in path.parents]


def test_no_secret_is_written_shown_or_passed_where_others_can_read_it(any_site):
    password = secrets.derive(SECRET, "srv-satu", "repository/primary")
    own = "kata-sandi-arsip-yang-panjang"
    any_site.variables["backup_repositories"]["archive"] = {"url": str(any_site.root / "repositories" / "archive"), "password": own}
    (any_site.data / "besar").write_bytes(os.urandom(64 << 20))
    seen = any_site.play("site", "-vvv").text
    with subprocess.Popen(
        [*any_site.command("daily"), "-vvv"], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        while process.poll() is None:
            seen += processes_as_others_see_them()
            time.sleep(0.05)
        seen += process.stdout.read()
    seen += "".join(any_site.play(name, "-vvv").text for name in ("monthly", "restore_test"))
    assert "restic-" in seen and "--password-file" in seen
    texts = {"the output and the process list": seen.encode(), **{str(path): path.read_bytes() for path in everything_written(any_site)}}
    assert len(texts) > 10
    for place, content in texts.items():
        for secret in (SECRET, password, own):
            assert secret.encode() not in content, f"{secret} in {place}"


def processes_as_others_see_them() -> str:
    """Returns the arguments and environments of all processes but this one."""
    text = b""
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            for name in ("cmdline", "environ"):
                try:
                    text += (process / name).read_bytes().replace(b"\0", b" ")
                except OSError:
                    continue
    return text.decode("utf-8", "replace")


def test_a_wrong_secret_is_not_told_in_the_failure(any_site):
    any_site.variables["backup_repositories"]["primary"]["password"] = "bukan-kata-sandi-ini"
    done = any_site.play("daily", "-vvv")
    assert done.code != 0 and "bukan-kata-sandi-ini" not in done.text
    assert all(b"bukan-kata-sandi-ini" not in path.read_bytes() for path in everything_written(any_site))


HOSTILE = (
    b"baris\nbaru.txt",
    b"\x1b[31mmerah\x1b[0m.txt",
    b"<script>alert(1)<",
    b"=CMD('calc')",
    b"kop\xff\xfe.txt",
    b"{{ lookup('pipe','id') }}",
    b"-rf",
    b"'; drop table",
)


def test_hostile_file_names_are_backed_up_and_restored(site):
    directory = os.fsencode(site.data)
    site.variables["backup_sample"] = "full"
    for name in HOSTILE:
        Path(os.fsdecode(directory + b"/" + name)).write_bytes(name)
    assert site.play("daily").code == 0
    done = site.play("restore_test")
    assert done.code == 0, done.text
    restored = site.last()["restore"]
    assert restored["files"]["restored"] == 20 + len(HOSTILE) + 1 and restored["sample"]["equal"] == 20 + len(HOSTILE)


def test_names_of_damaged_files_are_harmless(any_site):
    from ansible_collections.sicekat.backup.plugins.module_utils import record
    from ansible_collections.sicekat.backup.plugins.plugin_utils import documents

    assert any_site.play("daily").code == 0
    (checklist,) = any_site.checklists()
    row = checklist["rows"][0]
    row.update(outcome="partial", cause="source_unreadable", error_count=len(HOSTILE), errors=[record.printable(name) for name in HOSTILE])
    written = documents.write_checklist(checklist, any_site.root / "dokumen")
    html = written["html"].read_text(encoding="utf-8")
    assert "<script>alert" not in html and "\x1b" not in html and "&lt;script&gt;" in html
    index = documents.write_index(_index(row), any_site.root / "dokumen")
    with index["csv"].open(encoding="utf-8", newline="") as file:
        cells = [cell for line in csv.reader(file) for cell in line]
    assert cells and not [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r")) or "\x1b" in cell]


def _index(row: dict) -> dict:
    return {
        "schema": "sicekat.index/1", "generated_at": "2026-11-22T00:00:00Z", "language": "id", "timezone": "Asia/Jakarta", "agency": {},
        "policy_digest": "0" * 64, "status": [], "owed": [], "repositories": [], "findings": [], "storage": [],
        "objectives": {"rpo_days": [], "rto_days": [], "categories": {}, "datasets": []}, "checklists": [], "records": [{**row, "dataset": "=CMD()"}],
        "ledger": {"seq": 1, "hash": "0" * 64, "problems": []},
    }  # fmt: skip
