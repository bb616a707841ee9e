# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read out of dumps, answers and grants of MariaDB and MySQL; the servers themselves are asked in scenario `databases`."""

from __future__ import annotations

import random

import pytest

from ansible_collections.sicekat.backup.plugins.module_utils import mariadb_accounts, mariadb_client
from ansible_collections.sicekat.backup.plugins.module_utils.mariadb_client import EngineError
from ansible_collections.sicekat.backup.plugins.module_utils.mariadb_dump import DumpReader, renamed
from ansible_collections.sicekat.backup.plugins.module_utils.sources import mariadb
from ansible_collections.sicekat.backup.plugins.module_utils.sources.base import SourceError

HEAD = b"-- Dump\n\n--\n-- Sequence structure for `nomor`\n--\n\nCREATE SEQUENCE `nomor`;\n\n"
NASTY = (
    rb"(1,'it\'s (a) \\',NULL),(2,'),(','\\\\\'(x)'),(3,'INSERT INTO `b` VALUES (9);\n(1',0x28272C5C),(4,_binary '(','')",
    rb"(5,'','''),('),(6,1.5e10,'\\'),(7,'" + b"(" * 5000 + rb"',-1)",
    rb"(8,'\\\\\\\\\\\\\\\\','(')",
)
TAIL = (
    b"DELIMITER ;;\n/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 TRIGGER `t` BEFORE INSERT ON `x` FOR EACH ROW BEGIN\n"
    b"INSERT INTO `a` VALUES\n(1),\n(2);\n-- Table structure for table `palsu`\nEND */;;\nDELIMITER ;\n"
    b"DELIMITER ;;\n/*!50003 SET sql_mode = '' */ ;;\n/*!50106 CREATE*/ /*!50117 DEFINER=`a`@`b`*/ /*!50106 EVENT `e` DO SELECT 1 */ ;;\nDELIMITER ;\n"
    b"DELIMITER ;;\nCREATE DEFINER=`a`@`b` PROCEDURE `p`()\nBEGIN\nCREATE TEMPORARY TABLE z (a int);\nINSERT INTO `a` VALUES (1);\nEND ;;\nDELIMITER ;\n"
    b"--\n-- Final view structure for view `v`\n--\n\n-- Dump completed\n"
)


def table(name: bytes, *statements: bytes) -> bytes:
    quoted = b"`" + name + b"`"
    begin = b"--\n-- Table structure for table %s\n--\n\nCREATE TABLE %s (\n  `a` int\n);\n--\n-- Dumping data for table %s\n--\n\n" % (quoted, quoted, quoted)
    return begin + b"LOCK TABLES %s WRITE;\n" % quoted + b"".join(statements) + b"UNLOCK TABLES;\n"


def mysql_dump() -> bytes:
    statements = [b"INSERT INTO `a` VALUES %s;\n" % rows for rows in NASTY]
    return (
        HEAD + table(b"a", *statements) + table(b"kosong") + table(b"b (x); ``y``", b"INSERT INTO `b (x); ``y``` (`i (`, `j`) VALUES (1,'('),(2,')');\n") + TAIL
    )


def mariadb_dump() -> bytes:
    rows = [b"(1,'it\\'s\\n(2)'),\n(2,'x;');\n", b"(3,'(),(');\n"]
    statements = [b"INSERT INTO `a` VALUES\n" + one for one in rows]
    versioned = b"INSERT INTO `b (x); ``y``` (`x`, row_start, row_end) VALUES (1,'2026-01-01','2038-01-19'),\n(2,'(','(');\n"
    return HEAD + table(b"a", *statements) + table(b"kosong") + table(b"b (x); ``y``", versioned) + TAIL


def read(pieces: list[bytes]) -> DumpReader:
    reader = DumpReader()
    for piece in pieces:
        reader.feed(piece)
    return reader


@pytest.mark.parametrize(("dump", "rows"), [(mariadb_dump(), 3), (mysql_dump(), 8)], ids=["mariadb", "mysql"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 4096, 1 << 20])
def test_rows_and_objects_are_counted_wherever_the_pieces_are_cut(dump: bytes, rows: int, size: int) -> None:
    reader = read([dump[start : start + size] for start in range(0, len(dump), size)])
    assert reader.tables == {"a": rows, "kosong": 0, "b (x); `y`": 2}
    assert reader.filled == set(reader.tables)
    assert reader.objects == {"tables": 3, "views": 1, "sequences": 1, "routines": 1, "events": 1, "triggers": 1}
    assert reader.is_complete()
    assert reader.unread == 0


