# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The numbered steps of the recovery plan: what is done, by whom, with which command, and how a person sees that it worked. Pure.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.sicekat.backup.plugins.module_utils import restore_place
from ansible_collections.sicekat.backup.plugins.module_utils.mariadb_schema import charset_clause
from ansible_collections.sicekat.backup.plugins.plugin_utils import restore_request

# Where a restore by hand goes, on whatever machine; the paper in the envelope says the same.
BY_HAND = "/pulih"


@dataclass(frozen=True)
class Typed:
    """How playbooks are started here.

    project: absolute path of the checkout or of the installed collection. is_checkout: which of the two. version: of the
    collection. options: of ansible-playbook, as this plan was made with (inventory, vault).
    """

    project: str
    is_checkout: bool
    version: str
    options: Sequence[str]

    def playbook(self, name: str, *arguments: str) -> str:
        path = f"playbooks/{name}.yml" if self.is_checkout else f"sicekat.backup.{name}"
        return " ".join(["ansible-playbook", *map(shlex.quote, self.options), path, *arguments])


def of_service(policy: Mapping, service: Mapping, typed: Typed) -> list[dict]:
    """Returns the steps that bring a service back. service: as recovery_plan makes it."""
    steps: list[dict] = []
    for server in service["servers"]:
        mine = [one for one in service["datasets"] if one["server"] == server]
        steps += _host(server, mine, typed)
        for dataset in mine:
            steps += _dataset(policy, dataset, typed)
    start, check = service["start"], service["check"]
    steps.append(_step("start", "admin", params={"start": start} if start else None, variant="" if start else "unset", service=service["name"]))
    steps.append(_step("service", "operator", params={"check": check} if check else None, variant="" if check else "unset", service=service["name"]))
    steps.append(_step("hand_over", "owner", service=service["name"], owner=service["owner"] or "…", contact=service["contact"] or "…"))
    return _numbered(steps)


def of_control_node(policy: Mapping, server: str, dataset: Mapping, typed: Typed) -> dict:
    """Returns the chapter on the control node itself, which needs nothing but the paper in the envelope and a place of section `places`."""
    settings, state_dir = dataset["settings"], dataset["settings"]["state_dir"]
    spool = posixpath.join(policy["servers"][server]["server_dir"], "spool", dataset["name"])
    is_covered = any(typed.project == path or typed.project.startswith(path.rstrip("/") + "/") for path in settings["paths"])
    first = dataset["places"][0] if dataset["places"] else None
    on_keeper = first is not None and first["kind"] in ("server", "directory") and first["host"] != server
    argument = first["argument"] if first else "…"
    steps = [
        _step("control_machine", "admin", ["apt-get update", "apt-get install --yes git make openssh-client python3 restic"]),
        _step("control_fetch", "admin", [
            f"restic --no-lock -r {argument} snapshots --tag dataset={dataset['name']}",
            f"restic --no-lock -r {argument} restore ID --target {BY_HAND}",
        ], variant="keeper" if on_keeper else "", host=first["host"] if first else "…", measured=dataset["tested"]),
    ]  # fmt: skip
    if on_keeper:
        steps.append(
            _step(
                "control_carry",
                "admin",
                [
                    f"tar -C {BY_HAND} -cpf - . | ssh root@{_NEW} 'mkdir -p {BY_HAND} && tar -C {BY_HAND} -xpf -'",
                    f"rm -r {BY_HAND}",
                ],
                host=first["host"],
            )
        )
    if not is_covered:
        steps.append(_step("control_project", "admin", path=typed.project, version=typed.version))
    steps += [
        _step("control_paths", "admin", [line for path in settings["paths"] for line in _put_back(path)]),
        _step("control_ledger", "admin", [f"mkdir -p {_quoted(state_dir)}", f"cp -a {_quoted(BY_HAND + spool)}/. {_quoted(state_dir)}/"], path=state_dir),
        _step("control_setup", "admin", [f"cd {_quoted(typed.project)}", "make setup", ". .venv/bin/activate"]),
        _step("control_report", "admin", [typed.playbook("report")]),
        _step("control_site", "admin", [typed.playbook("site")]),
        _step("control_daily", "operator", [typed.playbook("daily")]),
    ]  # fmt: skip
    return {"server": server, "dataset": dataset, "state_dir": state_dir, "is_project_covered": is_covered, "steps": _numbered(steps)}


_NEW = "CONTROL-NODE"  # what a person puts the new machine's address for


def _put_back(path: str) -> Iterator[str]:
    parent = posixpath.dirname(path)
    yield f"mkdir -p {_quoted(parent)}"
    yield f"cp -a {_quoted(BY_HAND + path)} {_quoted(parent)}/"


def _host(server: str, datasets: Sequence[Mapping], typed: Typed) -> Iterator[dict]:
    ping = " ".join(["ansible", *map(shlex.quote, typed.options), server, "-m", "ansible.builtin.ping"])
    yield _step("host", "admin", [ping], server=server)
    yield _step("site", "admin", [typed.playbook("site", "--limit", server)], server=server)
    for dataset in datasets:
        if dataset["kind"] in (*restore_place.ENGINES, "ldap"):
            version = ((dataset["newest"] or {}).get("database") or {}).get("version")
            yield _step("engine", "admin", server=server, dataset_kind=dataset["kind"], version=version or "…")


