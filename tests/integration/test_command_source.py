# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Data sets of kind "command", with both engines: what a program prints is backed up whole or not at all."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

EXPORT = "#!/bin/sh\necho 'nomor;nama'\nseq 200000\necho '# selesai'\n"


def export(site, text: str = EXPORT, **keys: object) -> Path:
    """Makes the site's only data set what a script prints."""
    script = site.root / "ekspor"
    script.write_text(text, encoding="utf-8")
    script.chmod(0o755)
    own = {"command": [str(script)], "file_name": "ekspor.csv", "end_marker": "# selesai", "minimum_bytes": "1MB"}
    site.variables["backup_datasets"] = [{"name": "ekspor", "kind": "command", "category": "penting", **own, **keys}]
    return script


def test_what_a_program_prints_is_backed_up_proved_and_restored(site):
    export(site)
    played = site.play("daily")
    assert played.code == 0, played.text
    backup = site.last()
    assert (backup["outcome"], backup["files"]["total"], backup["database"]) == ("success", 1, {"engine": "command", "bytes": 1288916})
    played = site.play("restore_test")
    assert played.code == 0, played.text
    tested = site.last()
    assert (tested["outcome"], tested["restore"]["database"], tested["restore"]["canary"]) == ("success", "sound", "found")
    target = site.root / "kembali"
    played = site.play(
        "restore", "-e", "restore_server=srv-satu", "-e", "restore_dataset=ekspor", "-e", f"restore_target={target}",
        "-e", "restore_requester=Budi", "-e", "restore_approver=Siti", "-e", "restore_reason=uji",
    )  # fmt: skip
    assert played.code == 0, played.text
    (member,) = [*target.rglob("ekspor.csv"), *target.rglob("ekspor.zip")]
    content = member.read_bytes() if member.suffix == ".csv" else zipfile.ZipFile(member).read("ekspor.csv")
    assert content.startswith(b"nomor;nama\n1\n") and content.endswith(b"\n200000\n# selesai\n")


@pytest.mark.parametrize(
    ("text", "keys", "cause", "code"),
    [
        (EXPORT + "exit 3\n", {}, "source_invalid", "program_failed"),
        (EXPORT.replace("echo '# selesai'", ""), {}, "source_invalid", "command_cut"),
        (EXPORT, {"minimum_bytes": "2MB"}, "source_empty", "command_short"),
        ("#!/bin/sh\nexec sleep 300\n", {"timeout": 2}, "timeout", "program_timeout"),
    ],
    ids=["exit code", "end mark", "size", "time limit"],
)
def test_output_that_may_not_be_all_leaves_no_snapshot(site, text, keys, cause, code):
    export(site, text, **keys)
    assert site.play("daily").code != 0
    failed = site.last()
    assert (failed["outcome"], failed["cause"], failed["snapshot_id"]) == ("failed", cause, None)
    assert code in site.codes(failed)
    assert list((site.primary / "snapshots").iterdir()) == []
