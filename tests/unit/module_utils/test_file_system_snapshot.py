# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which volume a snapshot is made of, from what the system's programs print.

The answers of findmnt (util-linux 2.38), btrfs (6.2) and lvs (2.03.16) were recorded; those of snapshots made by LVM are written after them,
because LVM's snapshots need the kernel's device mapper. Btrfs itself is tested on real hosts.
"""

from __future__ import annotations

import json

import pytest

from ansible_collections.sicekat.backup.plugins.module_utils import file_system_snapshot
from ansible_collections.sicekat.backup.plugins.module_utils.file_system_snapshot import Snapshot
from ansible_collections.sicekat.backup.plugins.module_utils.programs import ProgramError
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import SourceError

MOUNTS = [
    {"target": "/", "source": "/dev/sda1", "fstype": "ext4", "fsroot": "/"},
    {"target": "/srv", "source": "/dev/mapper/data-kantor", "fstype": "xfs", "fsroot": "/"},
    {"target": "/srv/bagian", "source": "/dev/mapper/data-kantor", "fstype": "xfs", "fsroot": "/unit/umum"},
    {"target": "/mnt/lain", "source": "/dev/mapper/data-lain", "fstype": "ext4", "fsroot": "/"},
    {"target": "/mnt/btrfs", "source": "/dev/mapper/data-btrfs", "fstype": "btrfs", "fsroot": "/"},
]
VOLUMES = ["kantor", "lain", "btrfs"]


class Machine:
    """Answers in place of the programs, and notes what was called."""

    def __init__(self, monkeypatch):
        self.called = []
        self.volumes = [{"vg_name": "data", "lv_name": name, "origin": ""} for name in VOLUMES]
        monkeypatch.setattr(file_system_snapshot, "_said", self.said)

    def said(self, *argv):
        self.called.append(argv)
        if argv[0] == "findmnt":
            return json.dumps({"filesystems": MOUNTS})
        if argv[0] == "lvs":
            of = argv[-1].rpartition("/data-")[2]
            found = self.volumes if of == "data" else [one for one in self.volumes if one["lv_name"] == of]
            if not found:
                raise ProgramError("lvs", "failed", 5, "Cannot process volume group")
            return json.dumps({"report": [{"lv": found}]})
        if argv[0] == "lvremove":
            self.volumes = [one for one in self.volumes if one["lv_name"] != argv[-1].partition("/")[2]]
        return ""


@pytest.fixture
def machine(monkeypatch):
    return Machine(monkeypatch)


def snapshot(*paths, kind="lvm", **more):
    return Snapshot({"name": "foto", "paths": list(paths), "snapshot": kind, **more}, "/tidak/dipakai")


def refused(of):
    with pytest.raises(SourceError) as caught:
        of.volume()
    return caught.value.message


def test_the_logical_volume_of_all_paths_is_found_and_where_they_lie_in_it(machine):
    volume = snapshot("/srv/foto", "/srv/arsip/2025").volume()
    assert volume.identity == "data/kantor"
    assert [volume.inside(path) for path in ("/srv", "/srv/foto", "/srv/arsip/2025")] == [".", "foto", "arsip/2025"]
    part = snapshot("/srv/bagian/foto").volume()
    assert (part.identity, part.inside("/srv/bagian/foto"), part.inside("/srv/bagian")) == ("data/kantor", "unit/umum/foto", "unit/umum")


def test_an_lvm_snapshot_is_named_after_its_data_set_and_has_room_for_a_fifth(machine):
    volume = snapshot("/srv/foto").volume()
    volume.make()
    assert machine.called[-1] == ("lvcreate", "--yes", "--snapshot", "--name", "sicekat_foto", "--extents", "20%ORIGIN", "data/kantor")


def test_what_a_dead_run_left_is_removed_and_nothing_else(machine):
    volume = snapshot("/srv/foto").volume()
    volume.remove_left()
    assert [argv for argv in machine.called if argv[0] == "lvremove"] == []
    machine.volumes.append({"vg_name": "data", "lv_name": "sicekat_foto", "origin": "kantor"})
    volume.remove_left()
    assert machine.called[-1] == ("lvremove", "--yes", "data/sicekat_foto")
    assert [one["lv_name"] for one in machine.volumes] == VOLUMES


@pytest.mark.parametrize("origin", ["", "lain"])
def test_a_volume_of_our_name_that_is_no_snapshot_of_ours_is_never_removed(machine, origin):
    machine.volumes.append({"vg_name": "data", "lv_name": "sicekat_foto", "origin": origin})
    with pytest.raises(SourceError) as caught:
        snapshot("/srv/foto").volume().remove_left()
    assert caught.value.message["code"] == "snapshot_not_ours"
    assert [argv for argv in machine.called if argv[0] == "lvremove"] == []


def test_xfs_is_mounted_beside_its_twin(machine, monkeypatch, tmp_path):
    class Namespace:
        def mount(self, *mounted):
            self.mounted = mounted

    namespace = Namespace()
    for path, wanted in (("/srv/foto", ("xfs", "nouuid")), ("/mnt/lain/foto", ("ext4", ""))):
        volume = snapshot(path).volume()
        file_system_snapshot.os.close(volume.open(namespace, str(tmp_path)))
        assert namespace.mounted == ("/dev/data/sicekat_foto", str(tmp_path), *wanted)


def test_a_path_that_is_on_no_volume_of_that_kind_is_refused_with_what_was_found(machine):
    found = {"path": "/home/budi", "fstype": "ext4", "source": "/dev/sda1", "target": "/"}
    assert refused(snapshot("/home/budi")) == {"code": "snapshot_lvm", "params": found}
    assert refused(snapshot("/home/budi", kind="btrfs")) == {"code": "snapshot_btrfs", "params": found}
    # a twin of a Btrfs would be taken for the Btrfs itself
    assert refused(snapshot("/mnt/btrfs/foto"))["code"] == "snapshot_lvm"


def test_paths_of_two_volumes_are_refused(machine):
    message = refused(snapshot("/srv/foto", "/mnt/lain/foto"))
    assert message == {"code": "snapshot_apart", "params": {"path": "/mnt/lain/foto", "found": "data/lain", "other": "/srv/foto", "expected": "data/kantor"}}


def test_what_is_mounted_below_a_path_would_be_missing(machine):
    assert refused(snapshot("/srv")) == {"code": "snapshot_below", "params": {"found": "/srv/bagian", "path": "/srv"}}
    assert snapshot("/srv", one_file_system=True).volume().identity == "data/kantor"
    assert snapshot("/srv/bag").volume().identity == "data/kantor"


def test_the_root_directory_is_refused(machine):
    machine.volumes.append({"vg_name": "data", "lv_name": "/dev/sda1", "origin": ""})
    assert refused(snapshot("/"))["code"] == "snapshot_root"


@pytest.mark.parametrize(
    ("own", "nested"), [("/", ["/srv/pegawai", "/srv/pegawai/dalam negeri"]), ("@data", []), ("pegawai", ["/srv/dalam negeri"])]
)  # fmt: skip
def test_nested_subvolumes_are_named_by_their_paths(monkeypatch, own, nested):
    listed = (
        "ID 256 gen 11 top level 5 path pegawai\nID 258 gen 12 top level 256 path pegawai/dalam negeri\n"
        "ID 259 gen 13 top level 5 path .sicekat-foto\nID 260 gen 13 top level 256 path pegawai/.sicekat-foto\n"
    )
    answers = {"show": f"{own}\n\tName: \t\t\t{own}\n", "list": listed}
    monkeypatch.setattr(file_system_snapshot, "_said", lambda *argv: answers[argv[2]])
    volume = object.__new__(file_system_snapshot._Btrfs)
    volume.identity = "/srv"
    assert [path for path in volume.nested() if not path.endswith(".sicekat-foto")] == nested
