# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet as a test sees it: the project's playbooks against the hosts of a test bed, and what the ledger says afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import testinfra
import yaml
from testbed import Bed
from testinfra.host import Host

from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger

ROOT = Path(__file__).resolve().parents[2]
PLAY_LIMIT_S = 240
FIXTURES = "/opt/fixtures"
MAINTENANCE = {"postgresql": "postgres", "mariadb": "mysql"}  # databases that are always there
_CLIENTS = {
    "postgresql": "runuser -u postgres -- psql -X -q -A -t -F '\t' -v ON_ERROR_STOP=1 -d",
    "mariadb": "mariadb --batch --raw --skip-column-names --default-character-set=utf8mb4",
}


class Played:
    """What a playbook left: exit code, everything it wrote, and how long it took in seconds."""

    def __init__(self, code: int, text: str, seconds: float) -> None:
        self.code = code
        self.text = text
        self.seconds = seconds


class Writer:
    """A writer of rows. `transactions`: how many it committed, once it has ended."""

    transactions = 0


class Playing:
    """A playbook at work, in a process group of its own."""

    def __init__(self, command: Sequence[str]) -> None:
        # as from a shell: Molecule sets a dozen of them
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MOLECULE_"))}
        self._output = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self._began = time.monotonic()
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT, start_new_session=True,
            env={**environment, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "LC_ALL": "C.UTF-8"},
        )  # fmt: skip

    @property
    def is_over(self) -> bool:
        return self._process.poll() is not None

    def wait(self, limit_s: float = PLAY_LIMIT_S) -> Played:
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the playbook was not over after {limit_s} s:\n{self._text()}") from None
        return Played(self._process.returncode, self._text(), time.monotonic() - self._began)

    def kill(self) -> None:
        """Ends the control node's processes at once, as a loss of its power does; its ssh connections break off."""
        if not self.is_over:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _text(self) -> str:
        self._output.seek(0)
        return self._output.read()


