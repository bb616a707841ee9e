# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restored copy has to prove: every file as the repository lists it, the evidence of backup time, and what the data set is asked.

Note that this module util is private to the collection.
"""

from __future__ import annotations

from ansible_collections.sicekat.backup.plugins.module_utils import assertions, record
from ansible_collections.sicekat.backup.plugins.module_utils import manifest as manifests
from ansible_collections.sicekat.backup.plugins.module_utils import proof as proofs
from ansible_collections.sicekat.backup.plugins.module_utils.bundle import Bundle
from ansible_collections.sicekat.backup.plugins.module_utils.programs import ProgramError
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import Copy, Finding, SourceError, failure_of
from ansible_collections.sicekat.backup.plugins.module_utils.sources.kinds import source_for


class Refused(Exception):
    """A restore that cannot be done or does not count. Attributes: cause and message, as in a record; finding: a source's Finding or None."""

    def __init__(self, cause, message, finding=None):
        super().__init__(cause)
        self.cause = cause
        self.message = message
        self.finding = finding


def require_manifest(job):
    if job.manifest is None or manifests.digest(job.manifest) != job.manifest_sha256:
        raise Refused("no_evidence", record.message("no_evidence_manifest"))


def prove_files(job, root, nodes, proof):
    """Compares what lies below root (bytes) with what the repository lists and what backup time noted. Raises Refused for the first that does not hold."""
    proofs.compare_tree(proof, root, nodes)
    if not proof.files["restored"]:
        raise Refused("nothing_restored", record.message("nothing_restored"))
    # In an emergency the data come first: a restore for a person is refused for a lost manifest only after it is done.
    require_manifest(job)
    if job.bundle:
        _prove_bundle(job, root, proof)
    else:
        proofs.find_canary(proof, root, job.manifest["canary"], job.manifest["nonce"])
        proofs.compare_sample(proof, root, nodes, job.manifest)
    if proof.different:
        raise Refused("restored_differs", record.message("restored_differs", count=proof.different))
    if proof.canary != "found":
        raise Refused("no_evidence", record.message("no_evidence_canary"))
    if not proof.sample["compared"] and proof.files["restored"] > 1:  # one is the canary
        raise Refused("no_evidence", record.message("no_evidence_sample"))


def _prove_bundle(job, root, proof):
    """Compares every byte of a bundle with what passed at backup time; its canary is a member."""
    problem = Bundle(root.decode() + job.manifest["paths"][0], job.bundle).problem(job.manifest["nonce"])
    proof.sample["compared"] += 1
    proof.sample["different" if problem else "equal"] += 1
    proof.canary = "missing" if problem else "found"
    if problem:
        proof.differs(job.manifest["paths"][0], problem)


def prove_data(job, workspace, target, clock, proof, scratch):
    """Lets the source examine the copy and returns its Finding; a throw-away server is started for a test only. Raises Refused for a damaged one."""
    source = source_for(job.dataset, workspace)
    if source.is_stream and not scratch:
        return Finding("none")
    manifest = job.manifest
    bundle = Bundle(target + manifest["paths"][0], job.bundle) if job.bundle else None
    try:
        finding = source.prove(Copy(target, manifest["paths"], manifest["evidence"], bundle, clock, workspace))
    except SourceError as error:
        raise Refused(error.cause, error.message) from None
    except ProgramError as error:
        failure = failure_of(error)
        raise Refused(failure.cause, failure.message) from None
    if finding.state == "damaged" or any(one["result"] != "passed" for one in finding.assertions):
        proof.different += 1
        raise Refused("restored_differs", record.message("proof_failed", detail=finding.reason or assertions.problem(finding.assertions)), finding)
    missing = len(job.dataset.get("assertions") or ()) - len(finding.assertions)
    if missing or (source.is_stream and finding.state != "sound"):
        raise Refused("no_evidence", record.message("no_evidence_questions", count=missing), finding)
    return finding
