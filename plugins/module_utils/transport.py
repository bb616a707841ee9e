# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a repository is reached: what its location and its access mean for restic, for each way to store.

A location holds no secret. Credentials go to restic in the URL that it reads from a pipe (REST: 0.14 reads them from
nowhere else) or in a credentials file in memory (S3: a URL cannot carry them); ssh and sftp use an identity file.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import os
import re
from urllib.parse import quote, unquote, urlsplit

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import ResticError, redact

_SSH_LIMITS = "-o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=15 -o ServerAliveInterval=15 -o ServerAliveCountMax=4"
# No name may look like an option of ssh or end a quoted word of restic's option.
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.:-]*"
_HOST_KEY = re.compile(r"^[a-z0-9@.-]+ [A-Za-z0-9+/=]+$")
_FILE = re.compile(r"^/[A-Za-z0-9_./+@-]+$")
_SFTP_SHORT = re.compile(r"^(?:(?P<user>%s)@)?(?P<host>%s):(?P<path>.+)$" % (_NAME.replace(":", ""), _NAME.replace(":", "")))


class Transport:
    """One repository's way.

    kind: "local", "rest", "s3", "sftp", "ssh" (forced command) or "other" (left to restic).
    restic_location: what restic gets, with credentials. ssh_command: what reaches the host, for sftp and ssh.
    host, port, tls, path: for a look at the server before restic is called. keys: (access key, secret key) or None.
    """

    def __init__(self, location, access):
        self.location = location
        self.shown = redact(location)
        self.access = access
        self.restic_location = location
        self.authority = access.get("ca_certificate") or ""
        self.keys = (access["access_key"], access["secret_key"]) if access.get("access_key") and access.get("secret_key") else None
        self.kind, self.host, self.port, self.tls, self.path, self.user = "local", None, None, False, location, None
        self.credential = None
        self.ssh_command = ""
        scheme = location.split(":", 1)[0] if re.match(r"^[a-z0-9]+:", location) else ""
        reader = {"rest": self._read_rest, "s3": self._read_s3, "sftp": self._read_sftp, "ssh": self._read_ssh}.get(scheme)
        if reader:
            self.kind = scheme
            reader()
        elif scheme and not os.path.exists(location):
            self.kind = "other"
        if self.authority and "-----BEGIN CERTIFICATE-----" not in self.authority:
            raise self._unusable("ca_certificate is not a certificate in PEM form")

    @property
    def secrets(self):
        """Every text that must not be seen in what restic prints."""
        values = [self.access.get("password"), self.access.get("secret_key"), *(self.credential or ())[1:]]
        return [form for value in values if value for form in (value, quote(value, safe=""))]

    def trusted(self):
        """Returns the certificates (PEM text) that the server's must lead to; without own ones those of the system."""
        return self.authority or _system_authorities()

    def _read_rest(self):
        url = self._web(self.location[len("rest:") :])
        if self.access.get("username"):
            self.credential = (self.access["username"], self.access.get("password") or "")
            place = url.netloc.rpartition("@")[2]
            user = ":".join(quote(part, safe="") for part in self.credential)
            self.restic_location = "rest:" + url._replace(netloc="%s@%s" % (user, place)).geturl()
        elif url.username is not None:
            self.credential = (unquote(url.username), unquote(url.password or ""))

    def _read_s3(self):
        place = self.location[len("s3:") :]
        place = place[2:] if place.startswith("//") else place
        self._web(place if re.match(r"^https?://", place) else "https://" + place)

    def _web(self, text):
        try:
            url = urlsplit(text)
            self.host, self.tls, self.path = url.hostname, url.scheme == "https", url.path or "/"
            self.port = url.port or (443 if self.tls else 80)
        except ValueError:
            self.host = None
        if not self.host or url.scheme not in ("http", "https"):
            raise self._unusable("not an address of a web server")
        return url

    def _read_sftp(self):
        if self.location.startswith("sftp://"):
            self._read_ssh_url(self.location)
        else:
            found = _SFTP_SHORT.match(self.location[len("sftp:") :])
            if not found:
                raise self._unusable("not of the form sftp:user@host:/path")
            self.user, self.host, self.port = found.group("user"), found.group("host"), 22
        self.ssh_command = self._ssh() + " -s -- %s sftp" % self.host

    def _read_ssh(self):
        self._read_ssh_url(self.location)
        self.ssh_command = self._ssh() + " -- %s restic" % self.host
        self.restic_location = "rclone:"  # the forced command alone says which directory is served

    def _read_ssh_url(self, text):
        try:
            url = urlsplit(text)
            self.user, self.host, self.port = url.username, url.hostname, url.port or 22
        except ValueError:
            self.host = None
        if not re.match("^%s$" % _NAME, self.host or "") or (self.user and not re.match("^%s$" % _NAME, self.user)):
            raise self._unusable("not of the form %s://user@host" % self.kind)

    def _ssh(self):
        """Returns the ssh command without host, as one text in the quoting that restic undoes (none of its options may hold a double quote)."""
        identity, known_hosts, host_key = (self.access.get(name) for name in ("identity_file", "known_hosts", "host_key"))
        if not all(_FILE.match(path) for path in (identity, known_hosts) if path):
            raise self._unusable("identity_file or known_hosts is not a plain absolute path")
        command = "ssh -p %d %s" % (self.port, _SSH_LIMITS)
        if self.user:
            command += " -l " + self.user
        if identity:
            command += " -o IdentitiesOnly=yes -i " + identity
        if known_hosts:
            command += " -o GlobalKnownHostsFile=none -o UserKnownHostsFile=" + known_hosts
        if host_key:
            key = " ".join(host_key.split()[:2])
            if not _HOST_KEY.match(key):
                raise self._unusable("host_key is not of the form 'ssh-ed25519 AAAA…'")
            # A host key is no secret; so it needs no file.
            command += " -o UserKnownHostsFile=none -o GlobalKnownHostsFile=none -o 'KnownHostsCommand=/bin/echo %%H %s'" % key
        return command

    def _unusable(self, detail):
        return ResticError("target_unusable", record.message("location_unusable", repository=self.shown, detail=detail))


class Means:
    """What one restic call needs for its one or two repositories. restic takes each of these once for both.

    options: list of "key=value" of -o. authorities: PEM text or "". keys: (access key, secret key) or None.
    Raises ResticError if the two need different ones.
    """

    def __init__(self, own, other=None):
        both = [one for one in (own, other) if one is not None]
        self.keys = self._only(both, "s3", [one.keys for one in both if one.kind == "s3"])
        sftp = self._only(both, "sftp", [one.ssh_command for one in both if one.kind == "sftp"])
        forced = self._only(both, "ssh", [one.ssh_command for one in both if one.kind == "ssh"])
        self.options = (["sftp.command=" + sftp] if sftp else []) + (["rclone.program=" + forced] if forced else [])
        over_tls = [one for one in both if one.tls]
        # Own authorities take the place of the system's for the whole call.
        self.authorities = "\n".join(dict.fromkeys(one.trusted() for one in over_tls)) if any(one.authority for one in over_tls) else ""

    @staticmethod
    def _only(both, kind, found):
        if len(set(found)) > 1:
            places = {"target": both[0].shown, "source": both[1].shown, "kind": kind}
            raise ResticError("target_unusable", record.message("copy_impossible", **places))
        return found[0] if found else None


def _system_authorities():
    try:
        with open("/etc/ssl/certs/ca-certificates.crt", encoding="ascii", errors="ignore") as file:
            return file.read()
    except OSError:
        return ""
