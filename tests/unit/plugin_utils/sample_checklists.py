# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sample records, checklists and indexes of an agency, from all green to all wrong."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ansible_collections.sicekat.backup.plugins.module_utils import record

Document = dict[str, Any]

RUN_ID = "20261122T150003Z-3f2a9c"

AGENCY = {
    "name": "Pemerintah Kabupaten Bangka",
    "unit": "Satuan Polisi Pamong Praja",
    "address": "Jalan Jenderal Ahmad Yani (Jalur Dua), Sungailiat 33215",
    "city": "Sungailiat",
}
TEAM = {
    "operator": {"name": "Rina Marlina, A.Md.Kom.", "id_number": "19900412 201503 2 004"},
    "coordinator": {"name": "Hendra Saputra, S.Kom.", "id_number": "19840917 200902 1 003"},
}
CATEGORIES = {
    "kritikal": {"label": "Kritikal", "rto_s": 14400, "rpo_s": 86400},
    "penting": {"label": "Penting", "rto_s": 86400, "rpo_s": None},
    "pendukung": {"label": None, "rto_s": None, "rpo_s": None},
}


def digest(text: str) -> str:
    """Returns 64 hexadecimal digits that depend on nothing but the text."""
    return hashlib.sha256(text.encode()).hexdigest()


def opened(server: str = "srv-arsip", dataset: str = "dokumen", **fields: Any) -> Document:
    """Returns a backup record that was opened and not closed."""
    return {
        "record_id": f"{RUN_ID}:{digest(server + dataset)[:4]}",
        "run_id": RUN_ID,
        "kind": "backup",
        "cycle": "daily",
        "period": "2026-11-22",
        "backup_type": "incremental",
        "server": server,
        "unit": "Subbagian Umum",
        "service": "Arsip surat",
        "dataset": dataset,
        "dataset_kind": "files",
        "category": "penting",
        "personal_data": True,
        "sources": [f"/srv/{dataset}"],
        "scheduled_start": "2026-11-22T15:00:00Z",
        "window_start": "2026-11-22T15:00:00Z",
        "window_end": "2026-11-22T21:00:00Z",
        "due_at": "2026-11-23T03:00:00Z",
        "rto_s": 86400,
        "rpo_s": None,
        "repository": "primary",
        "outcome": None,
        **fields,
    }


def closed(server: str = "srv-arsip", dataset: str = "dokumen", **fields: Any) -> Document:
    """Returns the record of a backup that succeeded."""
    snapshot = digest(f"snapshot {server} {dataset}")
    return {
        **opened(server, dataset),
        "outcome": "success",
        "cause": None,
        "messages": [],
        "started_at": "2026-11-22T15:00:12Z",
        "finished_at": "2026-11-22T15:03:41Z",
        "duration_ms": 209_340,
        "inside_window": True,
        "outside_window_s": 0,
        "files": {"total": 3120, "new": 12, "changed": 3, "unmodified": 3105},
        "directories": {"total": 210},
        "data_size_bytes": 123_456_789,
        "data_added_bytes": 34_567,
        "newest_data_at": "2026-11-22T14:58:30Z",
        "snapshot_id": snapshot,
        "parent_snapshot_id": digest(f"parent {server} {dataset}"),
        "repository_id": digest("repository"),
        "engine": {"name": "restic", "version": "0.18.0"},
        "encrypted": True,
        "exit_code": 0,
        "error_count": 0,
        "warning_count": 0,
        "errors": [],
        "warnings": [],
        "log": {"sha256": digest(f"log {server} {dataset}"), "lines": 3130, "excerpt": ""},
        "storage_locations": [
            {
                "repository": "primary",
                "location": "Ruang server, NAS 1",
                "url": "rest:https://simpan.example/srv",
                "snapshot_id": snapshot,
                "repository_id": digest("repository"),
                "listed_at": "2026-11-22T15:03:42Z",
            }
        ],
        "verification": {
            "log_check": {"result": "passed", "checks": [{"check": "exit_code", "result": "passed"}]},
            "restore_test": {
                "result": "passed",
                "form_number": "UP/2026-11/000001",
                "tested_at": "2026-11-15T02:10:00Z",
                "snapshot_id": digest("tested"),
            },
        },
        "manifest": {"sha256": digest(f"manifest {server} {dataset}"), "entries": 64},
        "canary_sha256": digest("canary"),
        "database": None,
        "restore": None,
        "integrity": None,
        "free_bytes": 812_000_000_000,
        **fields,
    }


