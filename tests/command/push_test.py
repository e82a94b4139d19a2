"""push: against an endpoint in Python, good and broken."""

import json
import os
import pty
import socket
import subprocess
import threading

from command import CommandTest, main
from service import FAULTS, Service

# Nothing here is to fail on a slow machine.
PATIENT = ("--deadline", "60000", "--timeout", "60000")


class Push(CommandTest):
    def push(self, service, *arguments, exit_code=0, **more):
        ran = self.dingcb("push", service.url, *arguments, *PATIENT, **more)
        return self.assert_ran(ran, exit_code)

    def test_url_check_by_default(self):
        with Service() as service:
            ran = self.push(service)
            self.assertRegex(ran.out, r"\Aok      check_url  http       200  +[\d.]+ ms\n"
                                      r"1 sent, 1 as they should be, 0 not in [\d.]+ s \(\d+ a second\)\n"
                                      r"answered in p50 [\d.]+ ms, p90 [\d.]+ ms, p99 [\d.]+ ms, at most [\d.]+ ms\n\Z")
            self.assertEqual(json.loads(service.received[0]), {"EventType": "check_url"})

    def test_fields_of_the_sample(self):
        with Service() as service:
            self.push(service, "user_add_org", "--set", 'userId=["u1","张三"]', "--set", "name=42", "--set",
                      "CorpId=ding1")
            event = json.loads(service.received[0])
            self.assertEqual((event["EventType"], event["userId"], event["name"], event["CorpId"]),
                             ("user_add_org", ["u1", "张三"], "42", "ding1"))
            self.push(service, "user_add_org", "--set", "userId=u1", "--set", "unionEmpExt.corpId=ding2", "--set",
                      "active=true")
            event = json.loads(service.received[1])
            self.assertEqual((event["userId"], event["unionEmpExt"], event["active"]),
                             (["u1"], {"corpId": "ding2"}, True))

    def test_fields_that_do_not_exist(self):
        with Service() as service:
            self.assert_fails(self.dingcb("push", service.url, "user_add_org", "--set", "usrId=1"), 2,
                              "user_add_org has no field usrId", "did you mean userId?")
            self.assert_fails(self.dingcb("push", service.url, "user_add_org", "--set", "userId"), 2, "field=value")
            self.assert_fails(self.dingcb("push", service.url, "chat_*", "--set", "a=b"), 2, "--set changes one event")
            self.assert_fails(self.dingcb("push", service.url, "user_ad_org"), 2, "did you mean user_add_org?")
            self.assert_fails(self.dingcb("push", service.url, "zzz*"), 2, "no event fits zzz*")
            self.assert_fails(self.dingcb("push", service.url, "check_url", "--mode", "sync-http"), 2, "SyncHTTP")
            self.assertEqual(service.received, [])

    def test_rows(self):
        with Service() as service:
            self.push(service, "user_add_org", "org_suite_auth", "--mode", "sync-http")
            medium, high = (json.loads(text) for text in service.received)
            self.assertEqual((medium["EventType"], high["EventType"]), ("SYNC_HTTP_PUSH_MEDIUM", "SYNC_HTTP_PUSH_HIGH"))
            row, = medium["bizData"]
            self.assertEqual((row["biz_type"], json.loads(row["biz_data"])["syncAction"]), (13, "user_add_org"))
            self.push(service, "user_*", "--mode", "sync-http", "--batch", "--msg-signature")
            batch = json.loads(service.received[2])["bizData"]
            self.assertGreater(len(batch), 3)
            self.assertEqual(len({json.loads(row["biz_data"])["eventId"] for row in batch}), len(batch))
            self.assert_fails(self.dingcb("push", service.url, "user_add_org", "--batch"), 2, "--mode sync-http")
            self.push(service, "user_add_org", "--mode", "sync-http", "--set", "userId=u7")
            self.assertEqual(json.loads(json.loads(service.received[3])["bizData"][0]["biz_data"])["userId"], ["u7"])

    def test_each_event_by_the_modes_that_it_has(self):
        with Service() as service:
            ran = self.push(service, "*", "--concurrency", "4", "--json")
            lines = ran.jsons()
            types = self.run_bare("events").out.splitlines()
            self.assertEqual(len(lines), len(types) + 1)
            self.assertEqual({one["mode"] for one in lines[:-1]}, {"http", "sync-http"})
            self.assertEqual((lines[-1]["sent"], lines[-1]["good"], lines[-1]["causes"]), (len(types), len(types), {}))

    def test_file(self):
        with Service() as service:
            self.write("event.json", '{"EventType":"of_my_own","n":"𠮷"}')
            self.push(service, "--file", "event.json")
            self.push(service, "--file", "-", "--repeat", "2", stdin='{"EventType":"two"}')
            self.assertEqual(service.received, ['{"EventType":"of_my_own","n":"𠮷"}'] + ['{"EventType":"two"}'] * 2)
            self.assert_fails(self.dingcb("push", service.url, "check_url", "--file", "event.json"), 2, "--file")
            self.assert_fails(self.dingcb("push", service.url, "--file", "missing"), 3, "missing")

    def test_repetitions_duplicates_and_order(self):
        with Service() as service:
            ran = self.push(service, "user_add_org", "--repeat", "30", "--duplicate", "2", "--reorder",
                            "--concurrency", "4")
            ids = [json.loads(text)["eventId"] for text in service.received]
            self.assertEqual((len(ids), len(set(ids))), (90, 30))
            self.assertEqual({ids.count(one) for one in ids}, {3})
            self.assertIn("90 sent, 90 as they should be, 0 not", ran.out)
            self.assertNotIn("ok  ", ran.out)  # of a long run only what failed
        with Service() as service:
            self.push(service, "chat_*", "--reorder", "--seed", "7")
            shuffled = [json.loads(text)["EventType"] for text in service.received]
            self.assertNotEqual(shuffled, sorted(shuffled))
            self.push(service, "chat_*", "--reorder", "--seed", "7")
            again = [json.loads(text)["EventType"] for text in service.received][len(shuffled):]
            self.assertEqual(shuffled, again)

    def test_forgeries(self):
        with Service() as service:
            ran = self.push(service, "user_add_org", "--forge", "all", "--json")
            self.assertEqual([(one["forged"], one["ok"], one["status"]) for one in ran.jsons()[:-1]],
                             [(one, True, 403) for one in ("signature", "token", "aes-key", "owner-key", "body")])
            self.assertEqual(service.received, [])
            self.push(service, "--forge", "token")
        for fault, forgery, cause in (("signature_not_checked", "signature", "forgery_accepted"),
                                      ("owner_key_not_checked", "owner-key", "forgery_accepted"),
                                      ("forgeries_are_500", "body", "forgery_broke_it")):
            with Service(fault) as service:
                ran = self.dingcb("push", service.url, "--forge", forgery, *PATIENT)
                self.assertEqual(ran.exit, 1, ran)
                self.assertIn(cause, ran.out)

    def test_every_fault_of_an_answer_by_name(self):
        for fault, cause in FAULTS.items():
            if fault in ("three_seconds", "no_percent_decoding", "needs_content_length", "same_reply_every_time"):
                continue  # conform sends such requests; the first has its own test
            if cause in ("forgery_accepted", "forgery_broke_it"):
                continue
            arguments = {
                "fails_on_unknown_events": ["--file", "-"], "counts_characters": ["--file", "-"],
                "refuses_long_messages": ["--file", "-"], "fails_on_padding_above_16": ["--file", "-"],
                "refuses_duplicates": ["user_add_org", "--duplicate", "1"], "reads_signature_only": ["--msg-signature"],
                "rows_are_unknown": ["user_add_org", "--mode", "sync-http"],
            }.get(fault, [])
            stdin = {"fails_on_unknown_events": '{"EventType":"dingcb_x"}', "counts_characters": '{"EventType":"张"}',
                     "refuses_long_messages": '{"EventType":"x","y":"' + "z" * 70000 + '"}',
                     "fails_on_padding_above_16": '{"EventType":"abcdefgh"}'}.get(fault, "")
            with self.subTest(fault=fault), Service(fault) as service:
                ran = self.dingcb("push", service.url, "--json", *arguments, *PATIENT, stdin=stdin)
                self.assertEqual(ran.exit, 1, ran)
                self.assertIn(cause, [one["cause"] for one in ran.jsons()[:-1]], ran)

    def test_late_answer(self):
        with Service("three_seconds") as service:
            ran = self.dingcb("push", service.url, "--lang", "zh", "--timeout", "60000")
            self.assertEqual(ran.exit, 1, ran)
            self.assertRegex(ran.out, r"(?m)^FAILED  check_url .* late$")
            self.assertIn("超时", ran.out)
            self.assertIn("\n  late 1\n", ran.out)
            ran = self.dingcb("push", service.url, "--timeout", "50")
            self.assertEqual(ran.exit, 1, ran)
            self.assertIn("no_answer", ran.out)

    def test_nobody_listens(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            ran = self.dingcb("push", f"http://127.0.0.1:{unused.getsockname()[1]}/callback")
            self.assertEqual(ran.exit, 4, ran)
            self.assertIn("no_answer", ran.out)
            self.assertIn("check host and port", ran.out)

    def test_connection_that_is_closed(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            def serve():
                for _ in range(2):  # libcurl tries a connection twice where it was closed without an answer
                    try:
                        connection, _ = server.accept()
                    except OSError:
                        return
                    connection.recv(1 << 16)
                    connection.close()
            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            ran = self.dingcb("push", f"http://127.0.0.1:{server.getsockname()[1]}/callback", *PATIENT)
            self.assertEqual(ran.exit, 1, ran)
            self.assertIn("no_answer", ran.out)

    def test_no_url(self):
        self.assert_fails(self.dingcb("push"), 2, "url", "dingcb push --help")
        self.assert_fails(self.dingcb("push", "ftp://x/y"), 2, "no http or https URL", "http://127.0.0.1:8080/callback")
        self.assert_fails(self.run_bare("push", "http://127.0.0.1:1/"), 3, "the token")

    def test_dry_run(self):
        ran = self.assert_ran(self.dingcb("push", "http://127.0.0.1:1/cb?a=b", "user_add_org", "--dry-run"))
        self.assertRegex(ran.out, r"\Acurl 'http://127.0.0.1:1/cb\?a=b&signature=")
        opened = self.assert_ran(self.dingcb("decrypt", stdin=ran.out))
        self.assertEqual(json.loads(opened.out)["EventType"], "user_add_org")

    def test_headers_and_proxy(self):
        with Service() as service:
            self.push(service, "--header", "X-One: 1", "check_url", http_proxy="http://127.0.0.1:1",
                      ALL_PROXY="http://127.0.0.1:1")
            self.assertEqual(len(service.received), 1)

    def test_progress_on_a_terminal_only(self):
        with Service() as service:
            leader, follower = pty.openpty()
            settings = {"DINGCB_TOKEN": "123456", "DINGCB_AES_KEY": "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij",
                        "DINGCB_OWNER_KEY": "suite4xxxxxxxxxxxxxxx"}
            process = subprocess.Popen([self.program, "push", service.url, "--repeat", "50", *PATIENT],
                                       stdout=subprocess.PIPE, stderr=follower, env=self.environment(**settings))
            os.close(follower)
            out, _ = process.communicate(timeout=120)
            shown = b""
            while True:
                try:
                    piece = os.read(leader, 4096)
                except OSError:
                    break
                if not piece:
                    break
                shown += piece
            os.close(leader)
            self.assertEqual(process.returncode, 0)
            self.assertIn(b"50 of 50, 0 failed", shown)
            self.assertIn(b"50 sent, 50 as they should be", out)


if __name__ == "__main__":
    main()
