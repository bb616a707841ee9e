# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A test bed of real hosts: Debian 12 and 13 machines that boot in seconds on this machine, and the faults that tests put to them.

A bed is a directory. Everything that it makes elsewhere carries a name that is derived from the directory's path, so that beds of
several checkouts stand side by side and `destroy` finds what a killed run has left. Needs root; standard library only.
"""

from testbed.bed import Bed
from testbed.system import BedError

__all__ = ["Bed", "BedError"]
