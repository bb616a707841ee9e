# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""From Ansible's variables to the policy: the only place that knows how host variables are read.

Note that this plugin util is private to the collection.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from ansible.errors import AnsibleError

from ansible_collections.sicekat.backup.plugins.plugin_utils import policy as policies
from ansible_collections.sicekat.backup.plugins.plugin_utils.control import Speaker
from ansible_collections.sicekat.backup.plugins.plugin_utils.run_messages import RUN_MESSAGES

PREFIX = "backup_"
_ADDRESS = "ansible_host"  # where a repository server is reached, unless its own settings say otherwise


def backup_variables(variables: Mapping, host: str) -> dict:
    """Returns the templated backup_* variables of a host, and its address, as plain Python values."""
    found = {}
    for name in variables:
        if not str(name).startswith(PREFIX) and name != _ADDRESS:
            continue
        try:
            # A round trip through JSON takes off the tags that ansible-core 2.19 puts on values, and decrypts vaulted ones.
            found[str(name)] = json.loads(json.dumps(variables[name], default=str))
        except AnsibleError as error:
            raise AnsibleError(RUN_MESSAGES["run_variable_unreadable"].format(host=host, variable=name, detail=error.message)) from None
    return found


def resolve_policy(task_vars: Mapping) -> dict:
    """Returns the policy of the whole inventory, also of hosts that --limit leaves out; raises AnsibleError with every mistake."""
    hostvars = task_vars["hostvars"]
    hosts = {str(host): backup_variables(hostvars[host], str(host)) for host in task_vars["groups"]["all"]}
    try:
        return policies.resolve(hosts)
    except policies.PolicyError as error:
        say = Speaker(_language(hosts)).message
        lines = [say(error.message), *(problem.text(say) for problem in error.problems)]
        raise AnsibleError("\n".join(lines)) from None


def _language(hosts: Mapping[str, Mapping]) -> str:
    """Returns the language in which mistakes are told: the inventory's, as far as it can be known from a faulty one."""
    return "en" if any(variables.get("backup_language") == "en" for variables in hosts.values()) else "id"
