# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing what people read: the checklist of a run and the index, always derived from the ledger, never the source.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from pathlib import Path

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import assessment, documents
from ansible_collections.sicekat.backup.plugins.plugin_utils.ledger import Ledger

# The gate reads this much further back than the index looks, and no further, so that its cost does not grow with the age of
# the ledger; report.yml reads everything.
_MARGIN = datetime.timedelta(days=5)
_RARE = ("integrity_check", "restore_test", "restore")


class Archive:
    """The ledger read once, and the documents of a state directory.

    complete: read every record ever written, not only the recent ones and, from before, the newest of each kind and all of the
    rare ones: a failed check stays open to doubt until its own part is read again, and a restore may be tested once a year.
    """

    def __init__(self, ledger: Ledger, state_dir: Path, complete: bool) -> None:
        self.ledger = ledger
        self.state_dir = state_dir
        self.runs = ledger.runs()
        policies = list(ledger.policies())
        self._policies = {entry.data["digest"]: entry.data["policy"] for entry in policies}
        self._in_force = [(entry.at, entry.data["policy"]) for entry in policies]
        # Every record that was opened at or after this is known.
        self._since = "" if complete else record.to_text(record.utc_now() - assessment.look_back(self._in_force) - _MARGIN)
        self.records = list(ledger.records()) if complete else self._recent()
        self._by_run: dict[str, list[dict]] = {}
        for one in self.records:
            self._by_run.setdefault(one["run_id"], []).append(one)

    def _recent(self) -> list[dict]:
        rare = [one for kind in _RARE for one in self.ledger.records(kind=kind) if one["opened_at"] < self._since]
        others = [one for one in self.ledger.newest_before(self._since) if one["kind"] not in _RARE]
        return [*rare, *others, *self.ledger.records(since=self._since)]

    def policy(self, digest: str) -> dict:
        """Returns a policy that the ledger holds."""
        return self._policies[digest]

    def checklist(self, run: Mapping) -> dict:
        """Returns the checklist document of a run: its own records as they are now, all else as of the run's own end."""
        closed = run.get("closed") or {}
        until = closed.get("closed_at") or record.to_text(record.utc_now())
        tests = [one for one in self.records if one["kind"] == "restore_test" and one["outcome"] and one["finished_at"] <= until]
        covered = {
            (one["server"], one["kind"], one["dataset"], one["repository"])
            for one in self.records
            if (one["cycle"], one["period"], one["outcome"]) == (run["cycle"], run["period"], "success") and one["finished_at"] <= until
        }
        rows = self._by_run.get(run["run_id"], [])
        return assessment.checklist(run, rows, tests, self._policies[run["policy_digest"]], covered, self._head(closed, rows))

    def _head(self, closed: Mapping, rows: Iterable[Mapping]) -> dict:
        """Returns the head that a run's form names: that of its closing, or of the first closing after its last record was closed."""
        recorded = max((one["recorded_at"] or "" for one in rows), default="")
        if not closed:
            return self.ledger.head()
        if recorded <= closed["closed_at"]:
            return closed["ledger"]
        # Not in the same second, in which that run may have been closed before the record was.
        later = [run["closed"] for run in self.runs if run["closed"] and run["closed"]["closed_at"] > recorded]
        return min(later, key=lambda one: one["closed_at"])["ledger"] if later else self.ledger.head()

    def write_checklist(self, checklist: Mapping) -> dict[str, Path]:
        """Writes a checklist as JSON, HTML and PDF and returns the paths."""
        return documents.write_checklist(checklist, self._folder(checklist))

    def _folder(self, run: Mapping) -> Path:
        return self.state_dir / "checklists" / run["period"]

    def write_index(self, policy: Mapping, digest: str, moment: datetime.datetime) -> tuple[dict, Path]:
        """Writes the index of everything and returns (document, path of index.html)."""
        problems = self.ledger.verify()
        notes = (listings(self.ledger, policy), measurements(self.ledger, policy))
        index = {
            "schema": "sicekat.index/1", "generated_at": record.to_text(moment), "policy_digest": digest,
            **{key: policy[key] for key in ("language", "timezone", "agency")},
            **assessment.index(policy, self._in_force, self.records, moment, pins(self.ledger, policy), problems, *notes),
            "checklists": [self._listed(run) for run in reversed(self.runs) if run["closed"]],
            "records": self.records,
            "ledger": {**self.ledger.head(), "problems": problems},
        }  # fmt: skip
        return index, documents.write_index(index, self.state_dir / "reports")["html"]

    def _listed(self, run: Mapping) -> dict:
        """Returns the index's entry of a closed run, and writes its checklist where it is missing or no longer what the ledger holds.

        A record never changes once it is closed, so only a run that was closed with open records, or by a sweep, can have moved on.
        """
        closed = told = run["closed"]
        is_known = run["run_id"] in self._by_run and run["opened_at"] >= self._since
        has_moved = bool(closed["counts"]["open"] or closed.get("swept"))
        stem = run["form_number"].replace("/", "-")
        if is_known and (has_moved or not (self._folder(run) / f"{stem}.pdf").exists()):
            told = self.checklist(run)
            if not documents.is_written(told, self._folder(run)):
                self.write_checklist(told)
        elif has_moved:
            counts = assessment.count(list(self.ledger.records(run_id=run["run_id"])), closed["counts"]["expected"], closed["counts"]["not_covered"])
            told = {"overall": assessment.overall(counts), "counts": counts}
        return {
            "number": run["form_number"], "code": assessment.FORMS[run["cycle"]],
            **{key: run[key] for key in ("cycle", "period", "opened_at")}, **{key: told[key] for key in ("overall", "counts")},
            "files": {suffix: f"../checklists/{run['period']}/{stem}.{suffix}" for suffix in ("json", "html", "pdf")},
        }  # fmt: skip


def pins(ledger: Ledger, policy: Mapping) -> dict[tuple[str, str], str]:
    """Returns (server, repository) -> the id of the repository that belongs to it today, for each one that was deployed."""
    places = [(name, repository) for name, server in policy["servers"].items() for repository in server["repositories"]]
    return {place: pinned["repository_id"] for place in places if (pinned := ledger.pinned_repository(*place))}


def listings(ledger: Ledger, policy: Mapping) -> list[dict]:
    """Returns the newest listing of each repository of the policy that was ever asked what is in it."""
    places = [(name, repository) for name, server in policy["servers"].items() for repository in server["repositories"]]
    return [listing for place in places if (listing := ledger.newest("repository_listed", *place))]


def measurements(ledger: Ledger, policy: Mapping) -> list[dict]:
    """Returns the newest measurement of each repository server of the policy that was ever measured."""
    return [measured for host in policy["repository_servers"] if (measured := ledger.newest("storage_measured", host))]


def not_green(checklist: Mapping) -> Iterable[Mapping]:
    """Returns the rows of a checklist that are not proved successes."""
    return [row for row in checklist["rows"] if row.get("outcome") != "success"]
