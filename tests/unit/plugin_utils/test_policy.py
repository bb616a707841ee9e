# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an inventory resolves to, and what each mistake in it is answered with."""

from __future__ import annotations

import copy
import json

import pytest

from ansible_collections.sicekat.backup.plugins.plugin_utils import policy

SECRET = "rahasia-sekali-jangan-bocor"
HOST = {
    "ansible_host": "192.0.2.1",
    "backup_datasets": [
        {"name": "dokumen", "kind": "files", "category": "penting", "paths": ["/srv/dokumen/"]},
        {"name": "surat", "kind": "sqlite", "category": "kritikal", "personal_data": True, "path": "/srv/app/surat.db"},
    ],
    "backup_categories": {"kritikal": {"label": "Kritikal", "rto": "4h", "rpo": 900}, "penting": None},
    "backup_repositories": {"primary": {"url": "/srv/repo", "location": "Ruang server"}},
    "backup_master_secret": SECRET,
}


def host(**changes: object) -> dict:
    """Returns a host's sound variables with some changed; "backup_" is put before each name."""
    return {**copy.deepcopy(HOST), **{f"backup_{name}": value for name, value in changes.items()}}


def dataset(**changes: object) -> dict:
    """Returns a host whose one data set, of files, is sound but for the changes; None takes a key away."""
    settings = {**HOST["backup_datasets"][0], **changes}
    return host(datasets=[{key: value for key, value in settings.items() if value is not None}])


def problems(*hosts: dict) -> list[str]:
    """Returns the lines about hosts named srv-1, srv-2, …"""
    try:
        policy.resolve({f"srv-{number}": variables for number, variables in enumerate(hosts, start=1)})
    except policy.PolicyError as error:
        return [str(problem) for problem in error.problems]
    return []


def resolved(variables: dict) -> dict:
    return policy.resolve({"srv-1": variables})


# What an inventory resolves to


def test_a_data_set_of_files_is_resolved_with_its_defaults():
    assert resolved(host())["servers"]["srv-1"]["datasets"][0] == {
        "name": "dokumen", "kind": "files", "category": "penting", "personal_data": False, "paths": ["/srv/dokumen"],
        "exclude": [], "one_file_system": False, "sentinel": None, "allow_empty": False,
    }  # fmt: skip


def test_a_data_set_of_sqlite_is_resolved():
    assert resolved(host())["servers"]["srv-1"]["datasets"][1] == {
        "name": "surat", "kind": "sqlite", "category": "kritikal", "personal_data": True, "path": "/srv/app/surat.db",
    }  # fmt: skip


def test_recovery_objectives_are_seconds_and_null_where_they_are_not_set():
    assert resolved(host())["categories"] == {
        "kritikal": {"label": "Kritikal", "rto_s": 14400, "rpo_s": 900, "retention": None, "restore_test_months": 1},
        "penting": {"label": "penting", "rto_s": None, "rpo_s": None, "retention": None, "restore_test_months": 1},
    }


@pytest.mark.parametrize(("text", "seconds"), [("30m", 1800), ("4h", 14400), ("7d", 604800), (1, 1)])
def test_durations_are_minutes_hours_days_or_plain_seconds(text, seconds):
    assert resolved(host(categories={"penting": {"rto": text}, "kritikal": {}}))["categories"]["penting"]["rto_s"] == seconds


def test_a_given_cycle_replaces_its_default_and_leaves_the_others():
    cycles = resolved(host(cycles={"monthly": {"day": 31, "start": "03:00", "end": "05:00", "grace": "1d"}}))["cycles"]
    assert cycles["monthly"] == {"day": 31, "start": "03:00", "end": "05:00", "start_by": None, "grace_s": 86400}
    assert cycles["daily"] == {"start": "22:00", "end": "04:00", "start_by": None, "grace_s": 21600}


def test_null_disables_a_cycle():
    assert resolved(host(cycles={"weekly": None}))["cycles"]["weekly"] is None