def failed(server: str, dataset: str, cause: str, outcome: str = "failed", params: Mapping[str, Any] | None = None, **fields: Any) -> Document:
    """Returns the record of a backup that stored nothing."""
    nothing = dict.fromkeys(("data_size_bytes", "data_added_bytes", "newest_data_at", "snapshot_id", "parent_snapshot_id", "files", "manifest"))
    return {
        **closed(server, dataset),
        **nothing,
        "outcome": outcome,
        "cause": cause,
        "messages": [record.message(cause, **(params or {}))],
        "exit_code": 1,
        "storage_locations": [],
        "verification": {
            "log_check": {"result": "failed", "checks": [{"check": "exit_code", "result": "failed"}]},
            "restore_test": {"result": "none", "form_number": None, "tested_at": None, "snapshot_id": None},
        },
        **fields,
    }


def restored(server: str = "srv-arsip", dataset: str = "dokumen", kind: str = "restore_test", **fields: Any) -> Document:
    """Returns the record of a restore test, or of a restore, that proved its snapshot."""
    return {
        **closed(server, dataset),
        "kind": kind,
        "cycle": kind,
        "backup_type": None,
        "period": "2026-11",
        **dict.fromkeys(("files", "directories", "data_size_bytes", "data_added_bytes", "snapshot_id", "parent_snapshot_id", "verification")),
        "storage_locations": [],
        "restore": {
            "snapshot_id": digest(f"snapshot {server} {dataset}"),
            "snapshot_at": "2026-11-14T15:00:12Z",
            "age_s": 39_600,
            "target": "/var/lib/si-cekat-server/scratch/uji-20261115",
            "files": {"expected": 3120, "restored": 3120},
            "bytes": {"expected": 123_456_789, "restored": 123_456_789},
            "sample": {"compared": 100, "equal": 100, "different": 0, "missing": 0, "changed_during_backup": 0},
            "canary": "found",
            "metadata": {"compared": 100, "different": 0},
            "database": "none",
            "phases_ms": {"prepare": 640, "fetch": 8120, "prove": 2210, "clean": 130},
            "total_ms": 11_100,
            "rto_met": True,
        },
        **fields,
    }


def integrity(server: str = "srv-arsip", **fields: Any) -> Document:
    """Returns the record of an integrity check that read every pack."""
    return {
        **closed(server, ""),
        "kind": "integrity_check",
        **dict.fromkeys(("files", "directories", "data_size_bytes", "data_added_bytes", "newest_data_at")),
        **dict.fromkeys(("snapshot_id", "parent_snapshot_id", "manifest", "dataset_kind", "category", "verification")),
        "sources": [],
        "storage_locations": [],
        "integrity": {"read_data": "full", "packs_read": 1204, "errors": 0},
        **fields,
    }


def copied(server: str = "srv-arsip", dataset: str = "dokumen", repository: str = "offsite", **fields: Any) -> Document:
    """Returns the record of a copy that was read back with success."""
    made = digest(f"copy {server} {dataset} {repository}")
    place = {**closed()["storage_locations"][0], "repository": repository, "location": "Pusat data provinsi", "snapshot_id": made}
    return {
        **closed(server, dataset),
        "kind": "copy",
        "repository": repository,
        "performed_on": "srv-cadangan",
        **dict.fromkeys(("backup_type", "files", "directories", "newest_data_at", "parent_snapshot_id", "manifest")),
        "snapshot_id": made,
        "storage_locations": [place],
        "copy": {"source_snapshot_id": digest(f"snapshot {server} {dataset}"), "verified": {"canary": "found", "compared": 3, "equal": 3}},
        **fields,
    }


def uncopied(server: str, dataset: str, cause: str, repository: str = "offsite", **fields: Any) -> Document:
    """Returns the record of a copy that came to nothing."""
    nothing = {
        "snapshot_id": None, "storage_locations": [], "outcome": "failed", "cause": cause,
        "copy": {"source_snapshot_id": digest(f"snapshot {server} {dataset}"), "verified": {"canary": "none", "compared": 0, "equal": 0}},
    }  # fmt: skip
    return {**copied(server, dataset, repository), **nothing, "messages": [record.message(cause, detail="connection refused")], **fields}


