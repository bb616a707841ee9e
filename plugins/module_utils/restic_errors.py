# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What restic's exit codes and texts mean, by version.

Exit codes 10 (no repository) and 11 (locked) exist since restic 0.17.0, 12 (wrong password) since 0.17.1; older versions
end with 1 for all of them, so that only the text tells. Any code that is not known here is a failure
(restic's scripting manual demands it).

Note that this module util is private to the collection.
"""

from __future__ import annotations

import json
import re

from ansible_collections.sicekat.backup.plugins.module_utils import record

EXIT_PARTIAL = 3
_EXIT_CAUSES = {10: "repository_missing", 11: "repository_locked", 12: "wrong_password"}

# First match wins; the texts are those of restic 0.14 to 0.18.
_TEXT_CAUSES = (
    ("credential", r"\((401|403)\)|request signature|access key id you provided|access denied"),
    ("wrong_password", r"wrong password or no key found"),
    ("repository_locked", r"repository is already locked"),
    ("no_space", r"no space left on device|disk quota exceeded|\((413|507)\)"),
    ("repository_missing", r"repository does not exist|unable to open config file|is there a repository at"),
    ("permission", r"permission denied|operation not permitted"),
    (
        "network",
        r"connection refused|no such host|i/o timeout|network is unreachable|no route to host"
        r"|x509:|tls handshake|server response unexpected: 5\d\d|unexpected HTTP response \(5\d\d\)"
        r"|connection (reset|timed out|closed)|broken pipe|error talking HTTP to rclone|unable to start the sftp session",
    ),
    ("snapshot_missing", r"no matching id found|failed to find snapshot|no snapshot found"),
    (
        "repository_damaged",
        r"ciphertext verification failed|does not match|pack file .* not found|invalid (data|index)"
        r"|unexpected eof|is damaged|content hash|/(data|index|snapshots)/\S+: no such file or directory|<(data|index|snapshot)/\w+> does not exist",
    ),
)
# To the last "@", because a password may hold one, or a slash.
# The user name alone of ssh and sftp is no secret.
_USERINFO = re.compile(r"(?<=://)(?!(?:(?<=ssh://)|(?<=sftp://))[\w.-]+@)[^\s\"']*(?=@)")
_HOLDER = re.compile(r"locked(?: exclusively)? by (PID \d+ on \S+)")


# restic tries again for 44 s (0.14) to 15 minutes (0.18), but these answers of a server do not change in that time.
_HOPELESS = re.compile(r"returned error, retrying after .*\((401|403|413|507)\)")
_REFUSED_REMOVAL = re.compile(r"unable to remove|Remove\(.*\) (failed|returned error)|403 Forbidden|unexpected HTTP response \(403\)", re.IGNORECASE)


class ResticError(Exception):
    """A restic call that did not do its work.

    Attributes: cause (one of record.CAUSES), message (a record's message), exit_code (int or None).
    """

    def __init__(self, cause, message, exit_code=None):
        super().__init__(cause)
        self.cause = cause
        self.message = message
        self.exit_code = exit_code


def guarded(work):
    """Calls work() where one failure must not stop other work. Returns (its result or None, cause or None, message or None)."""
    try:
        return work(), None, None
    except ResticError as error:
        return None, error.cause, error.message
    except Exception as error:  # a defect of ours
        return None, "internal", record.message("internal", detail="%s: %s" % (type(error).__name__, error))


def redact(text, secrets=()):
    """Returns text without the given secrets and without the user part of any URL."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return _USERINFO.sub("***", text)


def stderr_text(line):
    """Returns the readable text of one line that restic wrote to its standard error, JSON or not."""
    try:
        event = json.loads(line)
    except ValueError:
        return line
    if not isinstance(event, dict):
        return line
    if event.get("message_type") == "error":
        error = event.get("error")
        detail = error.get("message") or "%s: errno %s" % (error.get("Op", "error"), error.get("Err")) if isinstance(error, dict) else str(error)
        return "%s: %s" % (event.get("item", ""), detail)
    return str(event.get("message", line))


def item_of(line):
    """Returns the file that a JSON error line is about, or None."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    if isinstance(event, dict) and event.get("message_type") == "error":
        return event.get("item") or None
    return None


def classify(exit_code, stderr, repository, timed_out=None):
    """Returns the ResticError for a call that failed.

    exit_code: int, negative for a signal. stderr: list of text lines, redacted. repository: printable location.
    timed_out: the limit in seconds when we stopped restic ourselves.
    """
    if timed_out is not None:
        return ResticError("timeout", record.message("timeout", seconds=timed_out), exit_code)
    if exit_code < 0:
        return ResticError("killed", record.message("killed", signal=-exit_code), exit_code)
    texts = [stderr_text(line) for line in stderr if line.strip()]
    whole = "\n".join(texts)
    # What ended the call stands in the line that says so; other lines may tell of files that could not be read.
    fatal = next((text for text in texts if text.startswith("Fatal:")), "")
    hopeless = next((text for text in texts if is_hopeless(text)), "")  # after this one we stopped restic ourselves
    cause = _EXIT_CAUSES.get(exit_code)
    if cause is None:
        cause = _cause_of(hopeless) or _cause_of(fatal) or _cause_of(whole) or "other"
    detail = (hopeless or fatal or (texts[-1] if texts else "no message"))[:500]
    if cause == "repository_locked":
        holder = _HOLDER.search(whole)
        return ResticError(cause, record.message(cause, holder=holder.group(1) if holder else detail), exit_code)
    params = {
        "wrong_password": {"repository": repository},
        "credential": {"address": repository, "detail": detail},
        "repository_missing": {"repository": repository},
        "no_space": {"place": repository},
        "snapshot_missing": {"snapshot": detail},
        "other": {"exit_code": exit_code, "detail": detail},
    }.get(cause, {"detail": detail})
    return ResticError(cause, record.message({"credential": "credential_refused"}.get(cause, cause), **params), exit_code)


def is_hopeless(line):
    """Returns whether restic says in this line that it will repeat what the server has refused."""
    return bool(_HOPELESS.search(line))


def refuses_removal(lines):
    """Returns whether restic says that the repository would not let it remove something, whatever its exit code."""
    return any(_REFUSED_REMOVAL.search(line) for line in lines)


def _cause_of(text):
    return next((name for name, pattern in _TEXT_CAUSES if re.search(pattern, text, re.IGNORECASE)), None)
