"""capture and replay: what is received, kept, and sent again."""

import json
import signal
import socket
import stat
import subprocess
import tempfile
import urllib.error
import urllib.request

import protocol
from command import AES_KEY, OWNER_KEY, TOKEN, CommandTest, main
from service import Service

SETTINGS = {"DINGCB_TOKEN": TOKEN, "DINGCB_AES_KEY": AES_KEY, "DINGCB_OWNER_KEY": OWNER_KEY}
PATIENT = ("--deadline", "60000", "--timeout", "60000")


class Capture:
    """A running `dingcb capture`."""

    def __init__(self, test, *arguments, environment=None):
        environment = test.environment(**(SETTINGS if environment is None else environment))
        self.out = tempfile.TemporaryFile()
        test.addCleanup(self.out.close)
        self.process = subprocess.Popen([test.program, "capture", "--port", "0", *arguments], cwd=test.folder,
                                        env=environment, stdout=self.out, stderr=subprocess.PIPE,
                                        bufsize=0)  # readline() must not take more than the line
        test.addCleanup(self.process.kill)
        line = self.process.stderr.readline().decode()
        test.assertRegex(line, r"^listening at http://127.0.0.1:\d+/ ")
        self.url = line.split()[2] + "callback"

    def end(self, with_signal=None):
        if with_signal is not None:
            self.process.send_signal(with_signal)
        _, err = self.process.communicate(timeout=120)
        self.out.seek(0)
        return self.process.returncode, self.out.read().decode(), err.decode()


