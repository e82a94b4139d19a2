"""keygen, encrypt, decrypt and verify; settings; what happens to wrong command lines."""

import json
import re
import shlex
import stat
import subprocess
import urllib.parse

from command import AES_KEY, OWNER_KEY, TOKEN, VECTORS, CommandTest, main

VECTOR = next(one for one in json.loads((VECTORS / "positive.json").read_text()) if one["id"] == "p0001")
QUERY = f"signature={VECTOR['msg_signature']}&timestamp={VECTOR['timestamp']}&nonce={VECTOR['nonce']}"
BODY = json.dumps({"encrypt": VECTOR["encrypt"]})
PLAINTEXT = VECTOR["plaintext"]
RAW = (f"POST /callback?{QUERY} HTTP/1.1\r\nHost: example.com\r\nContent-Type: application/json\r\n"
       f"Content-Length: {len(BODY)}\r\n\r\n{BODY}")


class Usage(CommandTest):
    def test_help_has_every_verb_and_the_exit_codes(self):
        ran = self.assert_ran(self.run_bare("--help"))
        for verb in ("keygen", "encrypt", "decrypt", "verify"):
            self.assertIn(f"\n  {verb} ", ran.out)
            self.assertIn("Examples:\n  ", self.assert_ran(self.run_bare(verb, "--help")).out)
        self.assertIn("Exit codes: 0 ", ran.out)

    def test_version(self):
        self.assertRegex(self.assert_ran(self.run_bare("--version")).out, r"^dingcb \d+\.\d+\.\d+\n$")

    def test_nothing(self):
        self.assert_fails(self.run_bare(), 2, "a verb is missing", "dingcb --help")

    def test_mistyped_verb(self):
        self.assert_fails(self.run_bare("decrpt"), 2, "no verb decrpt", "did you mean decrypt?")
        self.assert_fails(self.run_bare("frobnicate"), 2, "no verb frobnicate", "see dingcb --help")

    def test_option_before_the_verb(self):
        self.assert_fails(self.run_bare("--token", "s3cret", "decrypt"), 2, "--token", "behind the verb")

    def test_mistyped_options_do_not_repeat_their_values(self):
        for arguments in (["--tokn", "s3cret"], ["--tokn=s3cret"], ["--form", "s3cret"], ["--nth", "s3cret"]):
            ran = self.assert_fails(self.run_bare("decrypt", *arguments), 2, "dingcb decrypt --help")
            self.assertNotIn("s3cret", ran.err)
        self.assert_fails(self.run_bare("decrypt", "--tokn", "x"), 2, "did you mean --token?")

    def test_values_that_are_not_allowed(self):
        self.assert_fails(self.run_bare("decrypt", "--form", "xml"), 2, "--form has to be one of auto,raw,curl")
        self.assert_fails(self.run_bare("decrypt", "--nth", "0"), 2, "--nth has to be from 1 to 1000000")
        self.assert_fails(self.run_bare("keygen", "--token-length", "99"), 2, "--token-length has to be from 6 to 32")

    def test_too_many_arguments(self):
        self.assert_fails(self.run_bare("decrypt", "a", "b"), 2, "fewer arguments")

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "wb") as full:
            process = subprocess.run([self.program, "keygen"], stdout=full, stderr=subprocess.PIPE, check=False)
        self.assertEqual(process.returncode, 5)
        self.assertIn(b"cannot write the output", process.stderr)


