"""conform: a good endpoint passes, and each of many broken ones is found, by name."""

import socket

from command import CommandTest, main
from service import FAULTS, Service

# Nothing here is to fail on a slow machine.
PATIENT = ("--deadline", "60000", "--timeout", "60000")

# The checks that find a fault; all others are found by the first one already.
FOUND_BY = {
    "fails_on_unknown_events": "unknown", "fails_on_padding_above_16": "padding", "counts_characters": "letters",
    "refuses_long_messages": "long", "refuses_duplicates": "duplicates", "reads_signature_only": "msg-signature",
    "no_percent_decoding": "percent", "needs_content_length": "chunked", "same_reply_every_time": "fresh",
    "signature_not_checked": "forgeries", "owner_key_not_checked": "forgeries", "forgeries_are_500": "malformed",
    "rows_are_unknown": "batch",
}


class Conform(CommandTest):
    def test_good_endpoint_passes_everything(self):
        checks = [line.split()[0] for line in self.assert_ran(self.run_bare("conform", "--list")).out.splitlines()]
        self.assertGreater(len(checks), 15)
        with Service() as service:
            ran = self.assert_ran(self.dingcb("conform", service.url, *PATIENT))
            self.assertIn(f"\n{len(checks)} passed, 0 failed\n", ran.out)
            self.assertEqual([line.split()[:2] for line in ran.out.splitlines()[1:-1]],
                             [["ok", name] for name in checks])
            self.assertGreater(len(service.received), 500)

    def test_each_fault_is_found_by_name(self):
        self.assertGreaterEqual(len(FAULTS), 12)
        for fault, cause in FAULTS.items():
            check = FOUND_BY.get(fault, "check-url")
            patient = ("--timeout", "60000") if fault == "three_seconds" else PATIENT
            with self.subTest(fault=fault), Service(fault) as service:
                ran = self.dingcb("conform", service.url, "--json", "--only", check, *patient)
                self.assertEqual(ran.exit, 1, ran)
                found, summary = ran.jsons()
                self.assertEqual((found["check"], found["ok"], summary["failed"]), (check, False, 1))
                self.assertIn(cause, [one["cause"] for one in found["failures"]], ran)
                self.assertTrue(all(one["en"] and one["zh"] for one in found["failures"]))

    def test_whole_suite_names_the_fault_once_in_words(self):
        with Service("wrong_owner_key_in_reply") as service:
            ran = self.dingcb("conform", service.url, "--lang", "zh", *PATIENT)
            self.assertEqual(ran.exit, 1, ran)
            self.assertRegex(ran.out, r"FAILED  events +所有事件类型（HTTP） .*\n        owner_key_wrong \(242x, ")
            self.assertEqual(ran.out.count("封装的 owner key 与推送中的不同"), 1)
            self.assertRegex(ran.out, r"(?m)^ok      forgeries ")

    def test_nobody_listens(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{unused.getsockname()[1]}/callback"
            self.assert_fails(self.dingcb("conform", url), 4, "no HTTP answer", "start the endpoint")

    def test_usage(self):
        self.assert_fails(self.dingcb("conform"), 2, "URL is missing", "dingcb conform --help")
        self.assert_fails(self.dingcb("conform", "http://127.0.0.1:1/", "--only", "forgeris"), 2,
                          "no check forgeris", "did you mean forgeries?")
        self.assertIn("拒绝伪造的推送", self.assert_ran(self.run_bare("conform", "--list", "--lang", "zh")).out)


if __name__ == "__main__":
    main()