def _dataset(policy: Mapping, dataset: Mapping, typed: Typed) -> Iterator[dict]:
    server, name, kind = dataset["server"], dataset["name"], dataset["kind"]
    names = {"server": server, "dataset": name}
    if dataset["newest"] is None:
        yield _step("no_backup", "coordinator", **names)
        return
    target = _target(dataset)
    lines = ({"server": server, "dataset": name}, {"snapshot": "newest", "target": target}, {"requester": "…", "approver": "…"}, {"reason": "…"})
    words = (" ".join(f"-e {_pair(f'restore_{key}', value)}" for key, value in line.items()) for line in lines)
    command = " \\\n  ".join([typed.playbook("restore"), *words])
    ways = [
        {"place": place, "commands": [f"restic --no-lock -r {place['argument']} restore {place['snapshot']['snapshot_id'][:12]} --target {BY_HAND}"]}
        for place in dataset["places"]
        if place["snapshot"]
    ]
    yield _step(
        "restore",
        "admin",
        [command],
        by_hand=ways,
        measured=dataset["tested"],
        target=target,
        overwrite=restore_request.to_type(target, server, dataset["settings"]),
        **names,
    )
    yield _step(
        "load",
        "admin",
        by_hand(policy, dataset),
        variant="" if kind in (*restore_place.ENGINES, *restore_place.IN_PLACE) else "by_hand",
        target=target,
        **names,
    )
    questions = [
        {"name": one["name"], "query": one["query"], **{key: one[key] for key in ("equals", "min", "max") if key in one}}
        for one in dataset["settings"].get("assertions") or ()
    ]
    yield _step("check", "operator", questions=questions, variant="" if questions else "unset", **names)


def _target(dataset: Mapping) -> str:
    """Returns where restore.yml brings a data set of a server that was lost."""
    if dataset["kind"] in restore_place.ENGINES:
        named = f"{restore_place.DATABASE}{dataset['settings']['database']}"
        # A name that restore.yml takes from nobody goes back by the policy's word.
        return restore_place.ORIGINAL if restore_place.form_problem(named, dataset["kind"]) else named
    return restore_place.ORIGINAL if dataset["kind"] in restore_place.IN_PLACE else f"/srv/pemulihan/{dataset['name']}"


def by_hand(policy: Mapping, dataset: Mapping) -> list[str]:
    """Returns how a person puts in place, on its server, what lies in BY_HAND after a restore with restic alone."""
    name, kind, settings = dataset["name"], dataset["kind"], dataset["settings"]
    if kind == "files":
        return [line for path in settings["paths"] for line in _put_back(path)]
    if kind == "sqlite":
        copy = posixpath.join(policy["servers"][dataset["server"]]["server_dir"], "spool", name, posixpath.basename(settings["path"]))
        return [f"cp -a {_quoted(BY_HAND + copy)} {_quoted(settings['path'])}"]
    inside = f"{BY_HAND}/isi"
    lines = ["apt-get install --yes unzip", f"unzip -d {inside} {BY_HAND}/{name}.zip"]
    if kind == "postgresql":
        return [*lines, f"runuser -u postgres -- psql --dbname=postgres < {inside}/globals.sql",
                f"runuser -u postgres -- pg_restore --create --exit-on-error --dbname=postgres < {inside}/*.dump"]  # fmt: skip
    if kind in ("mariadb", "mysql"):
        database = settings["database"]
        # Binary mode: a dump of a server that was taken over gives the client no commands (system, source), here as root.
        encoding = charset_clause(((dataset["newest"] or {}).get("database") or {}).get("encoding"))
        return [*lines, f"mv {inside}/grants.sql {BY_HAND}/", shlex.join([kind, f"--execute=CREATE DATABASE `{database}` {encoding}".rstrip()]),
                f"{kind} --binary-mode {_quoted(database)} < {inside}/*.sql", f"{kind} --binary-mode < {BY_HAND}/grants.sql"]  # fmt: skip
    if kind == "ldap":
        directory, suffix = settings["config_dir"], settings["suffix"]
        return [*lines, "systemctl stop slapd", f"mv {_quoted(directory)} {_quoted(directory)}.lama", "mv /var/lib/ldap /var/lib/ldap.lama",
                f"install -d -o openldap -g openldap -m 0750 {_quoted(directory)} /var/lib/ldap",
                f"runuser -u openldap -- slapadd -n 0 -F {_quoted(directory)} < {inside}/config.ldif",
                f"runuser -u openldap -- slapadd -q -b {_quoted(suffix)} -F {_quoted(directory)} < {inside}/data.ldif", "systemctl start slapd"]  # fmt: skip
    return [*lines, f"ls -l {inside}"]


def _pair(name: str, value: str) -> str:
    # Ansible reads key=value pairs, so a value with blanks needs quotes of its own.
    return shlex.quote(f"{name}={value}") if " " not in value and "…" not in value else f"\"{name}='{value}'\""


def _quoted(path: str) -> str:
    return shlex.quote(path)


def _step(code: str, who: str, commands: Sequence[str] = (), variant: str = "", params: Mapping | None = None, **more: object) -> dict:
    """Returns a step: its messages are plan_<code> (or plan_<code>_<variant>) and plan_<code>_seen."""
    extra = {key: more.pop(key) for key in ("by_hand", "measured", "questions") if key in more}
    values = {**more, **(params or {})}
    return {
        "action": {"code": f"plan_{code}_{variant}" if variant else f"plan_{code}", "params": values}, "who": who, "commands": list(commands),
        "check": {"code": f"plan_{code}_seen", "params": values}, "by_hand": [], "measured": None, "questions": [], **extra,
    }  # fmt: skip


def _numbered(steps: Sequence[Mapping]) -> list[dict]:
    return [{"number": number, **step} for number, step in enumerate(steps, 1)]
