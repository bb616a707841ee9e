# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What restic's codes and texts come to, with lines as 0.14.0 and 0.18.0 wrote them."""

from __future__ import annotations

import pytest

from ansible_collections.sicekat.backup.plugins.module_utils import messages, record
from ansible_collections.sicekat.backup.plugins.module_utils.restic_errors import classify, guarded, is_hopeless, item_of, redact, stderr_text

LINES = [
    (1, "Fatal: wrong password or no key found", "wrong_password"),
    (12, '{"message_type":"exit_error","code":12,"message":"Fatal: wrong password or no key found"}', "wrong_password"),
    (1, "Fatal: unable to open config file: stat /r/config: no such file or directory", "repository_missing"),
    (10, '{"message_type":"exit_error","code":10,"message":"Fatal: repository does not exist"}', "repository_missing"),
    (1, "unable to create lock in backend: repository is already locked exclusively by PID 7 on srv by root (UID 0, GID 0)", "repository_locked"),
    (11, "unable to create lock in backend: repository is already locked by PID 7 on srv by root", "repository_locked"),
    (1, "Fatal: unable to save snapshot: write /r/data/f5/x-tmp: no space left on device", "no_space"),
    (1, 'Fatal: Head "https://192.0.2.1/": dial tcp: connect: connection refused', "network"),
    (1, "Fatal: something new", "other"),
    (77, "", "other"),
]


@pytest.mark.parametrize(("code", "line", "cause"), LINES)
def test_a_failure_is_classified_by_code_then_by_text(code, line, cause):
    error = classify(code, [line], "/r")
    assert error.cause == cause and error.cause in record.CAUSES and messages.english(error.message)


def test_a_signal_and_a_time_limit_are_causes_of_their_own():
    assert classify(-9, [], "/r").cause == "killed" and classify(-9, [], "/r", timed_out=5).cause == "timeout"


def test_the_holder_of_a_lock_is_named():
    assert classify(11, [LINES[4][1]], "/r").message["params"] == {"holder": "PID 7 on srv"}


def test_secrets_and_the_user_part_of_a_url_are_taken_out():
    assert redact("rest:https://a:b@host/x and geheim", ["geheim"]) == "rest:https://***@host/x and ***"


def test_items_are_read_from_both_forms_of_error_lines():
    old = '{"message_type":"error","error":{"Op":"open","Path":"/x","Err":13},"during":"archival","item":"/x"}'
    new = '{"message_type":"error","error":{"message":"open /x: permission denied"},"during":"archival","item":"/x"}'
    assert item_of(old) == item_of(new) == "/x" and "13" in stderr_text(old) and "permission denied" in stderr_text(new)
    assert item_of("plain") is None


RETRIES = [
    ("Save(<data/0fa66d9d95>) returned error, retrying after 552ms: server response unexpected: 507 Insufficient Storage (507)", "no_space"),
    ("Save(<data/bfd234346f>) returned error, retrying after 1.04s: unexpected HTTP response (507): 507 Insufficient Storage", "no_space"),
    ("Load(<config/0000000000>) returned error, retrying after 1.04s: unexpected HTTP response (401): 401 Unauthorized", "credential"),
]


@pytest.mark.parametrize(("line", "cause"), RETRIES)
def test_what_a_server_has_refused_for_good_is_not_waited_for(line, cause):
    assert is_hopeless(line)
    error = classify(130, [line, '{"message_type":"exit_error","code":1,"message":"Fatal: unable to save snapshot: context canceled"}'], "rest:https://v/")
    assert error.cause == cause and messages.english(error.message)


def test_a_server_that_is_away_for_a_while_is_waited_for():
    assert not is_hopeless("Save(<data/4030000507>) returned error, retrying after 552ms: dial tcp 127.0.0.1:1: connect: connection refused")


def test_the_user_name_of_ssh_is_no_secret():
    assert redact("ssh://u@vault:22 sftp://u@nas//x") == "ssh://u@vault:22 sftp://u@nas//x"
    assert redact("ssh://u:p@vault") == "ssh://***@vault"


def test_one_failure_is_told_without_stopping_the_rest():
    assert guarded(lambda: 7) == (7, None, None)
    assert guarded(lambda: 1 / 0)[1] == "internal"