def test_what_is_not_given_has_a_default():
    answer = resolved(host())
    assert (answer["timezone"], answer["language"], answer["state_dir"]) == ("Asia/Jakarta", "id", "/var/lib/si-cekat")
    assert (answer["keep_least"], answer["spread_s"], answer["reconnect_s"]) == (3, None, 600)


def test_what_holds_for_the_fleet_as_given():
    answer = resolved(host(keep_least="5", spread="2h", reconnect=90))
    assert (answer["keep_least"], answer["spread_s"], answer["reconnect_s"]) == (5, 7200, 90)


def test_retention_of_a_category_names_every_period():
    answer = resolved(host(categories={"penting": {"retention": {"daily": 7, "yearly": "5"}}, "kritikal": None}))
    assert answer["categories"]["penting"]["retention"] == {"last": 0, "daily": 7, "weekly": 0, "monthly": 0, "yearly": 5}
    assert answer["categories"]["kritikal"]["retention"] is None


@pytest.mark.parametrize("start_by", ["22:01", "02:00", "04:00"])
def test_a_deadline_to_start_lies_inside_the_window(start_by):
    daily = {"start": "22:00", "end": "04:00", "grace": "1h", "start_by": start_by}
    assert resolved(host(cycles={"daily": daily}))["cycles"]["daily"]["start_by"] == start_by


def test_a_server_has_its_defaults():
    server = resolved(host())["servers"]["srv-1"]
    assert {key: server[key] for key in ("server_dir", "restic", "sample", "integrity_read", "unit", "upload_limit_kib", "max_runtime_s")} == {
        "server_dir": "/var/lib/si-cekat-server", "restic": "restic", "sample": 100, "integrity_read": "full", "unit": None,
        "upload_limit_kib": None, "max_runtime_s": 86400,
    }  # fmt: skip


def test_a_server_as_given():
    server = resolved(host(integrity_read="1/256", upload_limit="2048", max_runtime="12h"))["servers"]["srv-1"]
    assert (server["integrity_read"], server["upload_limit_kib"], server["max_runtime_s"]) == ("1/256", 2048, 43200)


@pytest.mark.parametrize(("given", "sample"), [("full", "full"), (1, 1), ("20", 20)])
def test_a_sample_is_full_or_a_number_also_as_text_from_the_command_line(given, sample):
    assert resolved(host(sample=given))["servers"]["srv-1"]["sample"] == sample


def test_a_host_without_data_sets_is_no_server_but_is_named():
    answer = policy.resolve({"srv-1": host(), "web": {"ansible_host": "192.0.2.2"}, "idle": {"backup_datasets": []}})
    assert (list(answer["servers"]), answer["without_datasets"]) == (["srv-1"], ["idle", "web"])


def test_an_inventory_without_hosts_is_an_empty_policy():
    answer = policy.resolve({})
    assert (answer["servers"], answer["cycles"]["daily"]["grace_s"]) == ({}, 21600)


def test_a_policy_holds_integers_and_no_floats():
    json.loads(json.dumps(resolved(host())), parse_float=pytest.fail)


def test_the_digest_does_not_depend_on_the_order_of_keys():
    assert policy.digest(resolved(host())) == policy.digest(resolved(dict(reversed(host().items()))))


def test_the_digest_changes_with_the_policy():
    assert policy.digest(resolved(host())) != policy.digest(resolved(host(language="en")))


# Secrets


def test_a_policy_holds_no_secret_nor_user_of_an_address():
    url = f"rest:https://srv:{SECRET}@x@backup.example/srv"
    answer = resolved(host(repositories={"primary": {"url": url, "password": SECRET}}))
    assert answer["servers"]["srv-1"]["repositories"]["primary"]["url"] == "rest:https://***@backup.example/srv"
    assert SECRET not in json.dumps(answer)