@pytest.mark.parametrize("seed", range(20))
def test_rows_are_counted_with_pieces_of_any_size(seed: int) -> None:
    chance = random.Random(seed)
    for dump, rows in ((mariadb_dump(), 3), (mysql_dump(), 8)):
        cuts = sorted(chance.sample(range(len(dump)), 40))
        reader = read([dump[start:end] for start, end in zip([0, *cuts], [*cuts, len(dump)], strict=True)])
        assert reader.tables["a"] == rows


@pytest.mark.parametrize("dump", [mariadb_dump(), mysql_dump()], ids=["mariadb", "mysql"])
def test_a_cut_dump_is_not_complete(dump: bytes) -> None:
    end = dump.index(b"-- Dump completed")
    for stop in (end, end // 2, end - 30, end + 5):
        assert not read([dump[:stop]]).is_complete()


def test_a_line_that_ends_the_dump_inside_a_routine_is_not_its_end() -> None:
    assert not read([b"DELIMITER ;;\nCREATE PROCEDURE x()\n-- Dump completed\n"]).is_complete()


def test_an_insert_of_an_unknown_form_is_told() -> None:
    assert read([table(b"a", b"INSERT INTO `a` SET a=1;\n"), b"-- Dump completed\n"]).unread == 1


def test_a_copy_under_another_name_runs_no_event_and_uses_its_own_sequence() -> None:
    dump = (
        b"CREATE TABLE `s` (\n  `a` int DEFAULT nextval(`asal`.`n`),\n  `b` int\n);\n"
        b"INSERT INTO `s` VALUES\n(1,'nextval(`asal`.`n`)'),\n(2,'\\n  `a` nextval(`asal`.`n`)');\nDELIMITER ;;\n"
        b"/*!50106 CREATE*/ /*!50117 DEFINER=`a`@`b`*/ /*!50106 EVENT `e` ON SCHEDULE EVERY 1 DAY STARTS '2026-11-22 18:37:34' "
        b"ON COMPLETION NOT PRESERVE ENABLE DO SELECT 'ON COMPLETION PRESERVE ENABLE DO' */ ;;\nDELIMITER ;\n-- Dump completed\n"
    )
    wanted = dump.replace(b"DEFAULT nextval(`asal`.", b"DEFAULT nextval(`baru`.").replace(b"NOT PRESERVE ENABLE DO SELECT", b"NOT PRESERVE DISABLE DO SELECT")
    for size in (1, 5, 100, 10_000):
        assert b"".join(renamed([dump[start : start + size] for start in range(0, len(dump), size)], "asal", "baru")) == wanted


def test_the_clients_output_is_read_back_as_it_was() -> None:
    assert mariadb_client.rows_of(b"a\\tb\tc\\nd\\\\n\t\n\\0\tNULL\t1\n") == [["a\tb", "c\nd\\n", ""], ["\0", "NULL", "1"]]


def test_an_error_of_the_client_shows_no_row() -> None:
    said = "-------------- | INSERT INTO pegawai VALUES (1,'Siti Rahasia') | -------------- | ERROR 1062 (23000) at line 7: Duplicate entry 'Siti Rahasia'"
    assert mariadb_client._error(said, 1).detail == "ERROR 1062 (23000) at line 7"
    assert mariadb_client._error("ERROR 1273 (HY000) at line 2: Unknown collation: 'x'", 1).detail == "ERROR 1273 (HY000) at line 2: Unknown collation: 'x'"
    assert mariadb_client._error("INSERT (1,'Siti Rahasia')", 1).detail == "exit code 1"


class Server:
    """Answers as a server does: `said` {start of a statement: rows}."""

    flavour = mariadb_client.FLAVOURS["mariadb"]

    def __init__(self, said: dict[str, list[list[str]]]) -> None:
        self.said = said

    def rows(self, sql: str, *_more: object) -> list[list[str]]:
        found = []
        for line in sql.split("\n"):
            if line.startswith("SELECT 'sicekat account', "):
                found.append(["sicekat account", line.split(", ")[1], ""])
            found += next((rows for start, rows in self.said.items() if line.startswith(start)), [])
        return found


USERS = [
    ["root", "localhost", "N"],
    ["aplikasi", "%", "N"],
    ["tamu", "%", "N"],
    ["lain", "%", "N"],
    ["pembaca", "", "Y"],
    ["anggota", "%", "N"],
    ["pembuat", "%", "N"],
]


def server() -> Server:
    grants = {
        "aplikasi`@`%": ["GRANT USAGE ON *.* TO `aplikasi`@`%` IDENTIFIED BY PASSWORD '*HASH'", r"GRANT ALL PRIVILEGES ON `k\_g`.* TO `aplikasi`@`%`"],
        "tamu`@`%": ["GRANT USAGE ON *.* TO `tamu`@`%`"],
        "lain`@`%": [r"GRANT SELECT ON `k\_h`.* TO `lain`@`%`", "GRANT SELECT ON `lain`.`k_g` TO `lain`@`%`"],
        "pembaca": ["GRANT SELECT ON `k%`.* TO `pembaca`"],
        "anggota`@`%": ["GRANT `pembaca` TO `anggota`@`%`", "GRANT USAGE ON *.* TO `anggota`@`%`", "GRANT SELECT ON `rahasia`.* TO `anggota`@`%`"],
        "pembuat`@`%": ["GRANT USAGE ON *.* TO `pembuat`@`%`"],
    }
    said = {"SHOW GRANTS FOR `%s`;" % one: [[line] for line in lines] for one, lines in grants.items()}
    said |= {f"SHOW CREATE USER `{user}`@`{host}`;": [[f"CREATE USER `{user}`@`{host}` IDENTIFIED BY PASSWORD '*HASH'"]] for user, host, _role in USERS}
    return Server({"SELECT User, Host": USERS, "SELECT DISTINCT DEFINER FROM information_schema.VIEWS": [["pembuat@%"]], **said})


def test_accounts_are_those_with_rights_on_the_database() -> None:
    pieces: list[bytes] = []
    text = mariadb_accounts.AccountsText(server(), "k_g")
    text.stream(pieces.append, 1)
    accounts = mariadb_accounts.read(pieces)
    assert text.count == len(accounts) == 4
    assert [one.sql for one in accounts] == ["`pembaca`", "`anggota`@`%`", "`aplikasi`@`%`", "`pembuat`@`%`"]
    assert accounts[0].create == "CREATE ROLE IF NOT EXISTS `pembaca`"
    assert accounts[1].grants == ["GRANT `pembaca` TO `anggota`@`%`"]
    assert accounts[2].create == "CREATE USER IF NOT EXISTS `aplikasi`@`%` IDENTIFIED BY PASSWORD '*HASH'"
    assert accounts[2].grants == [r"GRANT ALL PRIVILEGES ON `k\_g`.* TO `aplikasi`@`%`"]


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [("k_g", True), (r"k\_g", True), ("k%", True), ("%", True), ("__g", True), (r"k\%", False), ("k.g", False), ("k", False), (r"k\\_g", False)],
)
def test_rights_are_given_to_patterns(pattern: str, matches: bool) -> None:
    assert mariadb_accounts._matches(pattern, "k_g") is matches


