"""What `dingcb inbox` does with whichever inbox: classes to derive from, beside CommandTest."""

import pathlib
import subprocess
import sys

BODY = '{"EventType":"user_add_org","CorpId":"ding1","note":"plaintext of a"}'


def take_filler():
    """Takes fill_inbox out of the command line, where it stands behind dingcb."""
    InboxCalls.filler = str(pathlib.Path(sys.argv.pop(2)).resolve())


class InboxCalls:
    """Derive with `flags`, which say where the inbox is."""

    filler = None
    flags = ()

    def inbox(self, action, *arguments, **environment):
        return self.run_with(environment, "inbox", action, *arguments, *self.flags)

    def fill(self, *arguments):
        """@return the ids of the dead letters a, b and c."""
        ran = subprocess.run([self.filler, *map(str, arguments)], stdout=subprocess.PIPE, text=True, cwd=self.folder,
                             timeout=60, check=True)
        return ran.stdout.split()

    def listed(self, *arguments):
        return [letter["id"] for letter in self.assert_ran(self.inbox("dead", "--json", *arguments)).jsons()]

    def counts(self):
        stats = self.assert_ran(self.inbox("stats", "--json")).json()
        return stats["pending"], stats["claimed"], stats["dead"]


class InboxTests(InboxCalls):
    """Derive with `filled()`, which makes an inbox and fills it."""

    def test_stats_and_lists(self):
        a, b, c = self.filled()
        self.assertEqual(self.counts(), (2, 1, 3))
        ran = self.assert_ran(self.inbox("stats"))
        self.assertRegex(ran.out, r"\Apending +2\nclaimed +1\ndead letters +3\noldest +20\d\d-\d\d-\d\dT[\d:.]{12}Z\n\Z")
        self.assertRegex(self.assert_ran(self.inbox("stats", "--lang", "zh")).out, r"\A待处理 +2\n处理中 +1\n死信 +3\n")

        ran = self.assert_ran(self.inbox("dead"))
        self.assertNotIn("plaintext", ran.out)
        self.assertNotIn("\x1b", ran.out)
        lines = ran.out.splitlines()
        self.assertEqual(len(lines), 4, ran)
        self.assertRegex(lines[0], r"^id +buried +attempts +type +corp +why$")
        self.assertRegex(lines[1], rf"^{a} +20[\d:.TZ-]{{22}} +1 +user_add_org +ding1 +no room\?\[2J\?for a$")
        self.assertEqual({line.index("user_") for line in lines[1:]}, {lines[0].index("type")})
        self.assertRegex(self.assert_ran(self.inbox("dead", "--lang", "zh")).out, r"\A编号 +成为死信 ")

        letters = self.assert_ran(self.inbox("dead", "--json")).jsons()
        self.assertEqual([letter["id"] for letter in letters], [a, b, c])
        first = letters[0]
        self.assertEqual((first["type"], first["corp_id"], first["source"], first["attempts"], first["why"],
                          first["dedup_key"], first["ordering_key"], first["born_ms"]),
                         ("user_add_org", "ding1", "http", 1, "no room\x1b[2J\nfor a", "dedup/a", "ding1/a",
                          1606126433281))
        self.assertGreaterEqual(first["buried_ms"], first["stored_ms"])
        self.assertNotIn("body", first)

        self.assertEqual(self.listed("--type", "user_add_org"), [a, c])
        self.assertEqual(self.listed("--corp", "ding1"), [a, b])
        self.assertEqual(self.listed("--type", "user_add_org", "--corp", "ding1"), [a])
        ran = self.inbox("dead", "--json", "--limit", "2")
        self.assertEqual((ran.exit, [one["id"] for one in ran.jsons()]), (0, [a, b]))
        self.assertEqual(ran.err, f"there may be more: --after {b}\n")
        self.assertEqual(self.listed("--after", b), [c])
        self.assertEqual(self.assert_ran(self.inbox("dead", "--type", "nothing")).out, "no dead letters\n")
        self.assertEqual(self.assert_ran(self.inbox("dead", "--type", "nothing", "--json")).out, "")

    def test_whole_letters(self):
        a, b, _ = self.filled()
        ran = self.assert_ran(self.inbox("dead", a))
        self.assertTrue(ran.out.endswith(f"\n{BODY}\n"), ran)
        for text in (rf"(?m)^id +{a}$", r"(?m)^happened +2020-11-23T10:13:53\.281Z$", r"(?m)^why +no room\?\[2J\?for a$"):
            self.assertRegex(ran.out, text)
        self.assertRegex(self.inbox("dead", a, "--lang", "zh").out, rf"\A编号 +{a}\n尝试次数 +1\n")
        letters = self.assert_ran(self.inbox("dead", "--json", a, b)).jsons()
        self.assertEqual([letter["id"] for letter in letters], [a, b])
        self.assertEqual(letters[0]["body"], BODY)
        self.assert_fails(self.inbox("dead", "99999"), 1, "no dead letter 99999")
        self.assert_fails(self.inbox("dead", "x"), 1, "no dead letter x")

    def test_requeue_and_purge(self):
        a, b, c = self.filled()
        ran = self.assert_ran(self.inbox("requeue", b, b, "--json"))
        self.assertEqual(ran.json(), {"ok": True, "requeued": 1, "missing": 0})
        self.assertEqual(self.counts(), (3, 1, 2))
        ran = self.inbox("requeue", b, "99999", a)  # b is one no longer
        self.assertEqual((ran.exit, ran.out), (1, "1 requeued\n"), ran)
        self.assertIn("2 of the ids", ran.err)
        self.assertEqual(self.listed(), [c])
        ran = self.assert_ran(self.inbox("purge", c, "--lang", "zh"))
        self.assertRegex(ran.out, r"^1 条")
        self.assertEqual(self.counts(), (4, 1, 0))
        ran = self.inbox("purge", c, "--json")
        self.assertEqual((ran.exit, ran.json()), (1, {"ok": False, "purged": 0, "missing": 1}))

    def test_requeue_and_purge_all(self):
        a, b, c = self.filled()
        self.assertEqual(self.assert_ran(self.inbox("purge", "--all", "--corp", "ding2")).out, "1 purged\n")
        self.assertEqual(self.listed(), [a, b])
        self.assertEqual(self.assert_ran(self.inbox("requeue", "--all", "--type", "user_add_org")).out, "1 requeued\n")
        self.assertEqual(self.listed(), [b])
        self.assertEqual(self.assert_ran(self.inbox("requeue", "--all")).out, "1 requeued\n")
        self.assertEqual(self.assert_ran(self.inbox("requeue", "--all")).out, "0 requeued\n")
        self.assertEqual(self.counts(), (4, 1, 0))

    def test_latest(self):
        self.filled()
        ran = self.assert_ran(self.inbox("latest", "suite_ticket/suite4xxxxxxxxxxxxxxx"))
        self.assertRegex(ran.out, r"\Atype +suite_ticket\n")
        self.assertTrue(ran.out.endswith('"note":"plaintext of ticket"}\n'), ran)
        event = self.assert_ran(self.inbox("latest", "--json", "suite_ticket/suite4xxxxxxxxxxxxxxx")).json()
        self.assertEqual((event["type"], event["dedup_key"]), ("suite_ticket", "dedup/ticket"))
        self.assertIn("plaintext of ticket", event["body"])
        self.assert_fails(self.inbox("latest", "suite_ticket/other"), 1, "nothing has come")
