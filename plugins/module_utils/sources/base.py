# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all sources share.

Note that this module util is private to the collection.
"""

from __future__ import annotations

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.programs import ProgramError
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import os_failure

DUMP_LIMIT_S = 12 * 3600


class SourceError(Exception):
    """A source that cannot be backed up. Attributes: cause (of record.CAUSES) and message (a record's message)."""

    def __init__(self, cause, code=None, **params):
        super().__init__(cause)
        self.cause = cause
        self.message = record.message(code or cause, **params)


def failure_of(error):
    """Returns the SourceError of a ProgramError."""
    code = {"missing": "program_missing", "user": "program_user", "timeout": "program_timeout"}.get(error.reason, "program_failed")
    cause = "timeout" if error.reason == "timeout" else "source_invalid"
    return SourceError(cause, code, program=error.program, exit_code=error.exit_code or 0, detail=error.detail)


class Part:
    """One member of a bundle: what one program prints.

    name: file name. program: programs.Program. watch(bytes) sees each piece as it passes. finish(count, stderr) is called after the
    program ended with 0, with the number of bytes and what it said; it raises SourceError if the part is not whole.
    """

    def __init__(self, name, program, watch=None, finish=None, limit_s=DUMP_LIMIT_S):
        self.name = name
        self.program = program
        self.watch = watch or (lambda piece: None)
        self.finish = finish or (lambda count, stderr: None)
        self.limit_s = limit_s


class Finding:
    """What a source says of a restored copy.

    state: "sound", "damaged", or "none" where the files are all there is. reason: text for "damaged". rows: int or None. assertions:
    list of {"name", "query", "wanted", "found", "result"}.
    """

    def __init__(self, state, reason="", rows=None, assertions=()):
        self.state = state
        self.reason = reason
        self.rows = rows
        self.assertions = list(assertions)


class Source:
    """dataset: dict of the policy. workspace: the server's Workspace.

    A source either has `paths` that restic takes as they lie, or is a stream (`is_stream`), whose `parts` go into one bundle. `warnings`
    are printable lines for the record.
    """

    is_stream = False

    def __init__(self, dataset, workspace):
        self.dataset = dataset
        self.workspace = workspace
        self.warnings = []

    def examine(self):
        """Refuses a source that cannot be backed up by raising SourceError; changes nothing."""

    def prepare(self):
        """Examines the source and makes what is needed to read it consistently; raises SourceError."""
        self.examine()

    def problem(self):
        """Returns the message that keeps the source from being backed up, or None."""
        try:
            self.examine()
        except SourceError as error:
            return error.message
        except ProgramError as error:
            return failure_of(error).message
        except OSError as error:
            return os_failure(error, self.workspace.root)[1]
        return None

    def paths(self):
        """Returns the absolute paths that restic takes."""
        return list(self.dataset["paths"])

    def parts(self):
        """Yields the Parts of a stream, each of which is read to its end before the next; may be called again from the beginning."""
        raise NotImplementedError

    def size_estimate(self):
        """Returns how many bytes a stream will have at most, for the space that a spool needs, or None if nobody can tell."""
        return None

    def evidence(self):
        """Returns what a restored copy must match beside its files (JSON-able), or None; of a stream, after it was read."""
        return None

    def newest_ns(self):
        """Returns the time of the newest data in nanoseconds since 1970 where the source knows it better than the files' times, or None."""
        return None

    def clean(self):
        """Removes what prepare() made."""

    def prove(self, copy):
        """Examines a restored Copy and returns a Finding."""
        return Finding("none")

    def load(self, copy, database, stamp, replace):
        """Loads a restored Copy into the server's own engine, for a real restore.

        database: name to create. stamp: text for the name of what is kept. replace: what is there may be moved aside. Returns where
        that is kept as text, or None. Raises SourceError. Only engines that can do it have this.
        """
        raise SourceError("target_unusable", "target_no_engine", dataset=self.dataset["name"], kind=self.dataset["kind"])


class Copy:
    """A data set as it was restored: what prove() and load() work with.

    root: directory below which the snapshot lies, without a slash at its end. paths, evidence: what backup time noted. bundle: bundle.Bundle
    or None. clock: phase("load"|"prove") is a context manager. workspace: its instance(user) gives a directory of an OS user. The
    data set's own `assertions` are in the source.
    """

    def __init__(self, root, paths, evidence, bundle, clock, workspace):
        self.root = root
        self.paths = paths
        self.evidence = evidence
        self.bundle = bundle
        self.clock = clock
        self.workspace = workspace
