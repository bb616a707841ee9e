# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io

import pytest

from ansible_collections.sicekat.backup.plugins.module_utils.bundle import Bundle, Stream
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import Copy
from ansible_collections.sicekat.backup.plugins.module_utils.sources.kinds import source_for


def dataset(command, **more):
    return {"name": "ekspor", "kind": "command", "command": command, "file_name": "ekspor.csv", "minimum_bytes": 1, "timeout_s": 10, **more}


def shell(script, **more):
    return dataset(["/bin/sh", "-c", script], **more)


def streamed(one):
    """Returns (source, stream, bytes of the bundle)."""
    source = source_for(one, None)
    stream = Stream(source, {"nonce": "n"}, "/", lambda count: None)
    file = io.BytesIO()
    stream.write(file)
    return source, stream, file.getvalue()


def test_what_a_program_prints_is_the_member_of_that_name():
    source, stream, content = streamed(shell("seq 100000; echo selesai", end_marker="selesai", minimum_bytes=500000))
    assert stream.error is None
    assert [(one["name"], one["bytes"]) for one in stream.summary["members"]] == [("ekspor.csv", 588903)]
    assert source.evidence() == {"engine": "command", "bytes": 588903}
    assert b"\n99999\n100000\nselesai\n" in content


def test_what_a_program_warns_of_is_not_lost_with_its_good_end():
    source, stream, _content = streamed(shell("echo isi; echo separuh hilang >&2"))
    assert stream.error is None and source.warnings == ["sh: separuh hilang"]


@pytest.mark.parametrize(
    ("one", "cause", "code"),
    [
        (shell("seq 10; exit 3"), "source_invalid", "program_failed"),
        (shell("seq 100000; kill -9 $$"), "source_invalid", "program_failed"),
        (shell(":"), "source_empty", "command_short"),
        (shell("seq 10", minimum_bytes=1000), "source_empty", "command_short"),
        (shell("seq 10; echo selesai; echo lalu lagi", end_marker="selesai"), "source_invalid", "command_cut"),
        (shell("seq 10", end_marker="selesai"), "source_invalid", "command_cut"),
        (shell("seq 10; sleep 60", timeout_s=1), "timeout", "program_timeout"),
    ],
)
def test_output_that_may_not_be_all_is_no_backup(one, cause, code):
    _source, stream, _content = streamed(one)
    assert stream.summary is None
    assert (stream.error.cause, stream.error.message["code"]) == (cause, code)


def test_blank_lines_after_the_end_mark_do_not_matter():
    assert streamed(shell("echo '-- selesai 2026'; echo; echo ' '", end_marker="selesai"))[1].error is None


@pytest.mark.parametrize(
    ("one", "code"), [(dataset(["/tidak/ada"]), "program_missing"), (dataset(["/bin/true"], user="tidak-ada"), "program_user"), (dataset(["/bin/true"]), None)]
)
def test_a_program_or_user_that_is_not_there_is_seen_before_anything_runs(one, code):
    problem = source_for(one, None).problem()
    assert (problem or {}).get("code") == code


def test_a_restored_copy_is_judged_by_its_end_and_its_size(tmp_path):
    one = shell("seq 100; echo selesai", end_marker="selesai")
    source, stream, content = streamed(one)
    (tmp_path / "b.zip").write_bytes(content)
    bundle = Bundle(str(tmp_path / "b.zip"), stream.summary)

    def proved(dataset, evidence):
        return source_for(dataset, None).prove(Copy("", [], evidence, bundle, None, None))

    assert proved(one, source.evidence()).state == "sound"
    assert proved(one, {"bytes": 1}).reason == "300 bytes, and 1 at backup time"
    assert proved(one, None).state == "damaged"
    assert proved({**one, "end_marker": "tamat"}, source.evidence()).state == "damaged"
    assert proved({**one, "minimum_bytes": 1000}, source.evidence()).state == "damaged"
