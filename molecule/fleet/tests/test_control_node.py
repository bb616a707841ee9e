# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A control node is lost. With the paper in the envelope and the recovery plan another machine takes its place."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pypdf
import pytest
import yaml
from fleet import ROOT, Fleet
from testbed import Bed

KEEPER, SERVER, OLD, NEW = "lumbung", "kas", "pusat", "pusat-baru"
PROJECT, STATE = "/opt/si-cekat", "/var/lib/si-cekat"
VAULT, SECRET = "/etc/si-cekat/vault-pass", "rahasia-uji-kendali-0123456789-abcdefghij"
# The packages of this machine's .venv are copied, which saves minutes; a Debian has to bring the same Python.
KIND = {(3, 11): "bookworm", (3, 13): "trixie"}.get(sys.version_info[:2])
LIMIT_S = 300

pytestmark = [pytest.mark.timeout(1200), pytest.mark.skipif(KIND is None, reason="no Debian of the test bed has this Python")]


class ControlNode:
    """A host with the project, from which playbooks are played."""

    def __init__(self, bed: Bed, host: str) -> None:
        self.bed = bed
        self.host = host

    def install(self) -> None:
        """Puts the project there, and what `make setup` installs."""
        packages = "acl fonts-dejavu-core fonts-liberation libharfbuzz-subset0 libpango-1.0-0 libpangoft2-1.0-0 restic git make openssh-client"
        self.type("apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install --yes --no-install-recommends " + packages)
        self.type(f"mkdir -p {PROJECT} && python3 -m venv --without-pip {PROJECT}/.venv")
        parts = ["ansible.cfg", "galaxy.yml", "collections", "meta", "playbooks", "plugins", "roles"]
        self._copy(ROOT, parts, PROJECT)
        library = f".venv/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
        self._copy(ROOT, [library, *(f".venv/bin/{name}" for name in ("ansible", "ansible-playbook", "ansible-vault"))], PROJECT)
        self.type(f"sed -i '1s|.*|#!{PROJECT}/.venv/bin/python|' {PROJECT}/.venv/bin/ansible*")

    def _copy(self, source: Path, names: list[str], target: str) -> None:
        tar = [shutil.which("tar"), "-C", str(source), "--exclude=__pycache__", "--owner=root", "--group=root", "-czf", "-", *names]
        with subprocess.Popen(tar, stdout=subprocess.PIPE) as packing:
            subprocess.run([*self.bed.ssh_command(self.host), f"sudo tar -C {target} -xzf -"], stdin=packing.stdout, check=True, timeout=LIMIT_S)

    def type(self, command: str, data: str | None = None, check: bool = True) -> str:
        return self.bed.run(self.host, command, check=check, timeout=LIMIT_S, data=data).stdout

    def play(self, playbook: str, *arguments: str) -> str:
        return self.typed(f"ansible-playbook -i inventories/uji --vault-password-file {VAULT} playbooks/{playbook}.yml {' '.join(arguments)}")

    def typed(self, command: str) -> str:
        """Types a command of the plan in the project's directory; it has to end well."""
        done = self.bed.run(self.host, f"cd {PROJECT} && . .venv/bin/activate && LC_ALL=C.UTF-8 {command}", check=False, timeout=LIMIT_S)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def read(self, path: str) -> bytes:
        return base64.b64decode(self.type(f"base64 {path}"))

    def head(self) -> dict:
        """Returns the head of its ledger, whose chain is whole."""
        program = (
            "import sys; sys.path[:0] = ['collections']; from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger\n"
            f"with Ledger.open('{STATE}/ledger.sqlite3') as ledger: assert ledger.verify() == []; print(ledger.head()['seq'])"
        )
        return {"seq": int(self.typed(f'python - <<"END"\n{program}\nEND'))}


@pytest.fixture
def hosts(fleet: Fleet) -> Iterator[Bed]:
    before = fleet.bed.names
    fleet.bed.add({KEEPER: "trixie", SERVER: "bookworm", OLD: KIND})
    yield fleet.bed
    for name in set(fleet.bed.names) - set(before):
        fleet.bed.remove(name)