def retained(server: str = "srv-arsip", **fields: Any) -> Document:
    """Returns the record of a retention that removed two snapshots of 16."""
    removed = [{"snapshot_id": digest(f"old {number}"), "dataset": "dokumen", "time": f"2026-09-{number:02}T15:00:12.123456789Z"} for number in (1, 2)]
    groups = [
        {"dataset": "dokumen", "listed": 12, "kept": 10, "removed": 2, "refused": False},
        {"dataset": "foto-kegiatan", "listed": 4, "kept": 4, "removed": 0, "refused": False},
    ]
    return {
        **integrity(server),
        "kind": "retention",
        "performed_on": "srv-cadangan",
        "integrity": None,
        "retention": {"listed": 16, "kept": 14, "removed": removed, "unconfirmed": [], "refusals": [], "groups": groups},
        **fields,
    }


def refused(server: str, **fields: Any) -> Document:
    """Returns the record of a retention that removed nothing, because it found a reason not to."""
    why = record.message("repository_damaged", detail="klem")
    nothing = {"outcome": "failed", "cause": "retention_refused", "messages": [why], "error_count": 1}
    groups = [{"dataset": "pengaduan", "listed": 9, "kept": 9, "removed": 0, "refused": True}]
    done = {"listed": 9, "kept": 9, "removed": [], "unconfirmed": [], "refusals": [why], "groups": groups}
    return {**retained(server), **nothing, "retention": done, **fields}


def checklist(rows: list[Document], overall: str, not_covered: list[Document] | None = None, **fields: Any) -> Document:
    """Returns a daily checklist F-01 of these rows."""
    not_covered = not_covered or []
    counts = Counter(merged["outcome"] or "open" for merged in rows)
    names = (*record.OUTCOMES, "open")
    return {
        "schema": "sicekat.checklist/1",
        "form": {"code": "F-01", "number": "CB/2026-11/000022", "version": "1"},
        "language": "id",
        "timezone": "Asia/Jakarta",
        "agency": AGENCY,
        "team": TEAM,
        "categories": CATEGORIES,
        "cycle": "daily",
        "period": "2026-11-22",
        "scheduled_start": "2026-11-22T15:00:00Z",
        "window_start": "2026-11-22T15:00:00Z",
        "window_end": "2026-11-22T21:00:00Z",
        "due_at": "2026-11-23T03:00:00Z",
        "run": {
            "run_id": RUN_ID,
            "opened_at": "2026-11-22T15:00:03Z",
            "closed_at": "2026-11-22T15:21:47Z",
            "actor": "admin",
            "control_node": "kendali-01",
            "collection_version": "0.1.0",
            "ansible_version": "2.19.4",
            "selection": {"limit": None, "tags": [], "skip_tags": [], "start_at_task": None},
        },
        "overall": overall,
        "counts": {
            "expected": len(rows) + len(not_covered),
            **{name: counts[name] for name in names},
            "not_covered": len(not_covered),
        },
        "rows": rows,
        "not_covered": not_covered,
        "ledger": {"seq": 1284, "hash": digest("ledger")},
        **fields,
    }


def green_checklist(**fields: Any) -> Document:
    """Returns a checklist on which everything succeeded."""
    database = closed(
        "srv-pelaporan", "pengaduan", dataset_kind="sqlite", category="kritikal", service="Pengaduan warga", unit="Bidang Trantibum",
        sources=["/srv/pengaduan/pengaduan.sqlite3"], rto_s=14400, rpo_s=86400, data_size_bytes=48_201_728,
        files={"total": 1, "new": 0, "changed": 1, "unmodified": 0},
    )  # fmt: skip
    rows = [
        closed(),
        closed("srv-arsip", "foto-kegiatan", personal_data=False, service="Dokumentasi", data_size_bytes=88_123_456_789, data_added_bytes=1_223_456_789),
        database,
        closed("srv-web", "situs", category="pendukung", personal_data=False, unit=None, service=None, rto_s=None),
    ]
    return checklist(rows, "success", **fields)


