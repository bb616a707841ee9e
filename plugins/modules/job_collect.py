#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: job_collect
short_description: Collect the results of jobs
version_added: 0.2.0
description:
  - Tells what became of jobs that other modules of this collection were given with their option O(ignore:job), and returns their results.
  - Nothing is waited for and nothing is removed; results that are older than a month are removed by the jobs that come after them.
options:
  jobs:
    description: Ids of the jobs.
    type: list
    elements: str
    required: true
  server_dir:
    description: Directory on the server that holds the results of jobs.
    type: path
    default: /var/lib/si-cekat-server
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
- name: Look for the result of a backup whose connection broke
  sicekat.backup.job_collect:
    jobs: [run-17-backup]
"""

RETURN = r"""
jobs:
  description:
    - For each job its C(state), which is V(running), V(done), V(lost) or V(unknown), and its C(result), or null where there is none.
    - V(lost) means that the worker died before it left a result, so what it did is not known.
    - V(unknown) means that it was never begun.
  returned: always
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.sicekat.backup.plugins.module_utils.arguments import ENGINE
from ansible_collections.sicekat.backup.plugins.module_utils.jobs import collect
from ansible_collections.sicekat.backup.plugins.module_utils.workspace import Workspace


def main():
    """Runs the module."""
    module = AnsibleModule(
        argument_spec={"jobs": {"type": "list", "elements": "str", "required": True}, "server_dir": ENGINE["server_dir"]}, supports_check_mode=True
    )
    workspace = Workspace(module.params["server_dir"])
    module.exit_json(changed=False, jobs={job: collect(job, workspace) for job in module.params["jobs"]})


if __name__ == "__main__":
    main()
