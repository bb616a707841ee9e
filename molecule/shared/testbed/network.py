# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bed's own bridge and subnet, its way out, and the faults of lines."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable
from pathlib import Path

from testbed.system import BedError, locked, run

RUN = Path("/run/sicekat-testbed")  # what the beds of all checkouts on this machine share
# What hosts need of this machine's kernel while there are any: a way out, and for each systemd a dozen of inotify's instances.
_SETTINGS = {Path("/proc/sys/net/ipv4/ip_forward"): 1, Path("/proc/sys/fs/inotify/max_user_instances"): 4096}
_FIRST = ipaddress.ip_network("10.64.0.0/10")  # where subnets are taken from
_RULES = """
table ip {name} {{
  chain postrouting {{ type nat hook postrouting priority srcnat; ip saddr {subnet} ip daddr != {subnet} masquerade; }}
}}
table bridge {name} {{
  set lines {{ type ifname; }}
  set pairs {{ type ipv4_addr . ipv4_addr; }}
  chain input {{ type filter hook input priority 0; iifname @lines drop; ip saddr . ip daddr @pairs drop; }}
  chain output {{ type filter hook output priority 0; oifname @lines drop; ip saddr . ip daddr @pairs drop; }}
  chain forward {{ type filter hook forward priority 0; iifname @lines drop; oifname @lines drop; ip saddr . ip daddr @pairs drop; }}
}}
"""


class Network:
    """The bridge `name` with the address .1 of its subnet; `name` is at most 12 characters."""

    def __init__(self, name: str) -> None:
        self.name = name

    def make(self, taken: Callable[[ipaddress.IPv4Network], None]) -> None:
        """Takes a free subnet, which is handed to `taken` before anything is made, and lets its hosts out."""
        with locked(RUN / "lock"):
            subnet = _free()
            taken(subnet)
            users = RUN / "networks"
            users.mkdir(exist_ok=True)
            if not any(users.iterdir()):
                for path in _SETTINGS:
                    (RUN / path.name).write_text(path.read_text())
            (users / self.name).touch()
            for path, least in _SETTINGS.items():
                path.write_text(str(max(least, int(path.read_text()))))
            run("ip", "link", "add", self.name, "type", "bridge")
            run("ip", "address", "add", f"{subnet[1]}/{subnet.prefixlen}", "dev", self.name)
            run("ip", "link", "set", self.name, "up")
            run("nft", "-f", "-", data=_RULES.format(name=self.name, subnet=subnet))

    def remove(self) -> None:
        """Removes what `make` has made, whole or not; the last network gives the kernel's settings back as they were found."""
        with locked(RUN / "lock"):
            for family in ("ip", "bridge"):
                if run("nft", "list", "table", family, self.name, check=False).returncode == 0:
                    run("nft", "delete", "table", family, self.name)
            remove_link(self.name)
            mine = RUN / "networks" / self.name
            if mine.exists():
                mine.unlink()
                if not any(mine.parent.iterdir()):
                    for path in _SETTINGS:
                        path.write_text((RUN / path.name).read_text())

    def cut(self, line: str) -> None:
        """Drops every packet from and to the host on `line`, silently, as a broken switch does."""
        run("nft", "add", "element", "bridge", self.name, "lines", f"{{ {line} }}")

    def cut_between(self, one: str, other: str) -> None:
        """Drops every packet between two addresses."""
        run("nft", "add", "element", "bridge", self.name, "pairs", f"{{ {one} . {other}, {other} . {one} }}")

    def heal(self) -> None:
        """Ends all cuts."""
        for group in ("lines", "pairs"):
            run("nft", "flush", "set", "bridge", self.name, group)


def remove_link(name: str) -> None:
    if Path("/sys/class/net", name).exists():
        # the kernel may be taking it away at this moment, with the last process of its host
        run("ip", "link", "delete", name, check=False)
    if Path("/sys/class/net", name).exists():
        raise BedError(f"network interface {name} cannot be removed")


def _free() -> ipaddress.IPv4Network:
    routes = json.loads(run("ip", "-4", "-json", "route", "show", "table", "all").stdout)
    used = [ipaddress.ip_network(route["dst"]) for route in routes if re.fullmatch(r"[\d./]+", route["dst"])]
    servers = re.findall(r"^nameserver\s+([\d.]+)\s*$", Path("/etc/resolv.conf").read_text(), re.MULTILINE)
    used += [ipaddress.ip_network(server) for server in servers]
    # a private network that something else routes as a whole is no obstacle to a subnet of ours
    narrow = [network for network in used if network.prefixlen >= 16]
    for subnet in _FIRST.subnets(new_prefix=24):
        if not any(subnet.overlaps(network) for network in narrow):
            return subnet
    raise BedError(f"no free subnet in {_FIRST}")
