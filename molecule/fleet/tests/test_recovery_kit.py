# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The paper in the sealed envelope: with it, a Debian machine and a repository the data come back."""

from __future__ import annotations

import re
from pathlib import Path

import pypdf
import pytest
from fleet import Fleet

KEEPER, STORE = "gudang", "/srv/simpanan"
SUMS = "find . -type f -exec sha256sum {} + | sort"


@pytest.mark.timeout(400)
def test_nothing_but_the_paper_opens_every_repository(backed_up: Fleet, tmp_path: Path):
    fleet = backed_up
    paper = tmp_path / "amplop.pdf"
    played = fleet.done("recovery_kit", "-e", f"recovery_kit_path={paper}", "-e", "recovery_kit_again=true")
    assert paper.stat().st_mode & 0o077 == 0
    text = "".join(page.extract_text() for page in pypdf.PdfReader(paper).pages)
    groups = " ".join(re.findall(r"^(?:[A-Z2-7]{5} ){3}[A-Z2-7]{5}$", text, re.MULTILINE)).split()
    assert len(groups) == 8, text
    password = "-".join(groups)
    assert password not in played.text
    for server in ("loket", "pajak"):
        there = f"restic --no-cache --no-lock --repo {STORE}/{server} --password-file /dev/stdin restore latest --target /root/kembali"
        fleet.bed.run(KEEPER, f"rm -rf /root/kembali && {there}", data=f"{password}\n", timeout=120)
        found = fleet.bed.run(KEEPER, f"cd $(find /root/kembali -type d -name berkas | head -1) && {SUMS}; rm -r /root/kembali").stdout
        newest = fleet.records(server=server, kind="backup", outcome="success")[-1]
        assert found.count("\n") >= 40, newest
        assert found == fleet.bed.run(server, f"cd /srv/berkas && {SUMS}").stdout
    for path in fleet.state.rglob("*"):
        assert not path.is_file() or password.encode() not in path.read_bytes(), path