@pytest.mark.parametrize(
    "variables",
    [
        host(master_secret=SECRET[:23]),
        host(master_secret=[SECRET]),
        host(master_secrets=SECRET),
        host(repositories=SECRET),
        host(repositories={"primary": SECRET}),
        host(repositories={"primary": {"url": "/srv/repo", "pasword": SECRET}}),
        host(repositories={"primary": {"url": f"rest:http://srv:{SECRET}@backup.example/"}}),
        host(repositories={"primary": {"url": f"srv:{SECRET}@backup.example"}}),
        host(repositories={"primary": {"url": f"rest:https://srv:{SECRET}/@x@backup.example/srv"}}),
        host(repositories={"primary": {"url": {"of": SECRET}}}),
        host(repositories={"primary": {"url": "/srv/repo", "password": SECRET[:11]}}),
        host(repositories={"primary": {"url": "/srv/repo", "password": 1234567890123}}),
    ],
)
def test_a_problem_about_a_secret_does_not_show_it(variables):
    lines = problems(variables)
    assert len(lines) == 1
    assert SECRET[:11] not in lines[0]
    assert "1234567890123" not in lines[0]


def test_a_short_master_secret_is_a_problem_that_tells_its_length():
    assert problems(host(master_secret="admin")) == [
        "host srv-1: backup_master_secret: found 5 characters; allowed: at least 24 characters, kept in Ansible Vault"
    ]


def test_a_missing_master_secret_is_a_problem():
    assert problems(host(master_secret=None)) == ["host srv-1: backup_master_secret: found nothing; allowed: at least 24 characters, kept in Ansible Vault"]


def test_no_master_secret_is_needed_where_every_repository_has_a_password():
    assert problems(host(master_secret=None, repositories={"primary": {"url": "/srv/repo", "password": SECRET}})) == []


def test_a_master_secret_is_needed_where_one_repository_has_no_password():
    repositories = {"primary": {"url": "/srv/repo", "password": SECRET}, "archive": {"url": "/srv/archive"}}
    assert len(problems(host(master_secret=None, repositories=repositories))) == 1


# One line for each mistake


def test_a_line_names_host_data_set_key_what_was_found_and_what_is_allowed():
    kinds = "files, sqlite, postgresql, mariadb, mysql, ldap, command, control_node"
    assert problems(dataset(kind="fils")) == [f"host srv-1, data set 'dokumen': kind: found 'fils'; allowed: {kinds} (did you mean files?)"]


def test_a_problem_carries_its_parts():
    with pytest.raises(policy.PolicyError) as caught:
        resolved(dataset(kind="fils"))
    (problem,) = caught.value.problems
    assert (problem.host, problem.dataset, problem.key, problem.found, problem.allowed, problem.suggestion) == (
        "srv-1", "dokumen", "kind", "'fils'", "files, sqlite, postgresql, mariadb, mysql, ldap, command, control_node", "files",
    )  # fmt: skip


def test_a_problem_can_be_said_in_another_language():
    with pytest.raises(policy.PolicyError) as caught:
        resolved(host(sample=0))
    said = caught.value.problems[0].text(lambda message: f"<{message['code']} {message['params'].get('found', '')}>")
    assert said == "<policy_problem <policy_found >>"


def test_all_mistakes_of_all_hosts_are_told_at_once():
    assert len(problems(host(sample=0, restic=""), host(integrity_read="2"))) == 3


@pytest.mark.parametrize("months", [0, 13, "x", True, 1.5])
def test_a_restore_test_is_owed_every_1_to_12_months(months):
    (line,) = problems(host(categories={"penting": {"restore_test_months": months}, "kritikal": None}))
    assert line.startswith("host srv-1: backup_categories.penting.restore_test_months: found ")
    assert line.endswith("; allowed: a whole number of months from 1 to 12")
    assert resolved(host(categories={"penting": {"restore_test_months": "6"}, "kritikal": None}))["categories"]["penting"]["restore_test_months"] == 6