class Keygen(CommandTest):
    def test_prints_what_the_console_takes(self):
        ran = self.assert_ran(self.run_bare("keygen", "--owner-key", "dingabc", "--owner-key", "ding2"))
        self.assertRegex(ran.out, r"\ADINGCB_TOKEN=[A-Za-z0-9]{32}\nDINGCB_AES_KEY=[A-Za-z0-9]{43}\n"
                                  r"DINGCB_OWNER_KEY=dingabc,ding2\n\Z")
        self.assertNotEqual(ran.out, self.run_bare("keygen").out)

    def test_json_is_a_file_of_settings(self):
        ran = self.assert_ran(self.run_bare("keygen", "--json", "--owner-key", "dingabc", "--token-length", "8"))
        keys = ran.json()
        self.assertEqual(sorted(keys), ["aes_key", "owner_keys", "token"])
        self.assertEqual((len(keys["token"]), len(keys["aes_key"]), keys["owner_keys"]), (8, 43, ["dingabc"]))
        self.write("keys.json", ran.out)
        sealed = self.assert_ran(self.run_bare("encrypt", "success", "--config", "keys.json"))
        self.assertEqual(self.run_bare("decrypt", "--config", "keys.json", stdin=sealed.out).out, "success\n")

    def test_writes_a_private_file_once(self):
        ran = self.run_bare("keygen", "--owner-key", "dingabc", "-o", "new.env")
        self.assertEqual((ran.exit, ran.out), (0, ""))
        self.assertIn("--config", ran.err)
        path = self.folder / "new.env"
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        before = path.read_text()
        self.assert_fails(self.run_bare("keygen", "-o", "new.env"), 3, "cannot write new.env", "another name")
        self.assertEqual(path.read_text(), before)
        sealed = self.assert_ran(self.run_bare("encrypt", "success", "--config", "new.env"))
        self.assertEqual(self.run_bare("decrypt", "--config", "new.env", stdin=sealed.out).out, "success\n")
        self.assert_fails(self.run_bare("keygen", "-o", "no/folder"), 3, "cannot write no/folder")

    def test_every_character_occurs(self):
        seen = set()
        for _ in range(40):
            seen |= set(self.run_bare("keygen", "--json").json()["aes_key"])
        self.assertGreater(len(seen), 55)