def partial_checklist(**fields: Any) -> Document:
    """Returns a weekly checklist with a bit of everything that can go wrong, and with maintenance."""
    unread = closed(
        "srv-arsip", "dokumen", outcome="partial", cause="source_unreadable", exit_code=3, error_count=2,
        messages=[record.message("source_unreadable", count=2), record.message("lock_cleared", holder="PID 4123 di srv-arsip")],
        errors=["/srv/dokumen/Surat Keluar 2026/SK No. 12.pdf: permission denied", "/srv/dokumen/rahasia: permission denied"],
        log={
            "sha256": digest("log"), "lines": 3132,
            "excerpt": "error: open /srv/dokumen/Surat Keluar 2026/SK No. 12.pdf: permission denied\nerror: open /srv/dokumen/rahasia: permission denied",
        },
        verification={
            "log_check": {"result": "warning", "checks": [{"check": "exit_code", "result": "warning"}]},
            "restore_test": {"result": "failed", "form_number": "UP/2026-11/000002", "tested_at": "2026-11-15T02:10:00Z", "snapshot_id": digest("t")},
        },
        inside_window=False, outside_window_s=4500,
    )  # fmt: skip
    rows = [
        unread,
        closed(
            "srv-arsip", "foto-kegiatan", personal_data=False, collected_at="2026-11-23T01:10:00Z", recorded_at="2026-11-23T01:10:02Z",
        ),
        failed("srv-pelaporan", "pengaduan", "repository_replaced", params={"repository": "/srv/repo", "found": "0" * 64, "expected": digest("r")}),
        failed("srv-web", "situs", "unreachable", outcome="unreachable", exit_code=None, started_at=None, finished_at=None, duration_ms=None, log=None),
        opened("srv-absensi", "presensi"),
        failed("srv-kepegawaian", "simpeg", "deadline", outcome="missed", params=None, exit_code=None, started_at=None, duration_ms=None, log=None,
               messages=[record.message("start_by_passed", moment="2026-11-22T19:00:00Z")]),
        copied(),
        uncopied("srv-arsip", "foto-kegiatan", "network"),
        opened("srv-absensi", "presensi", kind="copy", repository="offsite"),
        integrity(integrity={"read_data": "3/8", "packs_read": 150, "errors": 0}),
        integrity("srv-pelaporan", outcome="failed", cause="repository_damaged", integrity={"read_data": "full", "packs_read": 318, "errors": 1},
                  messages=[record.message("integrity_failed", count=1)], errors=["pack 5a1f: ciphertext verification failed"], error_count=1),
        retained(),
        refused("srv-pelaporan"),
    ]  # fmt: skip
    for merged in rows:
        merged.update(cycle="weekly", period="2026-W47", backup_type="full" if merged["kind"] == "backup" else None)
    missing = [
        {"server": "srv-simpeg", "dataset": "kepegawaian", "kind": kind, "repository": repository}
        for kind, repository in (("backup", "primary"), ("copy", "offsite"))
    ]
    return checklist(rows, "failed", missing, **{"cycle": "weekly", "period": "2026-W47", **fields})


def failed_checklist(count: int = 40, **fields: Any) -> Document:
    """Returns a checklist of many rows of which every fourth failed."""
    rows = [
        failed(f"srv-{number:02d}", "basis-data", "no_space", params={"place": "/var/cache/restic"})
        if number % 4 == 0
        else closed(f"srv-{number:02d}", "dokumen")
        for number in range(1, count + 1)
    ]
    return checklist(rows, "failed", **fields)


def restore_test_checklist(**fields: Any) -> Document:
    """Returns a form F-02 with a test that held, one that did not, and one of a database."""
    damaged = restored(
        "srv-pelaporan", "pengaduan", outcome="failed", cause="restored_differs", dataset_kind="sqlite", category="kritikal", rto_s=14400, rpo_s=86400
    )
    damaged["restore"] = {
        **damaged["restore"],
        "sample": {"compared": 100, "equal": 97, "different": 2, "missing": 1, "changed_during_backup": 0},
        "files": {"expected": 3120, "restored": 3119},
        "canary": "missing",
        "metadata": {"compared": 100, "different": 3},
        "database": "damaged",
        "rto_met": False,
        "total_ms": 15_000_000,
    }
    damaged["messages"] = [record.message("restored_differs", count=3), record.message("proof_failed", detail="integrity_check: malformed database")]
    damaged["errors"] = ["/srv/pengaduan/pengaduan.sqlite3: SHA-256 differs"]
    rows = [restored(), damaged, restored("srv-web", "situs", rto_s=None, category="pendukung")]
    rows[2]["restore"]["rto_met"] = None
    form = {"code": "F-02", "number": "UP/2026-11/000003", "version": "1"}
    return checklist(rows, "failed", **{"form": form, "cycle": "restore_test", "period": "2026-11", **fields})