def test_snapshots_of_restore_tests_take_turns_unless_only_the_newest_is_wanted():
    assert resolved(host())["servers"]["srv-1"]["restore_test_pick"] == "alternate"
    assert resolved(host(restore_test_pick="newest"))["servers"]["srv-1"]["restore_test_pick"] == "newest"
    assert problems(host(restore_test_pick="random")) == ["host srv-1: backup_restore_test_pick: found 'random'; allowed: newest, alternate"]


def test_a_misspelt_variable_is_a_problem_with_a_suggestion():
    (line,) = problems({"backup_dataset": []})
    assert line.startswith("host srv-1: backup_dataset: found a name that is not known; allowed: ")
    assert line.endswith(" (did you mean backup_datasets?)")


def test_other_variables_than_those_of_the_collection_are_not_looked_at():
    assert problems({**host(), "backups": 1, "timezone": "nowhere"}) == []


def test_data_sets_that_are_null_are_a_problem():
    assert problems(host(datasets=None)) == ["host srv-1: backup_datasets: found nothing; allowed: a list of data sets"]


def test_a_data_set_without_a_name_is_named_by_its_position():
    assert problems(dataset(name=None))[0].startswith("host srv-1, data set '#1': name: found nothing; allowed: ")


def test_two_data_sets_of_one_name_are_a_problem():
    twice = [HOST["backup_datasets"][0], {**HOST["backup_datasets"][0], "paths": ["/srv/other"]}]
    assert problems(host(datasets=twice)) == ["host srv-1, data set 'dokumen': name: found 'dokumen'; allowed: a name that no other data set of the host has"]