@pytest.mark.parametrize(
    ("grants", "lacking"),
    [
        (["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION", "GRANT PROXY ON ''@'%' TO 'root'@'localhost'"], []),
        (["GRANT SELECT, PROCESS, LOCK TABLES, SHOW VIEW, EVENT ON *.* TO `c`@`localhost`"], ["TRIGGER"]),
        (["GRANT SELECT ON *.* TO `c`@`localhost`", "GRANT SHOW VIEW, EVENT, TRIGGER ON `st_f`.* TO `c`@`localhost`"], []),
        (["GRANT USAGE ON *.* TO `c`@`localhost`", "GRANT ALL PRIVILEGES ON `lain`.* TO `c`@`localhost`"], ["SELECT", "SHOW VIEW", "TRIGGER", "EVENT"]),
        (["GRANT SHOW VIEW, TRIGGER, EVENT ON `staf`.* TO `c`@`localhost`", "GRANT SELECT ON `staf`.`a` TO `c`@`localhost`"], ["SELECT"]),
    ],
)  # fmt: skip
def test_an_account_from_which_the_server_hides_a_part_of_the_database_is_found(grants: list[str], lacking: list[str]) -> None:
    class Told:
        def rows(self, _sql: str) -> list[list[str]]:
            return [[line] for line in grants]

    assert mariadb_accounts.lacking(Told(), "staf") == lacking


def test_an_account_that_cannot_be_made_is_named_without_its_hash() -> None:
    class Refusing(Server):
        def rows(self, sql: str, *_more: object) -> list[list[str]]:
            raise EngineError(1524, "ERROR 1524 (HY000) near '*HASH'")

    account = mariadb_accounts.Account("`a`@`%`", "CREATE USER IF NOT EXISTS `a`@`%` IDENTIFIED VIA asing USING '*HASH'", [])
    with pytest.raises(EngineError) as caught:
        mariadb_accounts.make(Refusing({}), account)
    assert caught.value.detail == "`a`@`%`: error 1524"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_of_credentials_that_others_can_read_is_refused(tmp_path, mode: int) -> None:
    path = tmp_path / "client.cnf"
    path.write_text("[client]\npassword=rahasia\n")
    path.chmod(mode)
    with pytest.raises(SourceError) as caught:
        mariadb._options({"credentials_file": str(path)})
    assert caught.value.cause == "credential"
    path.chmod(0o600)
    assert mariadb._options({"credentials_file": str(path), "socket": "/s"}) == [f"--defaults-file={path}", "--socket=/s"]
