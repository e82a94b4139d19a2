"""inbox over MySQL, against the server that ../support/mariadb.sh has started."""

import json
import os
import subprocess
import time

from command import CommandTest, main
from inbox_tests import InboxTests, take_filler

PORT = os.environ["DINGCB_MARIADB_PORT"]
SOCKET = os.environ["DINGCB_MARIADB_SOCKET"]
PASSWORD = "pass word'\\s3cret"


def sql(statement, database=""):
    """@return the rows, as lists of texts."""
    ran = subprocess.run(["mariadb", "--no-defaults", f"--socket={SOCKET}", "--user=root", "--batch",
                          "--skip-column-names", database], input=statement, stdout=subprocess.PIPE, text=True, timeout=60,
                         check=True)
    return [line.split("\t") for line in ran.stdout.splitlines()]


class Mysql(InboxTests, CommandTest):
    databases = 0

    def setUp(self):
        super().setUp()
        Mysql.databases += 1
        self.database = f"command_{Mysql.databases}"
        sql(f"CREATE DATABASE {self.database}")
        self.flags = ("--mysql", f"127.0.0.1:{PORT}", "--database", self.database, "--user", "root")

    def filled(self):
        self.assert_ran(self.inbox("setup"))
        return self.fill("mysql", PORT, self.database)

    def version(self):
        return int(sql("SELECT version FROM dingcb_schema", self.database)[0][0])

    def assert_no_password(self, ran):
        self.assertNotIn("s3cret", ran.out + ran.err)
        return ran

    def test_setup_makes_brings_up_and_leaves_alone(self):
        self.assert_fails(self.inbox("stats"), 3, "tables are missing", "dingcb inbox setup")
        ran = self.assert_ran(self.inbox("setup"))
        version = self.version()
        self.assertEqual(ran.out, f"the tables were made, version {version}\n")
        self.assertEqual(self.assert_ran(self.inbox("setup")).out, f"nothing to do: the tables have version {version}\n")
        self.assertEqual(self.assert_ran(self.inbox("setup", "--json")).json(),
                         {"ok": True, "found": version, "version": version})
        self.assertEqual(self.counts(), (0, 0, 0))

        sql("DROP TABLE dingcb_latest; UPDATE dingcb_schema SET version = 1", self.database)
        self.assert_fails(self.inbox("dead"), 3, "have version 1", "dingcb inbox setup")
        self.assertEqual(self.assert_ran(self.inbox("setup")).out, f"the tables were brought from version 1 to {version}\n")
        self.assertEqual(self.counts(), (0, 0, 0))

        sql("UPDATE dingcb_schema SET version = 99", self.database)
        for action in ("setup", "stats"):
            self.assert_fails(self.inbox(action), 3, "version 99", "newer")

    def start_setup(self):
        return subprocess.Popen([self.program, "inbox", "setup", *self.flags], stdout=subprocess.PIPE, text=True,
                                cwd=self.folder, env=self.environment())

    def test_several_setups_at_once(self):
        said = []
        for process in [self.start_setup() for _ in range(5)]:
            said.append(process.communicate(timeout=60)[0])
            self.assertEqual(process.returncode, 0, said)
        self.assertEqual(len([text for text in said if text.startswith("the tables were made")]), 1, said)

    def test_a_setup_that_was_killed_is_run_again(self):
        killed = 0
        for round_number in range(20):
            sql(f"DROP DATABASE {self.database}; CREATE DATABASE {self.database}")
            process = self.start_setup()
            time.sleep(round_number * 0.002)
            process.kill()
            process.communicate(timeout=60)
            killed += process.returncode < 0
            self.assert_ran(self.inbox("setup"))
            self.assertEqual(self.counts(), (0, 0, 0))
        self.assertGreater(killed, 0)

    def test_setup_in_chinese(self):
        self.assertRegex(self.assert_ran(self.inbox("setup", "--lang", "zh")).out, r"^已建表，版本 \d+\n$")

    def test_print_schema_is_for_a_person(self):
        script = self.assert_ran(self.run_bare("inbox", "setup", "--print-schema", "--prefix", "mine_")).out
        sql(script, self.database)
        sql(script, self.database)  # it may be run again
        self.assertRegex(self.assert_ran(self.inbox("setup", "--prefix", "mine_")).out, "^nothing to do")
        self.assertEqual([row[0] for row in sql("SHOW TABLES", self.database)],
                         ["mine_inbox", "mine_latest", "mine_schema"])
        ran = self.run_with({"DINGCB_MYSQL_PREFIX": "mine_"}, "inbox", "setup", "--print-schema")
        self.assertEqual(self.assert_ran(ran).out, script)
        self.assertIn("dingcb_inbox", self.assert_ran(self.run_bare("inbox", "setup", "--print-schema")).out)
        self.assert_fails(self.run_bare("inbox", "setup", "--print-schema", "--rds"), 2, "RDS")
        self.assert_fails(self.run_bare("inbox", "setup", "--print-schema", "--prefix", "a;b"), 3, "--prefix")

    def test_password_from_environment_or_file(self):
        literal = PASSWORD.replace("\\", "\\\\").replace("'", "''")
        account = f"u{Mysql.databases}"
        sql(f"CREATE USER {account}@'%' IDENTIFIED BY '{literal}'; GRANT ALL ON {self.database}.* TO {account}@'%'")
        self.flags = (*self.flags[:-1], account)
        ran = self.assert_no_password(self.inbox("setup", DINGCB_MYSQL_PASSWORD="wrong s3cret"))
        self.assert_fails(ran, 4, "Access denied", "--user")
        self.assert_no_password(self.assert_ran(self.inbox("setup", DINGCB_MYSQL_PASSWORD=PASSWORD)))
        self.write("password", PASSWORD + "\n")
        self.assert_ran(self.inbox("stats", "--password-file", "password"))
        self.assert_fails(self.inbox("setup", "--prefix", "new_", "--password-file", "wrong"), 3, "file wrong")
        self.assert_ran(self.inbox("stats", "--password-file", "password", DINGCB_MYSQL_PASSWORD="wrong"))
        self.write("dingcb.env", f"DINGCB_MYSQL=127.0.0.1:{PORT}\nDINGCB_MYSQL_USER={account}\n"
                                 f"DINGCB_MYSQL_DATABASE={self.database}\nDINGCB_MYSQL_PASSWORD=\"{PASSWORD}\"\n")
        self.assert_ran(self.run_bare("inbox", "stats", "--config", "dingcb.env"))
        self.write("dingcb.json", json.dumps({"inbox": {"mysql": SOCKET, "user": account, "database": self.database,
                                                        "password": PASSWORD, "prefix": "dingcb_"}}))
        self.assert_ran(self.run_bare("inbox", "stats", "--config", "dingcb.json"))
        self.write("wrong.json", json.dumps({"inbox": {"mysql": SOCKET, "user": account, "database": self.database,
                                                       "password": "wrong s3cret"}}))
        self.assert_no_password(self.assert_fails(self.run_bare("inbox", "stats", "--config", "wrong.json"), 4))

    def test_places(self):
        self.assert_ran(self.inbox("setup"))
        more = ("--database", self.database, "--user", "root")
        self.assert_ran(self.run_bare("inbox", "stats", "--mysql", SOCKET, *more))
        self.assert_ran(self.run_bare("inbox", "stats", "--mysql", f"[127.0.0.1]:{PORT}", *more))
        self.assert_fails(self.run_bare("inbox", "stats", "--mysql", "127.0.0.1:1", *more), 4, "no connection", "--mysql")
        self.assert_fails(self.run_bare("inbox", "stats", "--mysql", "/no/socket", *more), 4, "no connection")
        for place in ("127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", ":3306", "[::1]:0"):
            self.assert_fails(self.run_bare("inbox", "stats", "--mysql", place, *more), 3, "no MySQL server at")
        self.assert_fails(self.run_bare("inbox", "stats", "--mysql", SOCKET, "--user", "root"), 3, "no database",
                          "DINGCB_MYSQL_DATABASE")
        self.assert_fails(self.inbox("stats", "--prefix", "a b"), 3, "--prefix")
        # It insists on TLS, which this server does not have.
        self.assert_fails(self.inbox("stats", "--tls-ca", self.write("ca.pem", "")), 4, "no connection")

    def test_rds_push(self):
        self.flags = (*self.flags, "--rds")
        self.assertEqual(self.assert_ran(self.inbox("setup", "--no-index")).out, "ready\n")

        def indexed():
            return sql("SHOW INDEX FROM open_sync_biz_data WHERE Column_name = 'status'", self.database) != []

        self.assertFalse(indexed())
        self.assertEqual(self.assert_ran(self.inbox("setup", "--json")).json(), {"ok": True})
        self.assertTrue(indexed())
        sql("INSERT INTO open_sync_biz_data (gmt_create, gmt_modified, subscribe_id, corp_id, biz_type, biz_id, biz_data,"
            " open_cursor, status) VALUES ('2026-01-02 08:00:00', '2026-01-02 08:00:00', '1_0', 'ding1', 13, 'u1', "
            "'{\"syncAction\":\"user_add_org\",\"userid\":\"u1\"}', 1, 105), "
            "(NOW(), NOW(), '2_0', 'ding2', 13, 'u2', '{}', 2, 105)", self.database)
        self.assert_fails(self.inbox("dead"), 2, "--subscribe-id")
        self.flags = (*self.flags, "--subscribe-id", "1_0")
        letter = self.assert_ran(self.inbox("dead", "--json")).json()
        self.assertEqual((letter["type"], letter["corp_id"], letter["source"], letter["attempts"]),
                         ("user_add_org", "ding1", "rds", 5))
        self.assertNotIn("buried_ms", letter)  # which a row does not tell
        midnight = 1767312000000  # UTC: the database has China Standard Time, or what is said
        self.assertEqual(letter["stored_ms"], midnight)
        for minutes in 0, 540, -720:
            moved = self.assert_ran(self.inbox("dead", "--json", "--utc-offset", str(minutes))).json()
            self.assertEqual(moved["stored_ms"], midnight + (480 - minutes) * 60000)
        self.assert_fails(self.inbox("dead", "--utc-offset", "CST"), 2, "--utc-offset")
        self.assert_fails(self.inbox("dead", "--utc-offset", "841"), 2, "--utc-offset")
        ran = self.assert_ran(self.inbox("dead", letter["id"]))
        self.assertIn("userid", ran.out)
        self.assertNotIn("1970", ran.out)
        self.assertNotIn("buried", ran.out)
        self.assertEqual(self.assert_ran(self.inbox("requeue", letter["id"])).out, "1 requeued\n")
        self.assertEqual(self.counts(), (1, 0, 0))
        self.assertEqual(sql("SELECT status FROM open_sync_biz_data ORDER BY id", self.database), [["0"], ["105"]])
        self.assert_fails(self.inbox("latest", "suite_ticket/1"), 1, "nothing has come")


if __name__ == "__main__":
    take_filler()
    main()
