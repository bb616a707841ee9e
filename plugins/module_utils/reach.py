# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A look at a repository server before restic is called.

restic 0.18 keeps trying a server that is down, whose certificate is not trusted, or that refuses an object store's key for
14 to 15 minutes (measured), and does not always pass on what ssh said. This look tells what is wrong within seconds, and
tells the causes apart.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import hmac
import re
import shlex
import socket
import subprocess
import threading
from urllib.parse import quote, unquote

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import ResticError

LIMIT_S = 15

# OpenSSL's X509_V_ERR_*: not yet valid, expired; host name, e-mail and address mismatch.
_EXPIRED = (9, 10)
_OTHER_NAME = (62, 63, 64)
_REGION = "us-east-1"  # a store of another region says so instead of refusing the key, which is enough here


def look(transport, as_user, environment):
    """Looks at the server of a Transport, in LIMIT_S seconds at most. Raises ResticError with what keeps it from being used.

    as_user: command that runs another one as restic's user. environment: dict that restic gets.
    """

    def over_ssh(transport):
        return _look_over_ssh(transport, as_user + shlex.split(transport.ssh_command), environment)

    probe = {"rest": _look_at_rest, "s3": _look_at_s3, "sftp": over_ssh, "ssh": over_ssh}.get(transport.kind)
    if probe is None:
        return
    found = []
    # Resolving a name takes no time limit, hence the thread.
    thread = threading.Thread(target=lambda: found.append(_refusal(probe, transport)), daemon=True)
    thread.start()
    thread.join(LIMIT_S)
    refusal = found[0] if found else _silent(transport)
    if refusal:
        raise refusal


def _refusal(probe, transport):
    """Returns the ResticError that a look comes to, or None."""
    import ssl  # here, because a local repository needs none of it and loading it takes time

    address = _address(transport)
    try:
        return probe(transport)
    except ssl.SSLCertVerificationError as error:
        code = "certificate_expired" if error.verify_code in _EXPIRED else "certificate_name" if error.verify_code in _OTHER_NAME else "certificate_unknown"
        return ResticError("certificate", record.message(code, address=address, detail=error.verify_message))
    except ssl.SSLError as error:
        return ResticError("network", record.message("network", detail="%s: TLS: %s" % (address, error.reason or error)))
    except socket.gaierror:
        return ResticError("network", record.message("network_name", address=address))
    except (socket.timeout, subprocess.TimeoutExpired):
        return _silent(transport)
    except OSError as error:
        return ResticError("network", record.message("network_refused", address=address, detail=error.strerror or str(error)))
    except Exception as error:  # what a server that is none may answer
        return ResticError("network", record.message("network", detail="%s: %s" % (address, error or type(error).__name__)))


def _silent(transport):
    return ResticError("network", record.message("network_silent", address=_address(transport), seconds=LIMIT_S))


def _address(transport):
    return "%s:%d" % (transport.host, transport.port)


def _look_at_rest(transport):
    headers = {"Accept": "application/vnd.x.restic.rest.v2"}
    if transport.credential:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(transport.credential).encode("utf-8")).decode("ascii")
    status, _body = _answer(transport, "HEAD", transport.path.rstrip("/") + "/config", headers)
    return _judged(transport, status, "HTTP %d" % status)


def _look_at_s3(transport):
    path = quote(unquote(transport.path).rstrip("/") + "/config", safe="/-_.~")
    headers = _signed(transport, path) if transport.keys else {}
    status, body = _answer(transport, "GET", path, headers)
    code = re.search(rb"<Code>(\w+)</Code>", body)
    return _judged(transport, status, "HTTP %d%s" % (status, " " + code.group(1).decode("ascii") if code else ""))


def _judged(transport, status, detail):
    if status in (401, 403):
        return ResticError("credential", record.message("credential_refused", address=_address(transport), detail=detail))
    if status >= 500:
        return ResticError("network", record.message("network", detail="%s: %s" % (_address(transport), detail)))
    return None


def _answer(transport, method, path, headers):
    """Returns (status, beginning of the body) of one HTTP request."""
    import http.client
    import ssl

    if transport.tls:
        context = ssl.create_default_context(cadata=transport.authority or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)  # Python 3.13 is stricter than restic, which decides
        connection = http.client.HTTPSConnection(transport.host, transport.port, timeout=LIMIT_S, context=context)
    else:
        connection = http.client.HTTPConnection(transport.host, transport.port, timeout=LIMIT_S)
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read(4096)


def _signed(transport, path):
    """Returns the headers of a GET without query, signed by AWS signature version 4."""
    access_key, secret_key = transport.keys
    host = transport.host if transport.port == (443 if transport.tls else 80) else _address(transport)
    moment = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    empty = hashlib.sha256(b"").hexdigest()
    headers = {"host": host, "x-amz-content-sha256": empty, "x-amz-date": moment}
    names = ";".join(sorted(headers))
    request = "\n".join(["GET", path, "", *("%s:%s" % (name, headers[name]) for name in sorted(headers)), "", names, empty])
    scope = "%s/%s/s3/aws4_request" % (moment[:8], _REGION)
    text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(request.encode("utf-8")).hexdigest()])
    key = ("AWS4" + secret_key).encode("utf-8")
    for part in scope.split("/"):
        key = hmac.new(key, part.encode("ascii"), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode("utf-8"), hashlib.sha256).hexdigest()
    headers["Authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (access_key, scope, names, signature)
    return headers


def _look_over_ssh(transport, command, environment):
    """Starts what restic will start, with nothing to say to it: then both the sftp server and the forced command end at once."""
    done = subprocess.run(
        command, env=environment, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=LIMIT_S, check=False
    )
    if done.returncode != 255:  # ssh's own failure; all else came from the other side
        return None
    text = done.stderr.decode("utf-8", "replace").strip()
    detail = text.splitlines()[-1] if text else "ssh: 255"
    if "Host key verification failed" in text:
        return ResticError("certificate", record.message("host_key_refused", repository=transport.shown))
    if "Permission denied" in text:
        return ResticError("credential", record.message("credential_refused", address=_address(transport), detail=detail))
    if "Could not resolve hostname" in text:
        return ResticError("network", record.message("network_name", address=_address(transport)))
    return _silent(transport) if "timed out" in text else ResticError("network", record.message("network_refused", address=_address(transport), detail=detail))
