"""inbox over SQLite; command lines and settings of inbox."""

import json
import sqlite3
import subprocess
import sys

from command import CommandTest
from inbox_tests import InboxCalls, InboxTests, take_filler
from sessions import SessionTest, main_or_write

BARE = None

SESSION = """\
dingcb inbox stats
dingcb inbox dead --type user_leave_org
dingcb inbox dead 2 --lang zh
dingcb inbox requeue 2
dingcb inbox purge --all --type user_add_org
dingcb inbox stats --json
dingcb inbox stats --sqlite event.db
"""


class Sqlite(InboxTests, CommandTest):
    flags = ("--sqlite", "events.db")

    def setUp(self):
        super().setUp()
        self.assertEqual(self.assert_ran(self.inbox("setup")).out, "ready\n")

    def filled(self):
        return self.fill("sqlite", "events.db")

    def test_setup_may_run_again(self):
        ids = self.filled()
        self.assertEqual(self.assert_ran(self.inbox("setup", "--json")).json(), {"ok": True})
        self.assertEqual(self.assert_ran(self.inbox("setup", "--lang", "zh")).out, "已就绪\n")
        self.assertEqual(self.listed(), ids)
        self.assertEqual((self.folder / "events.db").stat().st_mode & 0o777, 0o600)

    def test_an_older_file_is_brought_up_to_date(self):
        def version(change=""):
            database = sqlite3.connect(self.folder / "events.db")
            database.executescript(change)
            found = database.execute("PRAGMA user_version").fetchone()[0]
            database.close()
            return found

        newest = version()
        for action in ("setup", "stats"):
            self.assertEqual(version("DROP TABLE latest; PRAGMA user_version = 1"), 1)
            self.assert_ran(self.inbox(action))
            self.assertEqual(version(), newest)
            self.assert_fails(self.inbox("latest", "key"), 1, "nothing has come")

    def test_a_new_file_is_empty(self):
        self.assertEqual(self.counts(), (0, 0, 0))
        self.assertEqual(self.assert_ran(self.inbox("stats")).out.count("\n"), 3)
        self.assertEqual(self.assert_ran(self.inbox("dead")).out, "no dead letters\n")

    def test_times_that_nobody_means(self):
        letter = self.filled()[0]
        for born_ms, text in ((-5, "1969-12-31T23:59:59.995Z"), (-1000, "1969-12-31T23:59:59.000Z"),
                              (2**63 - 1, "292278994-08-17T07:12:55.807Z")):
            database = sqlite3.connect(self.folder / "events.db")
            database.execute("UPDATE event SET born_ms = ? WHERE id = ?", (born_ms, letter))
            database.commit()
            database.close()
            self.assertRegex(self.assert_ran(self.inbox("dead", letter)).out, rf"(?m)^happened +{text}$")

    def test_all_are_more_than_a_page(self):
        database = sqlite3.connect(self.folder / "events.db")
        database.executemany(
            "INSERT INTO event(dedup_key,ordering_key,twin_key,state,due_ms,stored_ms,source,type,corp_id,body) "
            "VALUES(?,'','',2,0,0,0,'t','c','{}')", [[f"many/{i}"] for i in range(250)])
        database.execute("UPDATE counter SET value = value + 250 WHERE name = 'dead'")
        database.commit()
        database.close()
        self.assertEqual(self.counts(), (0, 0, 250))
        self.assertEqual(self.assert_ran(self.inbox("requeue", "--all")).out, "250 requeued\n")
        self.assertEqual(self.counts(), (250, 0, 0))

    def test_a_missing_file_is_not_made(self):
        for action in ("stats", "dead", "requeue", "purge", "latest"):
            more = {"requeue": ["1"], "purge": ["--all"], "latest": ["key"]}.get(action, [])
            ran = self.run_bare("inbox", action, *more, "--sqlite", "missing.db")
            self.assert_fails(ran, 3, "there is no file missing.db", "dingcb inbox setup --sqlite FILE")
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["events.db"])

    def test_files_that_are_no_inbox(self):
        self.write("text.db", "this is no database, and long enough to be seen as none" * 20)
        self.assert_fails(self.run_bare("inbox", "stats", "--sqlite", "text.db"), 3, "text.db", "docs/errors.md")
        other = sqlite3.connect(self.folder / "other.db")
        other.execute("CREATE TABLE other(a)")
        other.commit()
        other.close()
        for action in ("stats", "setup"):
            ran = self.run_bare("inbox", action, "--sqlite", "other.db")
            self.assert_fails(ran, 3, "belongs to another program", "another file")
        newer = sqlite3.connect(self.folder / "events.db")
        newer.execute("PRAGMA user_version = 99")
        newer.commit()
        newer.close()
        self.assert_fails(self.inbox("stats"), 3, "newer release", "99")
        self.assert_fails(self.run_bare("inbox", "setup", "--sqlite", "no/folder.db"), 3, "no/folder.db", "folder")
        self.assert_fails(self.run_bare("inbox", "stats", "--sqlite", "."), 3, "the inbox .")

    def test_a_file_that_somebody_locks(self):
        other = sqlite3.connect(self.folder / "events.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        try:
            self.assert_fails(self.inbox("requeue", "1", "--timeout", "1"), 3, "locked", "--timeout")
        finally:
            other.close()

    def test_rds_push_is_not_in_sqlite(self):
        self.assert_fails(self.inbox("setup", "--rds"), 2, "MySQL", "--mysql")


class Usage(CommandTest):
    def inbox(self, *arguments, **environment):
        return self.run_with(environment, "inbox", *arguments)

    def test_actions_and_what_goes_with_them(self):
        place = ["--sqlite", "missing.db"]
        for arguments, complaint in (
            ([], "action is required"), (["frobnicate"], "action has to be one of setup,stats,dead,requeue,purge,latest"),
            (["stats", "1", *place], "stats takes no ids"), (["setup", "1", *place], "setup takes no ids"),
            (["requeue", *place], "takes ids, or --all"), (["purge", *place], "takes ids, or --all"),
            (["requeue", "1", "--all", *place], "not both"), (["dead", "1", "--type", "x", *place], "not both"),
            (["latest", *place], "one key"), (["latest", "a", "b", *place], "one key"),
            (["stats", "--limit", "3", *place], "--limit does not go with inbox stats"),
            (["dead", "--all", *place], "--all does not go with inbox dead"),
            (["stats", "--print-schema", *place], "--print-schema does not go with inbox stats"),
            (["dead", "--after", "x", *place], "--after takes the id of a dead letter"),
            (["dead", "--limit", "0", *place], "--limit has to be from 1 to 10000"),
            (["stats", "--sqlite", "a", "--mysql", "b"], "excludes"),
            (["setup", "--no-index", "--mysql", "b"], "--rds"),
            (["dead", "--subscribe-id", "x", "--mysql", "b"], "--rds"),
        ):
            self.assert_fails(self.inbox(*arguments), 2, complaint, "dingcb inbox --help")
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_no_option_takes_a_password(self):
        ran = self.assert_fails(self.inbox("stats", "--password", "s3cret"), 2, "no option --password")
        self.assertNotIn("s3cret", ran.err)
        help_text = self.assert_ran(self.inbox("--help")).out
        self.assertIn("--password-file FILE", help_text)
        self.assertNotRegex(help_text, r"--password[ =]")

    def test_an_inbox_has_to_be_named(self):
        self.assert_fails(self.inbox("stats"), 3, "no inbox is named", "DINGCB_SQLITE", "--mysql")
        self.assert_fails(self.inbox("stats", DINGCB_SQLITE="a", DINGCB_MYSQL="b"), 3, "two inboxes")

    def test_settings(self):
        self.assert_ran(self.inbox("setup", "--sqlite", "events.db"))
        self.assertEqual(self.assert_ran(self.inbox("stats", DINGCB_SQLITE="events.db")).out.count("\n"), 3)
        self.write("dingcb.env", "DINGCB_TOKEN=t\nDINGCB_SQLITE=events.db\n")
        self.assert_ran(self.inbox("stats", "--config", "dingcb.env"))
        self.write("dingcb.json", json.dumps({"token": "t", "inbox": {"sqlite": "events.db"}}))
        self.assert_ran(self.inbox("stats", DINGCB_CONFIG="dingcb.json"))
        self.write("apps.json", json.dumps({"apps": [{"label": "a"}], "inbox": {"sqlite": "events.db"}}))
        self.assert_ran(self.inbox("stats", "--config", "apps.json"))
        # The nearer one counts, whatever kind the other is.
        self.assert_ran(self.inbox("stats", "--sqlite", "events.db", DINGCB_MYSQL="nowhere"))
        self.assert_ran(self.inbox("stats", "--config", "dingcb.env", DINGCB_SQLITE="events.db"))
        self.assert_fails(self.inbox("stats", "--config", "dingcb.env", DINGCB_SQLITE="missing.db"), 3, "missing.db")
        # Other verbs pass them by.
        self.assert_fails(self.run_bare("verify", "--config", "dingcb.json", stdin="{}"), 1, "no timestamp")

    def test_settings_that_are_wrong(self):
        for text, complaint in (('{"inbox":{"pasword":"s3cret"}}', '"pasword" of "inbox"'),
                                ('{"inbox":{"password":17}}', '"password" has to be a text'),
                                ('{"inbox":"s3cret"}', '"inbox" is no JSON object'),
                                ('{"apps":[{"inbox":{"password":"s3cret"}}]}', 'nobody knows the key "inbox"'),
                                ("DINGCB_MYSQL_PASWORD=s3cret\n", "line 1")):
            self.write("wrong", text)
            ran = self.assert_fails(self.inbox("stats", "--config", "wrong"), 3, "wrong", complaint)
            self.assertNotIn("s3cret", ran.err)
        self.assert_fails(self.inbox("stats", "--mysql", "h", "--password-file", "missing"), 3, "file missing")

    def test_a_build_without_a_database_says_so(self):
        for arguments, complaint, package in ((["stats", "--sqlite", "a"], "without SQLite", "libsqlite3-dev"),
                                              (["stats", "--mysql", "h", "--database", "d"], "without MySQL", "libmariadb"),
                                              (["setup", "--print-schema"], "without MySQL", "libmariadb")):
            ran = subprocess.run([BARE, "inbox", *arguments], capture_output=True, text=True, env=self.environment(),
                                 cwd=self.folder, timeout=60, check=False)
            self.assertEqual((ran.returncode, ran.stdout), (3, ""), ran)
            self.assertIn(complaint, ran.stderr)
            self.assertIn(package, ran.stderr)
        self.assertEqual(list(self.folder.iterdir()), [])


class Session(InboxCalls, SessionTest):
    file = "inbox_test.py"
    flags = ("--sqlite", "events.db")

    def session(self):
        self.assert_ran(self.inbox("setup"))
        self.fill("sqlite", "events.db")
        return self.run_session(SESSION, DINGCB_SQLITE="events.db")

    def test_documents_show_what_the_command_prints(self):
        self.check_documents()


if __name__ == "__main__":
    take_filler()
    BARE = sys.argv.pop(2)
    main_or_write(Session("test_documents_show_what_the_command_prints"))
