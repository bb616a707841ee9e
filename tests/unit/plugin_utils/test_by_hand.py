# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files on a server make one short command of restic, with the secrets in files that only root can read."""

from __future__ import annotations

import pytest

from ansible_collections.sicekat.backup.plugins.plugin_utils import by_hand

SECRET = "kata-sandi/akses"
PEM = "-----BEGIN CERTIFICATE-----\n"


def files(repository: str, **access: str) -> dict[str, dict]:
    endpoint = {"repository": repository, "password": "kunci-repositori", "access": access}
    return {file["path"].rpartition("/")[2]: file for file in by_hand.files(endpoint, "restic", "/etc/si-cekat")}


REST = ("rest:https://vault:8000/web/", {"username": "web", "password": SECRET, "ca_certificate": PEM})
S3 = ("s3:https://store/bucket/web", {"access_key": "KUNCI", "secret_key": SECRET})
SFTP = ("sftp:user@host:/web", {"identity_file": "/root/.ssh/key"})


@pytest.mark.parametrize(("repository", "access"), [REST, S3, SFTP])
def test_secrets_stand_in_files_of_root_and_not_in_the_command(repository: str, access: dict) -> None:
    found = files(repository, **access)
    assert found["password"]["content"] == "kunci-repositori\n"
    for name, file in found.items():
        if file.get("state") != "absent" and name != "ca.pem":
            assert int(file.get("mode", "0600"), 8) & 0o077 == 0
    assert "kunci-repositori" not in found["restic"]["content"]
    assert SECRET not in found["restic"]["content"]


def test_a_rest_server_gets_its_credential_in_the_location_and_its_authority() -> None:
    found = files(REST[0], **REST[1])
    assert found["repository"]["content"] == "rest:https://web:kata-sandi%2Fakses@vault:8000/web/\n"
    assert found["ca.pem"]["content"] == PEM
    assert "--cacert /etc/si-cekat/ca.pem" in found["restic"]["content"]
    assert found["s3-keys"]["state"] == "absent"


def test_an_object_store_gets_its_keys_in_a_file() -> None:
    found = files(S3[0], **S3[1])
    assert found["s3-keys"]["content"] == f"[default]\naws_access_key_id = KUNCI\naws_secret_access_key = {SECRET}\n"
    assert "export AWS_SHARED_CREDENTIALS_FILE=/etc/si-cekat/s3-keys\n" in found["restic"]["content"]
    assert found["ca.pem"]["state"] == "absent"


def test_the_way_by_ssh_checks_the_host() -> None:
    script = files(SFTP[0], **SFTP[1])["restic"]["content"]
    assert "'sftp.command=ssh " in script
    assert "StrictHostKeyChecking=yes" in script
    script = files("ssh://sicekat-backup@vault", identity_file="/etc/si-cekat/id_ed25519")["restic"]["content"]
    assert "'rclone.program=ssh " in script
