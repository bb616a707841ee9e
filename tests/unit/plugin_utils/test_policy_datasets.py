# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the data sets of each kind resolve to, and what each mistake in them is answered with."""

from __future__ import annotations

import pytest

from ansible_collections.sicekat.backup.plugins.plugin_utils import policy

COMMON = {
    "backup_categories": {"kritikal": {}},
    "backup_repositories": {"primary": {"url": "/srv/repo", "location": "Ruang server"}},
    "backup_master_secret": "rahasia-sekali-jangan-bocor",
}
DATABASE = {"kind": "postgresql", "database": "kepegawaian"}
COMMAND = {"kind": "command", "command": ["/usr/bin/pengekspor", "--semua"], "file_name": "ekspor.json"}
QUESTION = {"name": "ada pegawai", "query": "SELECT count(*) FROM pegawai", "min": 1}


def given(**settings: object) -> dict:
    return {**COMMON, "backup_datasets": [{"name": "data", "category": "kritikal", **settings}]}


def resolved(**settings: object) -> dict:
    found = policy.resolve({"srv": given(**settings)})["servers"]["srv"]["datasets"][0]
    return {key: value for key, value in found.items() if key not in ("name", "category", "kind", "personal_data")}


def problem(**settings: object) -> str:
    with pytest.raises(policy.PolicyError) as error:
        policy.resolve({"srv": given(**settings)})
    assert len(error.value.problems) == 1, error.value.problems
    return str(error.value.problems[0])


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (DATABASE, {"database": "kepegawaian", "lock_timeout_s": 300}),
        (
            {**DATABASE, "host": "127.0.0.1", "port": 5433, "user": "cadangan", "password_file": "/etc/si-cekat/pgpass", "lock_timeout": "30m"},
            {"database": "kepegawaian", "lock_timeout_s": 1800, "host": "127.0.0.1", "port": 5433, "user": "cadangan", "password_file": "/etc/si-cekat/pgpass"},
        ),
        (
            {"kind": "mariadb", "database": "absensi", "socket": "/run/mysqld/mysqld.sock", "credentials_file": "/root/.my.cnf"},
            {"database": "absensi", "lock_timeout_s": 300, "socket": "/run/mysqld/mysqld.sock", "credentials_file": "/root/.my.cnf"},
        ),
        ({"kind": "mysql", "database": "absensi"}, {"database": "absensi", "lock_timeout_s": 300}),
        ({"kind": "ldap", "suffix": "dc=contoh,dc=go,dc=id"}, {"suffix": "dc=contoh,dc=go,dc=id", "config_dir": "/etc/ldap/slapd.d"}),
        (COMMAND, {"command": ["/usr/bin/pengekspor", "--semua"], "file_name": "ekspor.json", "timeout_s": 14400, "minimum_bytes": 1}),
        (
            {**COMMAND, "user": "aplikasi", "end_marker": "SELESAI", "minimum_bytes": "1KiB", "timeout": "2h"},
            {
                "command": ["/usr/bin/pengekspor", "--semua"], "file_name": "ekspor.json", "timeout_s": 7200, "minimum_bytes": 1024, "user": "aplikasi",
                "end_marker": "SELESAI",
            },
        ),
        ({"kind": "control_node", "paths": ["/opt/si-cekat/inventories"]}, {"paths": ["/opt/si-cekat/inventories"], "state_dir": "/var/lib/si-cekat"}),
    ],
)  # fmt: skip
def test_each_kind_is_resolved_with_its_defaults(settings: dict, expected: dict) -> None:
    assert resolved(**settings) == expected


def test_questions_and_hooks_are_resolved() -> None:
    hooks = {"before": [["/usr/bin/systemctl", "stop", "aplikasi"]], "after": [["/usr/bin/systemctl", "start", "aplikasi"]]}
    found = resolved(**DATABASE, newest_data="SELECT max(diubah) FROM pegawai", assertions=[{**QUESTION, "timeout": "5m"}], hooks=hooks)
    assert found["newest_data"] == "SELECT max(diubah) FROM pegawai"
    assert found["assertions"] == [{**QUESTION, "timeout_s": 300}]
    assert found["hooks"] == {**hooks, "on_failure": [], "timeout_s": 600}


@pytest.mark.parametrize(
    ("settings", "key", "allowed"),
    [
        ({"kind": "postgresql"}, "database", "text; numbers and dates in quotes"),
        ({**DATABASE, "path": "/srv"}, "path", "database, host, port"),
        ({**DATABASE, "port": 70000}, "port", "a port from 1 to 65535"),
        ({**DATABASE, "password_file": "pgpass"}, "password_file", "an absolute path"),
        ({**DATABASE, "lock_timeout": "segera"}, "lock_timeout", "a duration above zero"),
        ({"kind": "ldap"}, "suffix", "text"),
        ({**COMMAND, "command": "pengekspor --semua"}, "command", "a list"),
        ({**COMMAND, "command": ["pengekspor"]}, "command", "a program by its full path"),
        ({**COMMAND, "file_name": "../ekspor"}, "file_name", "a file name"),
        ({**COMMAND, "file_name": "canary.json"}, "file_name", "a file name"),
        ({**DATABASE, "assertions": {"a": 1}}, "assertions", "a list of questions"),
        ({**DATABASE, "assertions": [{"name": "a", "query": "b"}]}, "assertions[0]", "equals, or min, max or both"),
        ({**DATABASE, "assertions": [{**QUESTION, "equals": 3}]}, "assertions[0]", "equals, or min, max or both"),
        ({**DATABASE, "assertions": [{**QUESTION, "min": "1"}]}, "assertions[0].min", "a whole number"),
        ({**DATABASE, "assertions": [{**QUESTION, "limit": 3}]}, "assertions[0].limit", "name, query, equals"),
        ({**COMMAND, "assertions": [QUESTION]}, "assertions", "command, file_name"),
        ({**DATABASE, "hooks": {"before": ["/bin/true"]}}, "hooks.before", "a list of commands"),
        ({**DATABASE, "hooks": {"before": [["true"]]}}, "hooks.before[0]", "a program by its full path"),
        ({**DATABASE, "hooks": {"sesudah": []}}, "hooks.sesudah", "before, after, on_failure"),
        ({"kind": "files", "paths": ["/srv/data"], "snapshot": "zfs"}, "snapshot", "btrfs, lvm"),
        ({"kind": "control_node", "paths": []}, "paths", "a list of at least one absolute path"),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(settings: dict, key: str, allowed: str) -> None:
    text = problem(**settings)
    assert f"host srv, data set 'data': {key}: found " in text
    assert allowed in text