class Decrypt(CommandTest):
    def check(self, *arguments, stdin=b""):
        ran = self.assert_ran(self.dingcb("decrypt", *arguments, stdin=stdin))
        self.assertEqual(ran.out, PLAINTEXT + "\n")

    def test_arguments(self):
        self.check("--query", QUERY, "--body", BODY)
        self.check("--query", "?" + QUERY, "--body", "-", stdin=BODY)
        self.check("--query", "https://example.com/callback?" + QUERY, stdin=BODY)
        self.write("body.json", BODY + "\n")
        self.check("--query", QUERY.replace("signature", "msg_signature"), "--body", "@body.json")

    def test_raw_request(self):
        self.check(self.write("request.txt", RAW))
        self.check("-", stdin=RAW)
        self.check(stdin=RAW.replace("\r\n", "\n"))
        head, body = RAW.split("\r\n\r\n")
        chunked = re.sub("Content-Length: .*", "Transfer-Encoding: chunked", head)
        chunks = f"20\r\n{body[:32]}\r\n{len(body) - 32:x}\r\n{body[32:]}\r\n0\r\n\r\n"
        self.check(stdin=f"{chunked}\r\n\r\n{chunks}")

    def test_percent_encoded_query(self):
        encoded = "&".join(f"{name}=%{ord(value[0]):02x}{value[1:]}"
                           for name, value in (pair.split("=") for pair in QUERY.split("&")))
        self.check("--query", encoded, "--body", BODY)

    def test_curl(self):
        url = "https://example.com/callback?" + QUERY
        for line in (
            f"curl {shlex.quote(url)} -H 'Content-Type: application/json' --data-raw {shlex.quote(BODY)}",
            f"$ curl -X POST \\\n  -d {shlex.quote(BODY)} \\\r\n  --compressed -H 'a: b' --url {shlex.quote(url)}\n",
            f'curl "{url}" --data-binary @body.json -o /dev/null',
            f"curl -d{shlex.quote(BODY)} '{url}'",
            f"curl '{url}' --data-raw $'" + BODY.replace('"', "\\u0022") + "'",
            f"curl --json={shlex.quote(BODY)} '{url}' -k",
        ):
            self.write("body.json", BODY)
            with self.subTest(line=line):
                self.check("--curl", line)
                self.check(self.write("line.txt", line))

    def test_curl_that_cannot_be_read(self):
        self.assert_fails(self.dingcb("decrypt", "--curl", "curl 'https://example.com"), 3, "not closed", "(bash)")
        self.assert_fails(self.dingcb("decrypt", "--curl", "curl -d x"), 3, "no URL")
        self.assert_fails(self.dingcb("decrypt", "--curl", "curl https://example.com -d"), 3, "ends after -d")
        self.assert_fails(self.dingcb("decrypt", "--curl", "curl x --data-urlencode y"), 3, "--data-raw")
        self.assert_fails(self.dingcb("decrypt", "--curl", "curl x -d @missing"), 3, "cannot read the file missing")

    def har(self):
        entry = {"request": {"method": "POST", "url": "https://example.com/cb?" + QUERY, "postData": {"text": BODY}}}
        other = {"request": {"method": "GET", "url": "https://example.com/"}, "response": {"status": 200}}
        second = self.push('{"EventType":"second"}')
        wrong = {"request": {"method": "POST", "url": "https://example.com/cb?" + second["query"],
                             "postData": {"text": BODY}}}
        good = {"request": {"method": "POST", "url": "https://example.com/cb?" + second["query"],
                            "postData": {"text": second["body"]}}}
        return json.dumps({"log": {"entries": [other, entry, wrong, good]}}, indent=1)

    def test_har(self):
        self.write("recorded.har", self.har())
        ran = self.dingcb("decrypt", "recorded.har", "--json")
        self.assertEqual(ran.exit, 1, ran)
        lines = ran.jsons()
        self.assertEqual([(one["name"], one["ok"]) for one in lines],
                         [("entry 2", True), ("entry 3", False), ("entry 4", True)])
        self.assertEqual((lines[0]["plaintext"], lines[1]["code"]), (PLAINTEXT, 900005))
        self.check("recorded.har", "--nth", "1")
        self.assert_fails(self.dingcb("decrypt", "recorded.har", "--nth", "4"), 3, "no request 4", "has 3")
        self.assert_fails(self.dingcb("decrypt", stdin='{"log":{"entries":[]}}'), 3, "no POST with a signature")
        self.assert_fails(self.dingcb("decrypt", stdin='{"log":{}}'), 3, "log.entries")

    def test_json(self):
        ran = self.assert_ran(self.dingcb("decrypt", "--json", stdin=RAW))
        self.assertEqual(ran.json(), {"ok": True, "kind": "push", "plaintext": PLAINTEXT, "owner_key": OWNER_KEY})
        forged = RAW.replace(VECTOR["nonce"], "nEXhMP4s")
        ran = self.dingcb("decrypt", "--json", stdin=forged)
        self.assertEqual((ran.exit, ran.json()["ok"], ran.json()["code"]), (1, False, 900005))

    def test_pretty_and_bytes(self):
        ran = self.assert_ran(self.dingcb("decrypt", "--pretty", stdin=RAW))
        self.assertEqual(ran.out, json.dumps(json.loads(PLAINTEXT), indent=2) + "\n")
        for plaintext in (b"", b"\xff\x00\xfe\n", "𠮷 🎉".encode()):
            push = self.push(plaintext)
            arguments = ["decrypt", "--query", push["query"], "--body", push["body"]]
            self.assertEqual(self.assert_ran(self.dingcb(*arguments, "-n")).bytes, plaintext)
            found = self.assert_ran(self.dingcb(*arguments, "--json")).json()
            if plaintext[:1] == b"\xff":
                self.assertEqual(found["plaintext_base64"], "/wD+Cg==")
            else:
                self.assertEqual(found["plaintext"], plaintext.decode())

    def test_failures_say_what_to_do(self):
        forged = RAW.replace(VECTOR["nonce"], "nEXhMP4s")
        self.assert_fails(self.dingcb("decrypt", stdin=forged), 1, "900005", "dingcb diagnose")
        ran = self.dingcb("decrypt", stdin=RAW, DINGCB_OWNER_KEY="dingother")
        self.assert_fails(ran, 1, "900010", "suit****xxxx")
        ran = self.dingcb("decrypt", stdin=RAW, DINGCB_AES_KEY="1" * 43)
        self.assertEqual((ran.exit, ran.out), (1, ""), ran)
        self.assertRegex(ran.err, "90000[89]")
        self.assertNotIn("LPIdSnlF", ran.err)

    def test_input_that_is_none(self):
        self.assert_fails(self.dingcb("decrypt", "missing.txt"), 3, "cannot read the file missing.txt", "- for stdin")
        self.assert_fails(self.dingcb("decrypt", "."), 3, "cannot read the file .")
        self.assert_fails(self.dingcb("decrypt"), 3, "nothing to read", "curl command line")
        self.assert_fails(self.dingcb("decrypt", stdin="what is this"), 3, "no request in a known form", "HAR")
        self.assert_fails(self.dingcb("decrypt", "--query", QUERY, "--curl", "curl x"), 2, "given twice")
        self.assert_fails(self.dingcb("decrypt", "--form", "capture", stdin="{}"), 3, "line 1 is no capture")
        self.assert_fails(self.dingcb("decrypt", "--form", "har", stdin="{"), 3, "no JSON")