class CaptureTest(CommandTest):
    def test_answers_shows_and_keeps(self):
        capture = Capture(self, "--count", "3", "-o", "pushes.jsonl")
        self.assert_ran(self.dingcb("push", capture.url, "check_url", "user_add_org", *PATIENT))
        query, body = protocol.push("other", AES_KEY, OWNER_KEY, "{}")
        request = urllib.request.Request(f"{capture.url}?{query}", body.encode(), {"Content-Type": "application/json"})
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        self.assertEqual(refused.exception.code, 403)
        refused.exception.close()
        code, out, err = capture.end()
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z  POST /callback  \d+ bytes  -> 200\n"
                              r'  \{"EventType":"check_url"\}$')
        self.assertIn("  token_wrong: ", out)

        path = self.folder / "pushes.jsonl"
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        self.assertEqual([line["status"] for line in lines], [200, 200, 403])
        self.assertEqual([json.loads(line.get("plaintext", "{}")).get("EventType") for line in lines],
                         ["check_url", "user_add_org", None])
        self.assertNotIn(AES_KEY, path.read_text())

        # Other verbs read the file.
        ran = self.dingcb("decrypt", "pushes.jsonl", "--json")
        self.assertEqual([(one["name"], one["ok"]) for one in ran.jsons()],
                         [("line 1", True), ("line 2", True), ("line 3", False)])
        ran = self.dingcb("diagnose", "pushes.jsonl", "--json")
        self.assertEqual([one["cause"] for one in ran.jsons()][:4], ["none"] * 4, ran)

    def test_without_keys(self):
        capture = Capture(self, "--count", "1", "--json", environment={})
        ran = self.dingcb("push", capture.url, *PATIENT)
        self.assertEqual(ran.exit, 1, ran)
        self.assertIn("status_not_200", ran.out)
        code, out, err = capture.end()
        self.assertEqual(code, 0)
        self.assertIn("no keys are set", err)
        self.assertEqual((json.loads(out)["status"], "plaintext" in json.loads(out)), (503, False))

    def test_signals_end_it(self):
        for one in (signal.SIGINT, signal.SIGTERM):
            capture = Capture(self, "-o", "pushes.jsonl")
            self.assertEqual(self.dingcb("push", capture.url, *PATIENT).exit, 0)
            self.assertEqual(capture.end(one)[0], 0)
            self.assertEqual(Capture(self).end(one)[0], 0)  # also at once
        self.assertEqual(len((self.folder / "pushes.jsonl").read_text().splitlines()), 2)  # added to, not overwritten

    def test_conforms_itself(self):
        capture = Capture(self, "-o", "/dev/null")
        ran = self.assert_ran(self.dingcb("conform", capture.url, *PATIENT))
        self.assertIn(" passed, 0 failed\n", ran.out)
        self.assertEqual(capture.end(signal.SIGINT)[0], 0)

    def test_failures(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            self.assert_fails(self.dingcb("capture", "--port", port), 4, "cannot listen", "another --port")
        self.assert_fails(self.dingcb("capture", "-o", "no/such/folder"), 3, "cannot write no/such/folder")
        self.assert_fails(self.dingcb("capture", "--port", "70000"), 2, "--port has to be from 0 to 65535")
        self.assert_fails(self.dingcb("capture", DINGCB_OWNER_KEY=""), 3, "the owner key")


class Replay(CommandTest):
    def captured(self, *texts, token=TOKEN):
        lines = []
        for text in texts:
            query, body = protocol.push(token, AES_KEY, OWNER_KEY, text, timestamp="1600000000000")
            lines.append(json.dumps({"method": "POST", "target": "/old?" + query, "body": body}))
        return "\n".join(lines) + "\n"

    def test_sends_the_same_events_signed_anew(self):
        texts = ['{"EventType":"one","n":"𠮷"}', '{"EventType":"two"}']
        self.write("pushes.jsonl", self.captured(*texts))
        with Service() as service:
            ran = self.assert_ran(self.dingcb("replay", service.url, "pushes.jsonl", *PATIENT))
            self.assertEqual(service.received, texts)
            self.assertRegex(ran.out, r"\Aok      line 1     one  +200 +[\d.]+ ms\nok      line 2     two ")
            self.assertIn("\n2 sent, 2 as they should be, 0 not", ran.out)
            ran = self.assert_ran(self.dingcb("replay", service.url, "-", "--nth", "2", "--json", *PATIENT,
                                              stdin=self.captured(*texts)))
            self.assertEqual((ran.jsons()[0]["event"], ran.jsons()[1]["sent"]), ("two", 1))
            self.assertEqual(service.received, [*texts, texts[1]])

    def test_as_is(self):
        self.write("pushes.jsonl", self.captured('{"EventType":"one"}'))
        seen = []
        with Service() as service:
            ran = self.assert_ran(self.dingcb("replay", service.url, "pushes.jsonl", "--as-is", *PATIENT))
            self.assertIn("1 as they should be", ran.out)
            seen.extend(service.received)
        self.assertEqual(seen, ['{"EventType":"one"}'])
        capture = Capture(self, "--count", "2", "--json")
        self.dingcb("replay", capture.url, "pushes.jsonl", "--as-is", *PATIENT)
        self.dingcb("replay", capture.url, "pushes.jsonl", *PATIENT)
        as_is, anew = (json.loads(line) for line in capture.end()[1].splitlines())
        self.assertIn("timestamp=1600000000000", as_is["target"])
        self.assertNotIn("timestamp=1600000000000", anew["target"])
        self.assertEqual(as_is["plaintext"], anew["plaintext"])

    def test_other_app(self):
        apps = [{"label": "old", "token": "t1", "aes_key": AES_KEY, "owner_keys": [OWNER_KEY]},
                {"label": "new", "token": TOKEN, "aes_key": AES_KEY, "owner_keys": [OWNER_KEY]}]
        self.write("apps.json", json.dumps({"apps": apps}))
        self.write("pushes.jsonl", self.captured('{"EventType":"one"}', token="t1"))
        with Service() as service:
            ran = self.run_bare("replay", service.url, "pushes.jsonl", "--config", "apps.json", "--app", "old",
                                "--to-app", "new", *PATIENT)
            self.assert_ran(ran)
            self.assertEqual(service.received, ['{"EventType":"one"}'])

    def test_what_cannot_be_opened_is_not_sent(self):
        self.write("pushes.jsonl", self.captured('{"EventType":"one"}', token="other") +
                   self.captured('{"EventType":"2"}'))
        with Service() as service:
            ran = self.dingcb("replay", service.url, "pushes.jsonl", *PATIENT)
            self.assertEqual(ran.exit, 1, ran)
            self.assertRegex(ran.out, r"(?m)^FAILED  line 1 .* token_wrong$")
            self.assertEqual(service.received, ['{"EventType":"2"}'])

    def test_failures(self):
        self.write("pushes.jsonl", self.captured('{"EventType":"one"}'))
        with Service("success_in_clear") as service:
            ran = self.dingcb("replay", service.url, "pushes.jsonl", *PATIENT)
            self.assertEqual(ran.exit, 1, ran)
            self.assertIn("reply_not_encrypted", ran.out)
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            ran = self.dingcb("replay", f"http://127.0.0.1:{unused.getsockname()[1]}/", "pushes.jsonl")
            self.assertEqual(ran.exit, 4, ran)
        self.assert_fails(self.dingcb("replay", "http://127.0.0.1:1/", "missing"), 3, "cannot read the file missing")
        self.assert_fails(self.dingcb("replay"), 2, "url")


if __name__ == "__main__":
    main()