def inventory(bed: Bed) -> dict[str, object]:
    """Returns the files of an inventory in which the control node is one of the servers."""
    cycle = {"start": "00:00", "end": "23:59"}
    dataset = {"name": "kendali", "kind": "control_node", "category": "penting", "paths": [f"{PROJECT}/inventories/uji", VAULT, "/root/.ssh"]}
    return {
        "hosts.yml": {"all": {"hosts": {
            SERVER: {"ansible_host": bed.address(SERVER), "backup_service": "Kas daerah"},
            OLD: {"ansible_connection": "local"}, KEEPER: {"ansible_host": bed.address(KEEPER)},
        }}},
        "group_vars/all/main.yml": {
            "ansible_user": "admin", "ansible_become": True, "ansible_python_interpreter": "/usr/bin/python3",
            "backup_categories": {"penting": {"rto": "4h"}},
            "backup_services": {"Kas daerah": {"priority": 1, "owner": "Kepala Bidang Keuangan", "contact": "0812-5555-6666"}},
            "backup_cycles": {"daily": {**cycle, "grace": "6h"}, "weekly": None, "monthly": None, "restore_test": {**cycle, "day": 1, "grace": "31d"}},
            "backup_repositories": {"primary": {"server": KEEPER, "location": "Gudang data"}},
        },
        f"host_vars/{SERVER}.yml": {"backup_datasets": [{"name": "berkas", "kind": "files", "category": "penting", "paths": ["/srv/berkas"]}]},
        f"host_vars/{OLD}.yml": {"backup_datasets": [dataset]},
        f"host_vars/{KEEPER}.yml": {
            "backup_repository_server": {"path": "/srv/simpanan", "free_least": "16MiB"}, "backup_repositories": {}, "backup_datasets": [],
        },
    }  # fmt: skip


def begin(bed: Bed) -> ControlNode:
    """Sets up an agency: a control node that is backed up with the others."""
    node = ControlNode(bed, OLD)
    node.install()
    node.type("mkdir -p -m 0700 /root/.ssh /etc/si-cekat && umask 077 && cat >/root/.ssh/id_ed25519", data=(bed.path / "key").read_text())
    node.type("cat >/root/.ssh/known_hosts", data=(bed.path / "known_hosts").read_text())
    for name, content in inventory(bed).items():
        path = Path(PROJECT, "inventories/uji", name)
        node.type(f"mkdir -p {path.parent} && cat >{path}", data=yaml.safe_dump(content))
    node.type(f"umask 077 && cat >{VAULT}", data="kata-sandi-vault-uji\n")
    encrypt = f"{PROJECT}/.venv/bin/ansible-vault encrypt_string --vault-password-file {VAULT} --stdin-name backup_master_secret"
    node.type(f"{encrypt} >{PROJECT}/inventories/uji/group_vars/all/vault.yml", data=SECRET)
    bed.run(SERVER, "mkdir -p /srv/berkas && seq 10000 >/srv/berkas/angka.txt")
    return node


def steps(plan: dict) -> dict[str, list[str]]:
    return {step["action"]["code"]: step["commands"] for step in plan["control_node"]["steps"]}


def test_another_machine_takes_the_place_of_a_lost_control_node(hosts: Bed):
    old = begin(hosts)
    for playbook in ("site", "daily", "restore_test"):
        old.play(playbook)
    old.play("recovery_kit", "-e recovery_kit_path=/root/kit.pdf")
    old.play("recovery_plan", "-e plan_path=/mnt/lepas")
    noted = old.head()
    # What is outside: two papers.
    paper = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(old.read("/root/kit.pdf"))).pages)
    password = "-".join(" ".join(re.findall(r"^(?:[A-Z2-7]{5} ){3}[A-Z2-7]{5}$", paper, re.MULTILINE)).split())
    plan = json.loads(old.read("/mnt/lepas/recovery-plan.json"))
    assert not any(secret in json.dumps(plan) for secret in (SECRET, password, *password.split("-")))
    assert plan["control_node"]["dataset"]["tested"]["count"] == 1
    hosts.power_off(OLD)

    typed = steps(plan)
    keeper = ControlNode(hosts, KEEPER)
    listing, restoring = typed.get("plan_control_fetch_keeper") or []
    newest = re.findall(r"^([0-9a-f]{8}) ", keeper.type(listing, data=f"{password}\n"), re.MULTILINE)[-1]
    keeper.type(restoring.replace(" ID ", f" {newest} "), data=f"{password}\n")
    hosts.add({NEW: KIND})
    new = ControlNode(hosts, NEW)
    new.install()
    # On a disk, as it were.
    new.type("mkdir /pulih && base64 -d | tar -C /pulih -xpf -", data=keeper.type("tar -C /pulih -cpf - . | base64"))
    keeper.type(typed["plan_control_carry"][-1])
    for command in (*typed["plan_control_paths"], *typed["plan_control_ledger"]):
        new.type(command)
    assert new.type(f"stat -c %a {VAULT} /root/.ssh/id_ed25519 {STATE}/ledger.sqlite3").split() == ["600"] * 3
    restored = new.head()
    assert 0 < restored["seq"] < noted["seq"]

    assert "tidak utuh" not in new.typed(*typed["plan_control_report"])
    new.typed(*typed["plan_control_site"])
    assert "setiap catatan dari 2 catatan terbukti berhasil" in new.typed(*typed["plan_control_daily"])
    assert new.head()["seq"] > restored["seq"]
