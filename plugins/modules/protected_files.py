#!/usr/bin/python
# SPDX-FileCopyrightText: SI CEKAT contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: protected_files
short_description: Write small files that hold secrets
version_added: 0.2.0
description:
  - Writes several files in one call, each so that readers see its old or its new content and never a part.
  - A file has no wider mode than the wanted one at any moment; its content shows in no log, no diff and no result.
  - A path that is a symbolic link is replaced by a file, so that nobody else decides where a secret is written.
options:
  files:
    description: The files, in the order in which they are written.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path; its directory must exist.
        type: path
        required: true
      owner:
        description: Name of the user that owns the file.
        type: str
        default: root
      group:
        description: Name of the group of the file.
        type: str
        default: root
      mode:
        description: Permissions as octal digits.
        type: str
        default: "0600"
      state:
        description: Whether the file is there.
        type: str
        choices: [file, absent]
        default: file
  contents:
    description:
      - Text of each file, by its path. Required for each path that is not V(absent).
      - Apart from O(files), because what a list holds reaches the host's log where a secret has more than one line.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
author:
  - SI CEKAT contributors (@sicekat)
extends_documentation_fragment:
  - sicekat.backup.attributes
"""

EXAMPLES = r"""
- name: Write a password file
  sicekat.backup.protected_files:
    files:
      - path: /etc/si-cekat/password
    contents:
      /etc/si-cekat/password: "{{ password }}"
"""

RETURN = r"""
changed_paths:
  description: Paths of the files that were written, corrected or removed, or would be in check mode.
  returned: success
  type: list
  elements: str
"""

import contextlib
import grp
import os
import pwd
import stat
import tempfile

from ansible.module_utils.basic import AnsibleModule

FILE = {
    "path": {"type": "path", "required": True},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str", "default": "0600"},
    "state": {"type": "str", "choices": ["file", "absent"], "default": "file"},
}


def bring_about(file, content, check_mode):
    """Makes a file as it is described (a dict as in FILE, and its text) and returns whether something differed.

    Raises OSError, LookupError or ValueError.
    """
    path = file["path"]
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        status = None
    if status and stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(21, "it is a directory", path)
    if file["state"] == "absent":
        if status and not check_mode:
            os.unlink(path)
        return status is not None
    if not isinstance(content, str):
        raise ValueError("no text was given for it")
    wanted = content.encode("utf-8")
    mode = int(file["mode"], 8)
    try:
        ids = pwd.getpwnam(file["owner"]).pw_uid, grp.getgrnam(file["group"]).gr_gid
    except KeyError:
        if check_mode:
            return True  # an earlier task would have made the user
        raise LookupError("the user %s or the group %s does not exist" % (file["owner"], file["group"])) from None
    if status and stat.S_ISREG(status.st_mode) and (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (mode,) + ids and _content(path) == wanted:
        return False
    if not check_mode:
        _replace(path, wanted, mode, ids)
    return True


def _content(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def _replace(path, content, mode, ids):
    """Writes a file beside the old one, which no one else may open until it has its owner, and puts it in the old one's place."""
    directory = os.path.dirname(path)
    descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=".new-")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchown(file.fileno(), *ids)
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def main():
    """Runs the module."""
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True, "options": FILE},
            "contents": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    changed = []
    for file in module.params["files"]:
        try:
            if bring_about(file, module.params["contents"].get(file["path"]), module.check_mode):
                changed.append(file["path"])
        except OSError as error:
            module.fail_json(msg="The file %s was not written: %s. Files before it in the list were." % (file["path"], error.strerror), changed=bool(changed))
        except (LookupError, ValueError) as error:
            module.fail_json(msg="The file %s was not written: %s. Files before it in the list were." % (file["path"], error), changed=bool(changed))
    module.exit_json(changed=bool(changed), changed_paths=changed)


if __name__ == "__main__":
    main()
