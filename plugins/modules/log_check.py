#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: log_check
short_description: Judge a backup by its log and by the good backups before it
version_added: 0.3.0
description:
  - Applies the rules of the automatic log check (stage 1 of the verification) to one closed record of M(sicekat.backup.backup) and its whole log.
  - Looks at the exit code, at every line of both streams, at the summary, at source errors, and compares files, bytes, rows, newest data and duration
    with the good backups before it (median and median absolute deviation).
  - A log that is missing, or has another digest than the record names, is never passed.
  - Reads no file and asks no host; nothing is changed.
options:
  record:
    description:
      - The closed record, with what its open record said of C(server), C(dataset), C(dataset_kind), C(backup_type) and C(rpo_s) where these are to count.
    type: dict
    required: true
  log:
    description: The whole log, with the digest that the record names.
    type: str
  history:
    description: Good backups of the same data set, oldest first.
    type: list
    elements: dict
    default: []
    suboptions:
      backup_type:
        description: Type of the backup, by which durations are compared.
        type: str
      files:
        description: Number of files.
        type: int
      bytes:
        description: Size of the data.
        type: int
      rows:
        description: Number of rows of a database.
        type: int
      duration_ms:
        description: Duration in milliseconds.
        type: int
      newest_data_at:
        description: Time of the newest data inside (RFC 3339).
        type: str
  newest_data:
    description: Whether the data set has a query for its newest row, which is then held against C(rpo_s) of the record.
    type: bool
    default: false
  accepted_by:
    description: Who accepted that the data set changed much; what would fail for this reason is then a warning.
    type: str
  ruleset:
    description: Version of the rules.
    type: str
    choices: ['1']
    default: '1'
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
  idempotent:
    support: full
author:
  - SI CEKAT contributors (@sicekat)
extends_documentation_fragment:
  - sicekat.backup.attributes
"""

EXAMPLES = r"""
- name: Judge a backup that was made before
  sicekat.backup.log_check:
    record: "{{ made.records[0] | combine({'dataset_kind': 'sqlite', 'backup_type': 'incremental'}) }}"
    log: "{{ lookup('ansible.builtin.file', '/var/lib/si-cekat-server/logs/trial-0001.log', rstrip=false) }}"
    history:
      - {backup_type: incremental, files: 1, bytes: 40960, rows: 120, duration_ms: 900, newest_data_at: '2026-11-21T15:00:00Z'}
"""

RETURN = r"""
log_check:
  description:
    - The verdict as a record holds it, C(ruleset), C(result) (V(passed), V(warning) or V(failed)) and C(checks), each with C(check), C(result), C(found),
      C(expected) and, where a person accepted a change, C(accepted_by). The result of a check that had no history to compare with is V(none).
  returned: success
  type: dict
outcome:
  description: Outcome that the record has to take, null where its own may stay.
  returned: success
  type: str
cause:
  description: Cause that goes with RV(outcome).
  returned: success
  type: str
messages:
  description: What is wrong, in English.
  returned: success
  type: list
  elements: str
warnings_of_log:
  description: Lines of the log that a person has to read.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.sicekat.backup.plugins.module_utils import log_check, log_lines
from ansible_collections.sicekat.backup.plugins.module_utils.messages import english

_HISTORY = {"backup_type": "str", "files": "int", "bytes": "int", "rows": "int", "duration_ms": "int", "newest_data_at": "str"}


def main():
    """Runs the module."""
    module = AnsibleModule(
        argument_spec={
            "record": {"type": "dict", "required": True},
            "log": {"type": "str"},
            "history": {"type": "list", "elements": "dict", "default": [], "options": {name: {"type": kind} for name, kind in _HISTORY.items()}},
            "newest_data": {"type": "bool", "default": False},
            "accepted_by": {"type": "str"},
            "ruleset": {"type": "str", "choices": [log_check.RULESET], "default": log_check.RULESET},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        log = params["log"] if log_lines.is_whole(params["log"], params["record"]) else None
        verdict = log_check.judge(params["record"], log, params["history"], params["newest_data"], params["accepted_by"])
    except (AttributeError, TypeError, ValueError) as error:
        module.fail_json(msg="The record or its history is not of the form that the modules of this collection give: %s" % error)
    module.exit_json(
        changed=False,
        log_check=verdict.log_check,
        outcome=verdict.outcome,
        cause=verdict.cause,
        messages=[english(one) for one in verdict.messages],
        warnings_of_log=verdict.warnings,
    )


if __name__ == "__main__":
    main()