class Encrypt(CommandTest):
    def test_reply(self):
        ran = self.assert_ran(self.dingcb("encrypt", "success"))
        self.assertEqual(list(ran.json()), ["msg_signature", "timeStamp", "nonce", "encrypt"])
        opened = self.assert_ran(self.dingcb("decrypt", "--json", stdin=ran.out)).json()
        self.assertEqual((opened["kind"], opened["plaintext"]), ("reply", "success"))

    def test_forms_that_decrypt_reads(self):
        plaintext = '{"EventType":"it\'s","n":"张三"}'
        for form in ("reply", "curl", "raw"):
            for url in ("https://example.com/a/b?c=d", "http://127.0.0.1:8080"):
                ran = self.assert_ran(self.dingcb("encrypt", "--as", form, "--url", url, stdin=plaintext))
                opened = self.assert_ran(self.dingcb("decrypt", stdin=ran.bytes))
                self.assertEqual(opened.out, plaintext + "\n")
        raw = self.dingcb("encrypt", "x", "--as", "raw", "--url", "https://example.com/a/b?c=d").out
        self.assertRegex(raw, r"\APOST /a/b\?c=d&signature=[0-9a-f]{40}&timestamp=\d{13}&nonce=\w{8} HTTP/1.1\r\n"
                              r"Host: example.com\r\n")
        push = self.push(plaintext)
        self.assertEqual(sorted(urllib.parse.parse_qs(push["query"])), ["nonce", "signature", "timestamp"])

    def test_text_from_a_file(self):
        self.write("event.json", '{"EventType":"check_url"}')
        ran = self.assert_ran(self.dingcb("encrypt", "@event.json"))
        self.assertEqual(self.dingcb("decrypt", stdin=ran.out).out, '{"EventType":"check_url"}\n')
        self.assert_fails(self.dingcb("encrypt", "@missing.json"), 3, "missing.json")


class Verify(CommandTest):
    def test_the_token_is_enough(self):
        ran = self.assert_ran(self.run_with({"DINGCB_TOKEN": TOKEN}, "verify", stdin=RAW))
        self.assertEqual(ran.out, "the signature is right\n")
        ran = self.assert_ran(self.run_bare("verify", "--token", TOKEN, "--json", stdin=RAW))
        self.assertEqual(ran.json(), {"ok": True})

    def test_wrong_token(self):
        self.assert_fails(self.run_bare("verify", "--token", "1234567", stdin=RAW), 1, "900005", "dingcb diagnose")
        ran = self.run_bare("verify", "--token", "1234567", "--json", stdin=RAW)
        self.assertEqual((ran.exit, ran.json()["code"]), (1, 900005))

    def test_no_token(self):
        self.assert_fails(self.run_bare("verify", stdin=RAW), 3, "the token", "--token")

    def test_window(self):
        self.assert_fails(self.dingcb("verify", "--window", "60", stdin=RAW), 1, "timestamp")
        push = self.push("{}")
        self.assert_ran(self.dingcb("verify", "--window", "3600", "--query", push["query"], "--body", push["body"]))

    def test_reply(self):
        reply = self.dingcb("encrypt", "success").out
        self.assert_ran(self.dingcb("verify", stdin=reply))
        broken = json.loads(reply)
        broken["nonce"] = "other"
        self.assert_fails(self.dingcb("verify", stdin=json.dumps(broken)), 1, "900005")