def index(**fields: Any) -> Document:
    """Returns an index in which nothing is known yet."""
    return {
        "schema": "sicekat.index/1",
        "generated_at": "2026-11-23T03:00:00Z",
        "language": "id",
        "timezone": "Asia/Jakarta",
        "agency": AGENCY,
        "policy_digest": digest("policy"),
        "status": [],
        "owed": [],
        "repositories": [],
        "objectives": {"rpo_days": 30, "rto_days": 365, "categories": [], "datasets": []},
        "findings": [],
        "storage": [],
        "checklists": [],
        "ledger": {"seq": 0, "hash": "0" * 64, "problems": []},
        "records": [],
        **fields,
    }


def status(server: str, dataset: str, state: str, **fields: Any) -> Document:
    """Returns the status of a data set; a green one has a record of each kind."""
    known = state == "green"
    return {
        "server": server,
        "dataset": dataset,
        "category": "penting",
        "rto_s": 86400,
        "rpo_s": None,
        "state": state,
        "reasons": [],
        "last_success": closed(server, dataset, form_number="CB/2026-11/000022") if known else None,
        "last_backup": closed(server, dataset, form_number="CB/2026-11/000022") if known else None,
        "copies": [{"repository": "offsite", "record": copied(server, dataset) if known else None}],
        "integrity": integrity(server) if known else None,
        "restore_test": restored(server, dataset) if known else None,
        **fields,
    }


def obligation(state: str, server: str = "srv-arsip", dataset: str = "dokumen", **fields: Any) -> Document:
    """Returns an owed run in a state."""
    return {
        "cycle": "daily",
        "period": "2026-11-22",
        "server": server,
        "dataset": dataset,
        "kind": "backup",
        "repository": "primary",
        "state": state,
        "due_at": "2026-11-23T03:00:00Z",
        "record_id": None,
        "form_number": None,
        "outcome": None,
        **fields,
    }


def listed(document: Mapping[str, Any]) -> Document:
    """Returns the entry of a checklist in the index."""
    stem = f"../checklists/{document['period']}/{document['form']['number'].replace('/', '-')}"
    return {
        "number": document["form"]["number"],
        "code": document["form"]["code"],
        "cycle": document["cycle"],
        "period": document["period"],
        "overall": document["overall"],
        "opened_at": document["run"]["opened_at"],
        "counts": document["counts"],
        "files": {kind: f"{stem}.{kind}" for kind in ("json", "html", "pdf")},
    }


def repository(server: str = "srv-arsip", name: str = "primary", read: int = 8, **fields: Any) -> Document:
    """Returns what is known of a repository; with fewer than 8 parts read it is not known to be sound."""
    return {
        "server": server,
        "repository": name,
        "location": "Ruang server, NAS 1",
        "listing": {"listed_at": "2026-11-22T15:10:00Z", "count": 16, "problem": None},
        "integrity": integrity(server, repository=name),
        "coverage": {"read": read, "of": 8, "since": "2026-10-04T15:00:00Z" if read else None},
        "retention": retained(server, repository=name),
        "retention_owed": True,
        **fields,
    }


def finding(kind: str, **fields: Any) -> Document:
    """Returns one finding in a repository."""
    nothing = dict.fromkeys(("snapshot_id", "time", "hostname", "dataset", "form_number", "problem"))
    place = {"server": "srv-pelaporan", "repository": "primary", "listed_at": "2026-11-22T15:10:00Z"}
    return {**nothing, **place, "kind": kind, "tags": [], **fields}


def room(state: str = "green", **fields: Any) -> Document:
    """Returns the measurement of a repository server."""
    return {
        "host": "srv-cadangan",
        "path": "/srv/backup",
        "free_least_bytes": 10 * 2**30,
        "free_bytes": 812_000_000_000,
        "total_bytes": 4_000_000_000_000,
        "clock_skew_s": 0,
        "measured_at": "2026-11-22T15:00:05Z",
        "state": state,
        **fields,
    }


