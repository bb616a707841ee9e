# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running the programs of others: clients of databases, throw-away servers, hooks. restic has an adapter of its own.

A program runs with a small environment, as the user that it is for, and dies with us. No argument ever holds a secret.

Note that this module util is private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from ansible_collections.sicekat.backup.plugins.module_utils import record

_CHUNK = 1 << 20
_ERRORS_KEPT = 64 * 1024  # bytes of the end of what a program says is wrong
_END_S = 10  # between the polite and the impolite end
_LOOK_MS = 1000  # between two looks at whether time is up
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ProgramError(Exception):
    """A program that did not do its work.

    Attributes: program (its name), reason (missing, user, timeout, failed), exit_code (int or None), detail (printable text).
    """

    def __init__(self, program, reason, exit_code=None, detail=""):
        super().__init__("%s: %s %s" % (program, reason, detail))
        self.program = program
        self.reason = reason
        self.exit_code = exit_code
        self.detail = detail


class Output:
    """What a program left: exit_code (int), stdout (bytes), stderr (printable text of its end)."""

    def __init__(self, exit_code, stdout, stderr):
        self.exit_code = exit_code
        self.stdout = stdout
        self.stderr = stderr

    def text(self):
        """Returns the standard output as text without its last newline."""
        return self.stdout.decode("utf-8", "replace").rstrip("\n")


