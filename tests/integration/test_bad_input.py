# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mistakes in the inventory: one message for each, all at once, before anything runs."""

from __future__ import annotations

import pytest


def mistakes(site) -> list:
    return [
        ("kind", {"backup_datasets": [{**site.dataset, "kind": "fils"}]}, ["dokumen", "kind", "fils", "files, sqlite"]),
        ("category", {"backup_datasets": [{**site.dataset, "category": "gawat"}]}, ["category", "gawat", "penting"]),
        ("duplicate", {"backup_datasets": [dict(site.dataset), dict(site.dataset)]}, ["dokumen", "name"]),
        ("relative", {"backup_datasets": [{**site.dataset, "paths": ["data/surat"]}]}, ["paths", "data/surat"]),
        ("window", {"backup_cycles": {"daily": {"start": "22:00", "end": "22:00", "grace": "6h"}}}, ["backup_cycles", "22:00"]),
        ("zone", {"backup_timezone": "Asia/Jakata"}, ["backup_timezone", "Asia/Jakata", "Asia/Jakarta"]),
        ("http", {"backup_repositories": {"primary": {"url": "rest:http://arsip:rahasia-http@10.0.0.1/"}}}, ["backup_repositories", "http"]),
        ("short", {"backup_master_secret": "pendek"}, ["backup_master_secret"]),
        ("missing", {"backup_master_secret": None}, ["backup_master_secret"]),
        ("misspelt", {"backup_dataset": []}, ["backup_dataset", "backup_datasets"]),
        ("key", {"backup_datasets": [{**site.dataset, "path_s": []}]}, ["path_s", "paths"]),
    ]


@pytest.mark.parametrize("playbook", ["site", "daily"])
def test_every_mistake_is_told_at_once_and_nothing_runs(any_site, playbook):
    any_site.hosts = {}
    expected = []
    for name, variables, words in mistakes(any_site):
        if not {"backup_timezone", "backup_cycles"} & set(variables):  # these must be the same on every host
            any_site.hosts[f"srv-{name}"] = variables
            expected.append((f"srv-{name}", words))
    done = any_site.play(playbook)
    assert done.code != 0 and any_site.records() == []
    assert "rahasia-http" not in done.text and "pendek" not in done.text
    text = " ".join(done.text.split())
    for host, words in expected:
        assert host in text, host
        for word in words:
            assert word in text, (host, word)


def test_fleet_wide_mistakes(any_site):
    for name, variables, words in mistakes(any_site):
        if {"backup_timezone", "backup_cycles"} & set(variables):
            kept = dict(any_site.variables)
            any_site.variables.update(variables)
            done = any_site.play("daily")
            assert done.code != 0 and all(word in done.text for word in words), (name, done.text)
            any_site.variables = kept
    assert any_site.records() == []


def test_a_category_without_rto_and_rpo_is_allowed_and_shown_as_not_set(any_site):
    any_site.variables["backup_categories"] = {"penting": {}}
    assert any_site.play("daily").code == 0
    (path,) = any_site.root.glob("state/checklists/*/*.html")
    assert "belum ditetapkan" in path.read_text(encoding="utf-8")