PROBLEMS = {
    "a data set that is no mapping": (host(datasets=["dokumen"]), "host srv-1: backup_datasets[0]: found 7 characters; allowed: a mapping"),
    "a name with a space": (dataset(name="my files"), "name: found 'my files'; allowed: small letters"),
    "an unknown category": (dataset(category="pentin"), "category: found 'pentin'; allowed: kritikal, penting (did you mean penting?)"),
    "a flag that is text": (dataset(personal_data="yes"), "personal_data: found 'yes'; allowed: true, false"),
    "a misspelt key": (dataset(exclud=["*.tmp"]), "(did you mean exclude?)"),
    "a key of another kind": (dataset(path="/srv/x"), "path: found a name that is not known; allowed: name, kind"),
    "no paths": (dataset(paths=[]), "paths: found nothing; allowed: a list of at least one absolute path"),
    "paths that are text": (dataset(paths="/srv"), "paths: found '/srv'; allowed: a list"),
    "a relative path": (dataset(paths=["/srv/a", "srv/b"]), "paths[1]: found 'srv/b'; allowed: an absolute path"),
    "a path with two dots": (dataset(paths=["/srv/../etc"]), "paths[0]: found '/srv/../etc'; allowed: an absolute path without '..'"),
    "a path that comes twice": (dataset(paths=["/srv/a", "/srv//a/"]), "paths[1]: found '/srv/a'; allowed: each path once"),
    "a path with an escape sequence": (dataset(paths=["\x1b[2Jsrv"]), "found '\\x1b[2Jsrv'"),
    "a relative sentinel": (dataset(sentinel="mounted"), "sentinel: found 'mounted'; allowed: an absolute path"),
    "excludes that are text": (dataset(exclude="*.tmp"), "exclude: found '*.tmp'; allowed: a list of texts"),
    "a path around a repository": (dataset(paths=["/srv"]), "paths[0]: found '/srv'; allowed: a path that neither holds nor lies in backup_repo"),
    "a path in a repository": (dataset(paths=["/srv/repo/data"]), "paths[0]: found '/srv/repo/data'"),
    "a path that is the state": (dataset(paths=["/var/lib/si-cekat"]), "nor lies in backup_state_dir (/var/lib/si-cekat)"),
    "no categories": (host(categories=None), "host srv-1: backup_categories: found nothing; allowed: a mapping of at least one category"),
    "a duration with a space": (host(categories={"penting": {"rto": "4 h"}, "kritikal": {}}), "backup_categories.penting.rto: found '4 h'; allowed: a"),
    "a duration of zero": (host(categories={"penting": {"rpo": 0}, "kritikal": {}}), "backup_categories.penting.rpo: found 0; allowed: a duration above zero"),
    "an unknown cycle": (host(cycles={"dayly": None}), "backup_cycles.dayly: found a name that is not known; allowed: daily, weekly, monthly"),
    "an unknown time zone": (host(timezone="Asia/Jakrta"), "backup_timezone: found 'Asia/Jakrta'; allowed: an IANA time zone"),
    "a directory of time zones": (host(timezone="Asia"), "backup_timezone: found 'Asia'"),
    "an unknown language": (host(language="in"), "backup_language: found 'in'; allowed: id, en"),
    "a number for an id": (host(team={"operator": {"id_number": 1980}}), "backup_team.operator.id_number: found 1980; allowed: text; numbers"),
    "a sample of zero": (host(sample=0), "backup_sample: found 0; allowed: full, or a number of files from 1"),
    "a sample of true": (host(sample=True), "backup_sample: found true"),
    "a part above the whole": (host(integrity_read="5/4"), "backup_integrity_read: found '5/4'; allowed: full, or 1/t"),
    "too many parts": (host(integrity_read="1/257"), "backup_integrity_read: found '1/257'"),
    "a part that is not the first": (host(integrity_read="2/4"), "backup_integrity_read: found '2/4'; allowed: full, or 1/t with 2 <= t <= 256"),
    "one part of one": (host(integrity_read="1/1"), "backup_integrity_read: found '1/1'"),
    "a limit of zero": (host(upload_limit=0), "backup_upload_limit: found 0; allowed: a whole number of KiB per second from 1"),
    "a limit with a unit": (host(upload_limit="2MiB"), "backup_upload_limit: found '2MiB'"),
    "a runtime of zero": (host(max_runtime=0), "backup_max_runtime: found 0; allowed: a duration above zero"),
    "nothing to keep at least": (host(keep_least=0), "backup_keep_least: found 0; allowed: a whole number from 1"),
    "a reconnection that is text": (host(reconnect="lama"), "backup_reconnect: found 'lama'; allowed: a duration above zero"),
    "a spread that is text": (host(spread="lama"), "backup_spread: found 'lama'; allowed: a duration above zero"),
    "a spread longer than a window": (host(spread="301m"), "backup_spread: found '301m'; allowed: at most 300m, so that every server can begin in the"),
    "a retention that keeps nothing": (
        host(categories={"penting": {"retention": {"daily": 0}}, "kritikal": {}}),
        "backup_categories.penting.retention: found nothing; allowed: at least one number above zero",
    ),
    "a retention of half a day": (
        host(categories={"penting": {"retention": {"daily": 0.5}}, "kritikal": {}}),
        "backup_categories.penting.retention.daily: found 0.5; allowed: a whole number of snapshots",
    ),
    "a retention that is a list": (host(categories={"penting": {"retention": [7]}, "kritikal": {}}), "penting.retention: found a list; allowed: a mapping"),
    "a relative state directory": (host(state_dir="var"), "backup_state_dir: found 'var'; allowed: an absolute path"),
    "no primary repository": (host(repositories={"archive": {"url": "/srv/a"}}), "backup_repositories.primary: found nothing; allowed: a repository"),
    "a repository of plain http": (host(repositories={"primary": {"url": "rest:http://h/"}}), "found 'rest:http://h/'; allowed: an encrypted connection"),
    "an object store of plain http": (host(repositories={"primary": {"url": "s3:http://h/b"}}), "allowed: an encrypted connection"),
    "a relative repository": (
        host(repositories={"primary": {"url": "repo"}}),
        "backup_repositories.primary.url: found 'repo'; allowed: an absolute path, rest:https://",
    ),
    "two repositories in one place": (
        host(repositories={"primary": {"url": "/srv/repo"}, "archive": {"url": "/srv/repo/"}}),
        "backup_repositories.archive.url: found '/srv/repo'; allowed: another place than repository primary has",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", PROBLEMS)
def test_each_mistake_has_one_line(mistake):
    variables, part = PROBLEMS[mistake]
    (line,) = problems(variables)
    assert part in line


@pytest.mark.parametrize("url", ["/srv/repo", "rest:https://backup.example:8000/srv-1/", "sftp:backup@nas:/volume1/repo", "s3:https://s3.example/bucket"])
def test_local_paths_and_encrypted_addresses_are_allowed(url):
    assert problems(host(repositories={"primary": {"url": url}})) == []


def cycle(**changes: object) -> dict:
    return host(cycles={"weekly": {"day": "friday", "start": "01:00", "end": "06:00", "grace": "1d", **changes}})


def test_a_window_that_ends_where_it_starts_is_a_problem():
    assert problems(cycle(end="01:00")) == ["host srv-1: backup_cycles.weekly.end: found '01:00'; allowed: another time than start"]


@pytest.mark.parametrize("start_by", ["01:00", "06:01", "00:59"])
def test_a_deadline_to_start_outside_the_window_is_a_problem(start_by):
    assert problems(cycle(start_by=start_by)) == [
        f"host srv-1: backup_cycles.weekly.start_by: found '{start_by}'; allowed: a time after start (01:00) and not after end (06:00)"
    ]


@pytest.mark.parametrize("start_by", ["noon", 120])
def test_a_deadline_to_start_that_is_no_time_is_a_problem(start_by):
    assert len(problems(cycle(start_by=start_by))) == 1


@pytest.mark.parametrize(("spread", "count"), [("1h", 0), ("61m", 1)])
def test_a_spread_ends_before_the_deadline_to_start(spread, count):
    assert len(problems({**cycle(start_by="02:00"), "backup_spread": spread})) == count


def test_a_time_that_yaml_read_as_a_number_is_explained():
    assert problems(cycle(start=1380)) == [
        'host srv-1: backup_cycles.weekly.start: found 1380; allowed: a time in quotes such as "22:00", '
        'because YAML reads 23:00 without quotes as the number 1380 (did you mean "23:00"?)'
    ]


@pytest.mark.parametrize("time", ["24:00", "1:00", "01:60", "01:00:00", "noon", None])
def test_a_time_that_is_none_is_a_problem(time):
    assert len(problems(cycle(start=time))) == 1


@pytest.mark.parametrize("day", ["jumat", "Friday", 5, None])
def test_a_weekday_that_is_none_is_a_problem(day):
    assert len(problems(cycle(day=day))) == 1


@pytest.mark.parametrize("day", [0, 32, "1", True, None])
def test_a_day_of_the_month_that_is_none_is_a_problem(day):
    assert len(problems(host(cycles={"monthly": {"day": day, "start": "01:00", "end": "06:00", "grace": "1d"}}))) == 1


@pytest.mark.parametrize("settings", [[], "22:00", True])
def test_a_cycle_that_is_no_mapping_is_one_problem(settings):
    assert len(problems(host(cycles={"daily": settings}))) == 1


# What holds for the whole fleet


def test_a_host_that_differs_from_the_others_is_a_problem():
    assert problems(host(), host(timezone="Asia/Makassar"), host()) == [
        "host srv-2: backup_timezone: found 'Asia/Makassar'; allowed: the same value as host srv-1 has, because it holds for all hosts"
    ]


def test_a_host_that_spells_out_the_default_does_not_differ():
    assert problems(host(), host(timezone="Asia/Jakarta")) == []


def test_a_mistake_that_all_hosts_share_is_told_once():
    assert len(problems(host(timezone="Mars"), host(timezone="Mars"))) == 1


def test_a_host_without_data_sets_may_differ():
    assert problems(host(), {"backup_timezone": "Asia/Makassar"}) == []