class Fleet:
    """The hosts and the policy of a scenario. `more` are inventories that a test adds, which win over the scenario's."""

    def __init__(self, scenario: str) -> None:
        self.bed = Bed.open(ROOT / ".cache/testbed" / scenario)
        self.more: list[Path] = []
        self._inventory = ROOT / "molecule" / scenario / "inventory/hosts.yml"
        self._playing: list[Playing] = []
        self._scratch = tempfile.TemporaryDirectory(dir=self.bed.path)

    @property
    def servers(self) -> list[str]:
        return list(self._groups()["servers"]["hosts"])

    def _groups(self) -> dict:
        return yaml.safe_load(self._inventory.read_text(encoding="utf-8"))["all"]["children"]

    # Playbooks

    def start(self, playbook: str, *arguments: str) -> Playing:
        inventories = [argument for path in (self._inventory, *self.more, self.bed.inventory) for argument in ("-i", str(path))]
        program = str(ROOT / ".venv/bin/ansible-playbook")
        playing = Playing([program, *inventories, str(ROOT / f"playbooks/{playbook}.yml"), *arguments])
        self._playing.append(playing)
        return playing

    def play(self, playbook: str, *arguments: str, limit_s: float = PLAY_LIMIT_S) -> Played:
        return self.start(playbook, *arguments).wait(limit_s)

    def done(self, playbook: str, *arguments: str) -> Played:
        """Plays a playbook that must end well."""
        played = self.play(playbook, *arguments)
        assert played.code == 0, played.text
        return played

    def edit(self, host: str | None = None, **variables: object) -> None:
        """Edits the inventory: variables of all hosts, or of one, which joins the servers if it is new."""
        place = Path(self._scratch.name) / f"edit{len(self.more)}"
        known = {name for group in self._groups().values() for name in group["hosts"]}
        hosts = {"all": {"children": {"servers": {"hosts": {host: None}}}}} if host and host not in known else {"all": {}}
        variables_file = place / (f"host_vars/{host}.yml" if host else "group_vars/all.yml")
        variables_file.parent.mkdir(parents=True)
        (place / "hosts.yml").write_text(yaml.safe_dump(hosts), encoding="utf-8")
        variables_file.write_text(yaml.safe_dump(variables), encoding="utf-8")
        self.more.append(place / "hosts.yml")

    def way_to(self, host: str) -> dict:
        """Returns the variables by which Ansible reaches a host."""
        return yaml.safe_load(self.bed.inventory.read_text(encoding="utf-8"))["all"]["hosts"][host]

    def prepared(self, host: str) -> None:
        """Lets site.yml prepare a host that an edit made a restore host, once."""
        if self.bed.run(host, "id sicekat-restore", check=False).returncode:
            self.done("site")
        assert "nologin" in self.bed.run(host, "getent passwd sicekat-restore").stdout

    def stop(self) -> None:
        """Ends the playbooks that a test has begun."""
        for playing in self._playing:
            playing.kill()
        self._playing.clear()

    def undo(self) -> None:
        """Ends what else a test has begun: cuts, slow lines, lost power, edits of the inventory."""
        self.more.clear()
        self.bed.heal()
        for host in self.bed.names:
            if not self.bed.running(host):
                self.bed.power_on(host)
            self.bed.slow(host, 0)

    # Evidence

    @property
    def state(self) -> Path:
        return self.bed.path / "state"

    def ledger(self) -> Ledger:
        return Ledger.open(self.state / "ledger.sqlite3")

    def records(self, **wanted: object) -> list[dict]:
        """Returns the records whose fields are as wanted, oldest first, from a ledger whose chain is whole."""
        with self.ledger() as ledger:
            assert ledger.verify() == []
            return [one for one in ledger.records() if all(one.get(key) == value for key, value in wanted.items())]

    def runs(self) -> list[dict]:
        with self.ledger() as ledger:
            return ledger.runs()

    def last_run(self, **wanted: object) -> list[dict]:
        """Returns the records of the newest run."""
        return self.records(run_id=self.runs()[-1]["run_id"], **wanted)

    def last(self, **wanted: object) -> dict:
        """Returns the only record of the newest run that is as wanted."""
        found = self.last_run(**wanted)
        assert len(found) == 1, json.dumps(found, indent=1)
        return found[0]

    def snapshots(self, server: str, keeper: str, path: str) -> set[str]:
        """Returns the ids of the snapshots that lie in a server's repository, by their files' names: nobody's opinion is asked."""
        return set(self.bed.run(keeper, f"ls {path}/{server}/snapshots").stdout.split())

    # Hosts

    def on(self, host: str) -> Host:
        """Returns testinfra's view of a host, by ssh and sudo."""
        return testinfra.get_host(f"ansible://{host}?ansible_inventory={self.bed.inventory}&sudo=true")

    # Databases, on hosts that have tests/fixtures/ in FIXTURES

    def sql(self, host: str, engine: str, database: str, query: str) -> str:
        """Returns what a database answers to statements of its administrator: a line for each row, with tabs between its columns."""
        return self.bed.run(host, f"{_CLIENTS[engine]} {shlex.quote(database)}", data=query).stdout.strip("\n")

    def load(self, host: str, engine: str, database: str, megabytes: int = 1, seed: int = 1) -> None:
        """Makes a database of staff.py anew."""
        for statement in (f"DROP DATABASE IF EXISTS {database};", f"CREATE DATABASE {database};"):
            self.sql(host, engine, MAINTENANCE[engine], statement)
        script = f"python3 {FIXTURES}/staff.py sql {engine} --megabytes {megabytes} --seed {seed}"
        command = f"set -e; {script} >/var/tmp/staff.sql; {_CLIENTS[engine]} {database} </var/tmp/staff.sql; rm /var/tmp/staff.sql"
        self.bed.run(host, command, timeout=PLAY_LIMIT_S)

    @contextlib.contextmanager
    def written_to(self, host: str, engine: str, database: str) -> Iterator[Writer]:
        """Keeps writing to a database of staff.py while the block runs; what was written stays."""
        writer = Writer()
        unit, said = f"staff-{engine}-{database}", f"/run/staff-{engine}-{database}"
        self.bed.run(
            host,
            f"rm -f {said}; systemd-run --quiet --unit={unit} --property=KillMode=mixed --property=StandardOutput=file:{said} --collect"
            f" python3 {FIXTURES}/staff.py write {engine} {database}",
        )
        try:
            yield writer
            self.bed.run(host, f"systemctl is-active --quiet {unit}")
        finally:
            self.bed.run(host, f"systemctl stop {unit}", check=False)
        writer.transactions = int(self.bed.run(host, f"cat {said}").stdout)

    def until(self, what: str, happened: Callable[[], object], limit_s: float = 60) -> None:
        end = time.monotonic() + limit_s
        while not happened():
            assert time.monotonic() < end, f"not within {limit_s} s: {what}"
            time.sleep(0.2)

    def uploading(self, playing: Playing, server: str, keeper: str, path: str, least: int = 1 << 20) -> None:
        """Waits until a backup of `server` has sent some bytes to the repository and is still at it."""
        size = f"du -sb {path}/{server} | cut -f1"
        before = int(self.bed.run(keeper, size).stdout)
        self.until(f"upload of {server}", lambda: playing.is_over or int(self.bed.run(keeper, size).stdout) > before + least)
        assert not playing.is_over, playing.wait().text


def codes(one: dict) -> list[str]:
    return [message["code"] for message in one["messages"]]