def objectives(is_kept: bool) -> Document:
    """Returns the figures of one category whose RPO and RTO were kept, or not, and of one without objectives."""
    followed = {"server": "srv-arsip", "dataset": "dokumen", "worst_s": 87_300 if is_kept else 176_400, "worst_at": "2026-11-20T15:15:00Z"}
    schedule = {"gap_s": 86_400, "duration_s": 900, "slowest": ["srv-arsip", "dokumen"], "needed_s": 87_300}
    category = {
        "category": "penting", "label": "Penting", "rpo_s": 93_600 if is_kept else 14_400, "rto_s": 86_400,
        "feasibility": {"category": "penting", "label": "Penting", "rpo_s": 93_600 if is_kept else 14_400, **schedule, "feasible": is_kept},
        "rpo": {"kept": 2 if is_kept else 1, "of": 2, "kept_s": 5_184_000 if is_kept else 5_180_000, "period_s": 5_184_000, "points": 60, "worst": followed},
        "rto": {"met": 3 if is_kept else 2, "of": 3, "worst_ms": 912_400},
    }  # fmt: skip
    bare = {"category": "biasa", "label": "Biasa", "rpo_s": None, "rto_s": None, "feasibility": None, "rto": {"met": None, "of": 0, "worst_ms": None}}
    bare["rpo"] = {"kept": None, "of": 1, "kept_s": None, "period_s": 0, "points": 0, "worst": {**followed, "worst_s": None, "worst_at": None}}
    return {"rpo_days": 30, "rto_days": 365, "categories": [category, bare], "datasets": []}


def green_index(**fields: Any) -> Document:
    """Returns an index in which everything is as it should be."""
    return index(
        **{
            "status": [status("srv-arsip", "dokumen", "green"), status("srv-web", "situs", "green")],
            "owed": [obligation("satisfied", record_id="r", form_number="CB/2026-11/000022", outcome="success"), obligation("not_due", period="2026-11-23")],
            "repositories": [repository(), repository(name="offsite", retention=None, retention_owed=False, listing=None), repository("srv-web")],
            "storage": [room()],
            "objectives": objectives(True),
            "checklists": [listed(green_checklist())],
            "ledger": {"seq": 1284, "hash": digest("ledger"), "problems": []},
            "records": green_checklist()["rows"],
            **fields,
        }
    )


def red_index(**fields: Any) -> Document:
    """Returns an index with every kind of trouble."""
    broken = status(
        "srv-pelaporan", "pengaduan", "red", category="kritikal", rpo_s=86400,
        reasons=[record.message("integrity_failed", count=1), record.message("repository_damaged", detail="pack 5a1f")],
        last_backup=failed("srv-pelaporan", "pengaduan", "repository_damaged", params={"detail": "pack 5a1f"}),
    )  # fmt: skip
    return green_index(
        **{
            "status": [status("srv-arsip", "dokumen", "green"), status("srv-absensi", "presensi", "unknown"), broken],
            "owed": [
                obligation("satisfied", outcome="success", form_number="CB/2026-11/000022"),
                *(obligation(state, "srv-pelaporan", "pengaduan") for state in ("failed", "open", "late", "missed")),
            ],
            "repositories": [
                repository(),
                repository("srv-pelaporan", read=3, retention=refused("srv-pelaporan")),
                repository(
                    "srv-absensi",
                    "offsite",
                    read=0,
                    integrity=None,
                    retention=None,
                    listing={"listed_at": "2026-11-22T15:10:00Z", "count": 0, "problem": record.message("no_listing")},
                ),
            ],
            "objectives": objectives(False),
            "findings": [
                finding(
                    "unclaimed",
                    snapshot_id=digest("planted"),
                    time="2026-11-22T02:00:00.123456789+07:00",
                    hostname="entah",
                    tags=["sicekat", "dataset=pengaduan"],
                ),
                finding("vanished", snapshot_id=digest("gone"), time="2026-11-20T15:00:12Z", dataset="pengaduan", form_number="CB/2026-11/000020"),
                finding("unlisted", server="srv-absensi", repository="offsite", problem=record.message("no_listing")),
            ],
            "storage": [
                room(),
                room("red", host="srv-arsip-2", free_bytes=2**30),
                room("unknown", host="srv-baru", free_bytes=None, total_bytes=None, clock_skew_s=None, measured_at=None),
            ],
            "checklists": [listed(green_checklist()), listed(partial_checklist()), listed(restore_test_checklist())],
            "ledger": {"seq": 1284, "hash": digest("ledger"), "problems": [[17, record.message("ledger_entry_altered")]]},
            **fields,
        }
    )