class Program:
    """argv: list of text. user: name of the OS user that it runs as, None for ours. environment: variables beside PATH, HOME and LANG."""

    def __init__(self, argv, user=None, environment=None):
        self.argv = list(argv)
        self.user = user
        self.environment = dict(environment or {})

    @property
    def name(self):
        """The program's own name, for messages."""
        return os.path.basename(self.argv[0])

    def run(self, limit_s, data=None):
        """Runs it to its end, with `data` (bytes) on its standard input; returns the Output, whatever its exit code is.

        Raises ProgramError if there is no end in time.
        """
        process = self._start(stdin=subprocess.DEVNULL if data is None else subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            stdout, stderr = process.communicate(data, limit_s)
        except subprocess.TimeoutExpired:
            end(process)
            # What it started in a session of its own may live on and hold the streams.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=_END_S)
            raise ProgramError(self.name, "timeout", detail="%d s" % limit_s) from None
        return Output(process.returncode, stdout, _last_words(stderr))

    def require(self, limit_s, data=None):
        """Runs it as `run` does and returns its Output; raises ProgramError for any exit code but 0."""
        output = self.run(limit_s, data)
        if output.exit_code != 0:
            raise ProgramError(self.name, "failed", output.exit_code, output.stderr)
        return output

    def run_into(self, file, limit_s):
        """Runs it to its end, with all that it says going to a binary file, and returns its exit code; raises ProgramError for no end in time.

        What it has started in the background goes on, unless time is up: a hook starts services.
        """
        process = self._start(stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            end(process)
            raise ProgramError(self.name, "timeout", detail="%d s" % limit_s) from None

    def stream(self, sink, limit_s):
        """Gives its standard output in pieces to sink(bytes) and returns the Output without it; raises ProgramError for any exit code but 0.

        What sink raises ends the program and goes through.
        """
        process = self._start(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        with _Watched(process, limit_s) as watched:
            for piece in watched.pieces():
                sink(piece)
            return watched.finish(self.name)

    def feed(self, pieces, limit_s):
        """Gives `pieces` (iterable of bytes) to its standard input and returns the Output; raises ProgramError for any exit code but 0."""
        process = self._start(stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        with _Watched(process, limit_s) as watched:
            # A program that ends early says why by its exit code.
            with contextlib.suppress(BrokenPipeError):
                for piece in pieces:
                    process.stdin.write(piece)
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            return watched.finish(self.name)

    @contextlib.contextmanager
    def serve(self, log_path, end_signal=signal.SIGTERM):
        """Runs it in the background for as long as the context lasts; what it says goes to a file.

        end_signal: what it is asked to end with, also if we are killed.
        """
        with open(log_path, "ab") as log:
            process = self._start(stdin=subprocess.DEVNULL, stdout=log, stderr=log, end_signal=end_signal)
        try:
            yield process
        finally:
            end(process, end_signal)

    def _start(self, stdin, stdout, stderr=subprocess.PIPE, end_signal=signal.SIGKILL):
        # setpriv of util-linux: the signal comes when the thread that started it dies, whatever ended it.
        command = ["setpriv", "--pdeathsig", end_signal.name[3:]]
        environment = {"PATH": PATH, "HOME": "/", "LANG": "C.UTF-8", **self.environment}
        if not shutil.which(self.argv[0], path=PATH):
            raise ProgramError(self.name, "missing", detail=record.printable(self.argv[0]))
        if self.user and pwd.getpwuid(os.geteuid()).pw_name != self.user:
            try:
                user = pwd.getpwnam(self.user)
            except KeyError:
                raise ProgramError(self.name, "user", detail=record.printable(self.user)) from None
            command += ["--reuid=%d" % user.pw_uid, "--regid=%d" % user.pw_gid, "--init-groups", "--no-new-privs"]
            environment.update(HOME=user.pw_dir, USER=user.pw_name, LOGNAME=user.pw_name)
        return subprocess.Popen(
            command + ["--"] + self.argv, stdin=stdin, stdout=stdout, stderr=stderr, env=environment, cwd="/", start_new_session=True
        )  # fmt: skip


class Conversation:
    """A program that answers line by line, such as a client of a database that keeps one session open. close() ends it."""

    def __init__(self, program):
        self._name = program.name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = program._start(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors)

    def ask(self, data, limit_s):
        """Gives it `data` (bytes) and returns its next line without the newline; raises ProgramError if it ended or gave none in time."""
        late = threading.Event()
        timer = threading.Timer(limit_s, lambda: (late.set(), end(self._process, signal.SIGINT)))
        timer.daemon = True
        timer.start()
        try:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(data)
                self._process.stdin.flush()
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        if line.endswith(b"\n") and not late.is_set():
            return line[:-1]
        exit_code = self._process.wait()
        if late.is_set():
            raise ProgramError(self._name, "timeout", detail="%d s" % limit_s)
        self._errors.seek(0)
        raise ProgramError(self._name, "failed", exit_code, _last_words(self._errors.read()))

    def close(self):
        """Ends it, politely at first: a client then tells its server to stop."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        end(self._process, signal.SIGINT)
        self._process.stdout.close()
        self._errors.close()


class _Watched:
    """Ends a process that takes too long, and gathers the end of its standard error beside its main stream."""

    def __init__(self, process, limit_s):
        self._process = process
        self._limit_s = limit_s
        self._words = b""
        self._timed_out = False
        self._timer = threading.Timer(limit_s, self._stop)
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self):
        self._timer.daemon = True
        self._timer.start()
        self._reader.start()
        return self

    def __exit__(self, *_exception):
        self._timer.cancel()
        if self._process.poll() is None:
            end(self._process, signal.SIGKILL)

    def pieces(self):
        """Yields its standard output until that ends or time is up, for what it started in a session of its own may hold it open for ever."""
        descriptor = self._process.stdout.fileno()
        looking = select.poll()
        looking.register(descriptor, select.POLLIN)
        while not self._timed_out:
            if looking.poll(_LOOK_MS):
                piece = os.read(descriptor, _CHUNK)
                if not piece:
                    return
                yield piece

    def finish(self, name):
        """Waits for the end and returns the Output; raises ProgramError."""
        exit_code = self._process.wait()
        self._reader.join(_END_S)
        if self._timed_out:
            raise ProgramError(name, "timeout", detail="%d s" % self._limit_s)
        if exit_code != 0:
            raise ProgramError(name, "failed", exit_code, _last_words(self._words))
        return Output(exit_code, b"", _last_words(self._words))

    def _stop(self):
        self._timed_out = True
        end(self._process, signal.SIGKILL)

    def _read(self):
        for piece in iter(lambda: self._process.stderr.read1(_CHUNK), b""):
            self._words = (self._words + piece)[-_ERRORS_KEPT:]


def end(process, by=signal.SIGTERM):
    """Ends a process and all that it started, impolitely after 10 s."""
    for number in (by, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
            return


def wait_until(is_ready, process, limit_s):
    """Waits until is_ready() is true and returns True, or False when the process has ended or time is up."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if is_ready():
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.1)
    return False


def _last_words(data):
    lines = [line for line in (data or b"")[-_ERRORS_KEPT:].decode("utf-8", "replace").splitlines() if line.strip()]
    return " | ".join(record.printable(line)[:500] for line in lines[-10:])