class Settings(CommandTest):
    def opens(self, *arguments, **environment):
        ran = self.run_with(environment, "decrypt", *arguments, stdin=RAW)
        self.assertEqual((ran.exit, ran.out), (0, PLAINTEXT + "\n"), ran)

    def test_missing(self):
        ran = self.assert_fails(self.run_bare("decrypt", stdin=RAW), 3)
        for text in ("the token", "the EncodingAESKey", "the owner key", "DINGCB_AES_KEY or --aes-key",
                     "--config FILE"):
            self.assertIn(text, ran.err)
        ran = self.assert_fails(self.run_bare("decrypt", "--token", "x", stdin=RAW), 3)
        self.assertNotIn("the token", ran.err)

    def test_flags(self):
        self.opens("--token", TOKEN, "--aes-key", AES_KEY, "--owner-key", "dingother", "--owner-key", OWNER_KEY)
        self.opens("--token", TOKEN, "--aes-key", AES_KEY, "--owner-key", "dingother," + OWNER_KEY)
        self.write("request.txt", RAW)
        ran = self.run_bare("decrypt", "--token", TOKEN, "--aes-key", AES_KEY, "--owner-key", OWNER_KEY, "request.txt")
        self.assertEqual(ran.out, PLAINTEXT + "\n", ran)
        self.write("token", TOKEN + "\r\n")
        self.write("key", AES_KEY + "\n")
        self.opens("--token", "@token", "--aes-key", "@key", "--owner-key", OWNER_KEY)

    def test_file_environment_and_flags_in_this_order(self):
        lines = (f"# of the console\n\nexport DINGCB_TOKEN='{TOKEN}'\r\nDINGCB_AES_KEY=\"{AES_KEY}\"\n"
                 f" DINGCB_OWNER_KEY=dingother,{OWNER_KEY}\nPATH=/bin\n")
        self.write("dingcb.env", lines)
        self.opens("--config", "dingcb.env")
        self.opens(DINGCB_CONFIG="dingcb.env")
        self.write("wrong.env", lines.replace(TOKEN, "wrong"))
        self.opens("--config", "wrong.env", DINGCB_TOKEN=TOKEN)
        self.opens("--config", "wrong.env", "--token", TOKEN, DINGCB_TOKEN="alsowrong")
        self.assertEqual(self.run_bare("decrypt", "--config", "wrong.env", stdin=RAW).exit, 1)

    def test_default_file(self):
        folder = self.folder / ".config" / "dingcb"
        folder.mkdir(parents=True)
        config = {"token": TOKEN, "aes_key": AES_KEY, "owner_keys": [OWNER_KEY]}
        (folder / "config").write_text(json.dumps(config))
        self.opens()
        (self.folder / "else" / "dingcb").mkdir(parents=True)
        (self.folder / "else" / "dingcb" / "config").write_text(json.dumps({**config, "token": "wrong"}))
        self.assertEqual(self.run_with({"XDG_CONFIG_HOME": "else"}, "decrypt", stdin=RAW).exit, 1)

    def test_several_apps(self):
        one = {"label": "one", "token": TOKEN, "aes_key": AES_KEY, "owner_keys": [OWNER_KEY]}
        two = {"label": "two", "token": "t2", "aes_key": "2" * 43, "owner_key": "dingtwo"}
        self.write("apps.json", json.dumps({"apps": [two, one]}))
        self.opens("--config", "apps.json")
        self.opens("--config", "apps.json", "--app", "one")
        ran = self.run_bare("decrypt", "--config", "apps.json", "--json", stdin=RAW)
        self.assertEqual(ran.json()["app"], "one")
        self.assertEqual(self.run_bare("decrypt", "--config", "apps.json", "--app", "two", stdin=RAW).exit, 1)
        self.assert_fails(self.run_bare("decrypt", "--config", "apps.json", "--app", "three"), 3, "no app three",
                          "two, one")
        self.assert_fails(self.run_bare("encrypt", "x", "--config", "apps.json"), 2, "--app", "two, one")
        self.assert_fails(self.run_bare("decrypt", "--config", "apps.json", "--token", "x"), 2, "--app")

    def test_files_that_are_wrong(self):
        for text, complaint in (
            ('{"token":"a","aeskey":"s3cret"}', '"aeskey"'), ('{"token":17}', '"token" has to be a text'),
            ('{"token":"s3cret"', "no JSON"), ('{"apps":"s3cret"}', '"apps" has to be a list'),
            ('{"apps":["s3cret"]}', "no JSON object"), ("DINGCB_TOKEN=a\nDINGCB_AESKEY=s3cret\n", "line 2"),
            ("s3cret\n", "line 1"),
        ):
            self.write("wrong", text)
            ran = self.assert_fails(self.run_bare("decrypt", "--config", "wrong", stdin=RAW), 3, "wrong", complaint)
            self.assertNotIn("s3cret", ran.err)
        self.assert_fails(self.run_bare("decrypt", "--config", "missing"), 3, "cannot read the file missing")

    def test_keys_that_are_wrong(self):
        for key in ("short", "s3cret!" + "x" * 36):
            ran = self.assert_fails(self.dingcb("decrypt", "--aes-key", key, stdin=RAW), 3, "900004")
            self.assertNotIn("s3cret", ran.err)


if __name__ == "__main__":
    main()
