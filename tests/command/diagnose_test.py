"""diagnose: a table of misconfigurations and of broken answers, each with its cause, in both languages."""

import json
import pathlib
import re
import time
import urllib.parse

import protocol
from command import AES_KEY, OWNER_KEY, TOKEN, CommandTest, main

EVENT = '{"EventType":"user_add_org","UserId":["u1"]}'
OTHER_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
CHINESE = re.compile("[\u4e00-\u9fff]")
ERRORS = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "errors.md").read_text()


def query_of(**parts):
    return "&".join(f"{name}={value}" for name, value in parts.items())


class DiagnoseTest(CommandTest):
    def found(self, cause, ran, secret=True):
        """Checks text and JSON in both languages."""
        self.assertEqual(ran.exit, 0 if cause == "none" else 1, ran)
        self.assertEqual(ran.err, "", ran)
        finding = ran.jsons()[0]
        self.assertEqual(finding["cause"], cause, ran)
        self.assertEqual(finding["ok"], cause == "none")
        self.assertNotRegex(finding["en"], CHINESE)
        self.assertRegex(finding["zh"], CHINESE)
        self.assertNotIn("{}", finding["en"] + finding["zh"])
        self.assertTrue(finding["page"].startswith("https://open.dingtalk.com/document/"), ran)
        # The page exists, and knows the cause.
        page, _, anchor = finding["docs"].partition("#")
        text = (pathlib.Path(__file__).resolve().parents[2] / page).read_text()
        headings = [re.sub("[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
                    for line in text.splitlines() if line.startswith("#")]
        self.assertIn(anchor, headings)
        self.assertTrue(f"| `{cause}` |" in text, f"{page} does not know {cause}")
        if secret:
            for text in (TOKEN, AES_KEY, "u1"):
                self.assertNotIn(f'"{text}"', ran.out)
        return finding

    def in_both(self, cause, arguments, stdin=b"", **environment):
        finding = self.found(cause, self.dingcb("diagnose", "--json", *arguments, stdin=stdin, **environment))
        for lang, label, finding_label in (("en", "cause", "finding"), ("zh", "原因", "结论")):
            for how in ({"lang": lang}, {"LANG": {"en": "C.UTF-8", "zh": "zh_CN.UTF-8"}[lang]}):
                flags = ["--lang", how["lang"]] if "lang" in how else []
                more = {name: value for name, value in how.items() if name != "lang"}
                ran = self.dingcb("diagnose", *flags, *arguments, stdin=stdin, **environment, **more)
                self.assertEqual(ran.exit, 0 if cause == "none" else 1, ran)
                self.assertRegex(ran.out, rf"(?m)^{label} +{cause}\b")
                self.assertRegex(ran.out, rf"(?m)^{finding_label} +{re.escape(finding[lang])}$")
        return finding


class Requests(DiagnoseTest):
    def setUp(self):
        super().setUp()
        self.query, self.body = protocol.push(TOKEN, AES_KEY, OWNER_KEY, EVENT)

    def case(self, cause, query=None, body=None, **environment):
        arguments = ["--query", self.query if query is None else query, "--body", "-"]
        return self.in_both(cause, arguments, stdin=self.body if body is None else body, **environment)

    def test_nothing_is_wrong(self):
        self.case("none")

    def test_settings(self):
        for cause, environment in (
            ("token_wrong", {"DINGCB_TOKEN": "other"}),
            ("token_is_aes_key", {"DINGCB_TOKEN": AES_KEY}),
            ("token_is_owner_key", {"DINGCB_TOKEN": OWNER_KEY}),
            ("token_space", {"DINGCB_TOKEN": TOKEN + " "}),
            ("aes_key_wrong", {"DINGCB_AES_KEY": OTHER_KEY}),
            ("aes_key_length", {"DINGCB_AES_KEY": AES_KEY + "="}),
            ("aes_key_charset", {"DINGCB_AES_KEY": AES_KEY[:-1] + "-"}),
            ("owner_key_preset", {"DINGCB_OWNER_KEY": "ding0123456789abcdef"}),
            ("owner_key_case_or_space", {"DINGCB_OWNER_KEY": OWNER_KEY.upper()}),
            ("owner_key_typo", {"DINGCB_OWNER_KEY": OWNER_KEY[:-1] + "y"}),
            ("token_and_owner_key_wrong", {"DINGCB_TOKEN": "other", "DINGCB_OWNER_KEY": "ding0123456789abcdef"}),
            ("other_app", {"DINGCB_TOKEN": "other", "DINGCB_AES_KEY": OTHER_KEY}),
            ("token_among_owner_keys", {"DINGCB_TOKEN": "other", "DINGCB_OWNER_KEY": TOKEN,
                                        "DINGCB_AES_KEY": OTHER_KEY}),
        ):
            with self.subTest(cause=cause):
                self.case(cause, **environment)

    def test_other_owner_keys(self):
        for cause, sealed in (("owner_key_is_app_key", "dingsnotzck6pm5veliw"),
                              ("owner_key_is_corp_id", "ding" + "0a1b2c3d" * 4),
                              ("owner_key_is_suite_key", "suitek3u9hgqv7xb2mw1c"), ("owner_key_empty", ""),
                              ("owner_key_unknown", "something_else_here")):
            query, body = protocol.push(TOKEN, AES_KEY, sealed, EVENT)
            with self.subTest(cause=cause):
                finding = self.case(cause, query, body)
                if len(sealed) > 12:
                    self.assertIn(f"{sealed[:4]}****{sealed[-4:]}", finding["en"])
                    self.assertNotIn(sealed, finding["en"])

    def test_several_apps(self):
        one = {"label": "shop", "token": TOKEN, "aes_key": OTHER_KEY, "owner_keys": [OWNER_KEY]}
        two = {"label": "desk", "token": "t2", "aes_key": AES_KEY, "owner_keys": ["dingtwo"]}
        self.write("apps.json", json.dumps({"apps": [one, two]}))
        ran = self.run_bare("diagnose", "--json", "--config", "apps.json", "--query", self.query, "--body", self.body)
        self.found("aes_key_of_other_credential", ran)

    def test_texts_that_changed_on_their_way(self):
        # One in fifty has neither, so that nothing would change on its way.
        while not {"+", "/"} <= set(json.loads(self.body)["encrypt"]):
            self.query, self.body = protocol.push(TOKEN, AES_KEY, OWNER_KEY, EVENT)
        parts = dict(urllib.parse.parse_qsl(self.query))
        sealed = json.loads(self.body)["encrypt"]
        changed = lambda **more: query_of(**{**parts, **more})
        for cause, query, body in (
            ("plus_became_space", None, json.dumps({"encrypt": sealed.replace("+", " ")})),
            ("percent_encoded", None, json.dumps({"encrypt": urllib.parse.quote(sealed, safe="")})),
            ("line_breaks_added", None, json.dumps({"encrypt": sealed[:76] + "\n" + sealed[76:]})),
            ("upper_case_hex", changed(signature=parts["signature"].upper()), None),
            ("signature_malformed", changed(signature="zz"), None),
            ("seconds_became_milliseconds", None, None),
            ("signature_missing", changed(signature=""), None),
            ("timestamp_missing", changed(timestamp=""), None),
            ("nonce_missing", changed(nonce=""), None),
            ("encrypt_missing", None, '{"encrypt":""}'),
            ("encrypt_truncated", None, json.dumps({"encrypt": sealed[:100]})),
            ("encrypt_is_json", None, json.dumps({"encrypt": EVENT})),
        ):
            if cause == "seconds_became_milliseconds":
                seconds = str(int(time.time()))
                query, body = protocol.push(TOKEN, AES_KEY, OWNER_KEY, EVENT, timestamp=seconds)
                query = query.replace("timestamp=" + seconds, f"timestamp={seconds}000")
            with self.subTest(cause=cause):
                self.case(cause, query, body)

    def test_requests_that_are_none(self):
        raw = f"POST /cb?{self.query} HTTP/1.1\r\n\r\n{self.body}"
        sized = raw.replace("HTTP/1.1", f"HTTP/1.1\r\nContent-Length: {len(self.body)}")
        for cause, text in (
            ("method_not_post", raw.replace("POST", "GET")), ("query_missing", raw.replace("?" + self.query, "")),
            ("body_cut", sized[:-10]), ("body_empty", raw.replace(self.body, "")), ("none", sized),
            ("body_decrypted", raw.replace(self.body, EVENT)),
            ("encrypt_field_missing", raw.replace("encrypt", "encrypd")), ("none", raw),
        ):
            with self.subTest(cause=cause):
                self.in_both(cause, [], stdin=text)

    def test_what_was_seen(self):
        finding = self.case("none")
        self.assertEqual(finding["seen"]["signature"], "40 characters")
        self.assertRegex(finding["seen"]["timestamp"], r"^\d{13} \(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\)$")
        self.assertEqual(finding["seen"]["owner keys"], "suit****xxxx")

    def test_settings_that_are_missing(self):
        self.assert_fails(self.run_bare("diagnose", "--query", self.query, "--body", self.body), 3, "the token")


class Answers(DiagnoseTest):
    def fields(self, **changed):
        fields = protocol.reply(TOKEN, AES_KEY, OWNER_KEY)
        fields.update(changed)
        return fields

    def sealed(self, data, block=32):
        """A reply that holds these bytes."""
        return protocol.reply(TOKEN, AES_KEY, OWNER_KEY,
                              sealed=protocol.encrypt(AES_KEY, protocol.pad(data, block) if block else data))

    def reply(self, **arguments):
        return protocol.reply(**{"token": TOKEN, "aes_key": AES_KEY, "owner_key": OWNER_KEY, **arguments})

    def table(self):
        good = self.fields()
        whole = protocol.envelope("success", OWNER_KEY)
        url_safe = good
        while not set(url_safe["encrypt"]) & set("+/"):
            url_safe = self.fields()
        sealed = url_safe["encrypt"].replace("+", "-").replace("/", "_")
        lines = good["encrypt"][:40] + "\n" + good["encrypt"][40:]
        renamed = {**good}
        renamed["msgSignature"] = renamed.pop("msg_signature")
        missing = {**good}
        del missing["nonce"]
        parts = (TOKEN, good["timeStamp"], good["nonce"], good["encrypt"])
        unsorted = next(text for text in
                        (protocol.hashlib.sha1("".join(order).encode()).hexdigest()
                         for order in (parts, parts[::-1])) if text != good["msg_signature"])
        return (
            ("none", good, []),
            ("body_empty", "", []),
            ("body_not_json", "<html>", []),
            ("reply_not_encrypted", "success", []),
            ("event_echoed", EVENT, []),
            ("json_in_text", json.dumps(json.dumps(good)), []),
            ("status_not_200", good, ["--status", "500"]),
            ("redirected", "", ["--status", "302"]),
            ("field_missing", missing, []),
            ("field_misnamed", renamed, []),
            ("field_not_text", {**good, "timeStamp": int(good["timeStamp"])}, []),
            ("field_empty", {**good, "nonce": ""}, []),
            ("signature_upper_case", {**good, "msg_signature": good["msg_signature"].upper()}, []),
            ("signature_unsorted", {**good, "msg_signature": unsorted}, []),
            ("signature_wrong", self.reply(token="other"), []),
            ("encrypt_line_breaks", self.reply(sealed=lines), []),
            ("encrypt_url_safe", self.reply(sealed=sealed), []),
            ("encrypt_not_base64", self.reply(sealed="!" * 64), []),
            ("ciphertext_size", self.reply(sealed=protocol.base64.b64encode(b"x" * 20).decode()), []),
            ("aes_key_wrong", self.reply(aes_key=OTHER_KEY), []),
            ("padding_wrong", self.sealed(whole + b"\0" * (-len(whole) % 32), 0), []),
            ("envelope_missing", self.sealed(b"success"), []),
            ("length_wrong", self.sealed(whole[:16] + b"\0\0\0\3" + whole[20:]), []),
            ("owner_key_missing", self.reply(owner_key=""), []),
            ("owner_key_wrong", self.reply(owner_key="dingother"), []),
            ("plaintext_wrong", self.reply(text="error"), []),
            ("timestamp_odd", self.reply(timestamp="23"), []),
            ("late", good, ["--elapsed", "3000"]),
        )

    def test_table(self):
        for cause, answer, flags in self.table():
            body = answer if isinstance(answer, str) else json.dumps(answer)
            with self.subTest(cause=cause):
                self.in_both(cause, ["--reply", "--form", "body", *flags], stdin=body)

    def test_every_cause_of_the_docs_is_in_the_table(self):
        section = ERRORS.split("## Problems of an answer")[1].split("\n## ")[0]
        documented = set(re.findall(r"(?m)^\| `(\w+)`", section))
        self.assertGreater(len(documented), 20)
        self.assertEqual(documented - {cause for cause, _, _ in self.table()}, set())

    def test_whole_answers(self):
        body = json.dumps(self.fields())
        for cause, head in (("none", "HTTP/1.1 200 OK"), ("redirected", "HTTP/2 302"),
                            ("status_not_200", "HTTP/1.1 502 Bad Gateway")):
            with self.subTest(cause=cause):
                self.in_both(cause, [], stdin=f"{head}\r\nContent-Type: application/json\r\n\r\n{body}")
        self.in_both("none", [], stdin=body)  # msg_signature tells what it is
        date = "Date: Wed, 01 Jan 2020 00:00:00 GMT"
        self.in_both("timestamp_stale", [], stdin=f"HTTP/1.1 200 OK\r\n{date}\r\n\r\n{body}")

    def test_deadline_and_expected_text(self):
        body = json.dumps(self.fields())
        self.in_both("late", ["--elapsed", "1300", "--deadline", "1200"], stdin=body)
        self.in_both("none", ["--elapsed", "1300"], stdin=body)
        self.in_both("plaintext_wrong", ["--expected", "LPIdSnlF"], stdin=body)

    def test_request_with_answer(self):
        query, body = protocol.push(TOKEN, AES_KEY, OWNER_KEY, EVENT)
        entry = {"request": {"method": "POST", "url": "https://example.com/?" + query, "postData": {"text": body}},
                 "response": {"status": 200, "content": {"text": json.dumps(self.fields())}}, "time": 3000.5}
        stale = json.loads(json.dumps(entry))
        stale["response"]["content"]["text"] = json.dumps(self.reply(timestamp="1600000000000"))
        stale["time"] = 12
        self.write("a.har", json.dumps({"log": {"entries": [entry, stale]}}))
        findings = self.dingcb("diagnose", "--json", "a.har").jsons()
        self.assertEqual([(one["name"], one["kind"], one["cause"]) for one in findings],
                         [("entry 1", "request", "none"), ("entry 1", "answer", "late"),
                          ("entry 2", "request", "none"), ("entry 2", "answer", "timestamp_stale")])
        # The timestamp of the push may be repeated, however old it is.
        query, body = protocol.push(TOKEN, AES_KEY, OWNER_KEY, EVENT, timestamp="1600000000000")
        entry["request"].update(url="https://example.com/?" + query, postData={"text": body})
        entry["response"]["content"]["text"] = json.dumps(self.reply(timestamp="1600000000000"))
        entry["time"] = 1
        ran = self.dingcb("diagnose", "--json", stdin=json.dumps({"log": {"entries": [entry]}}))
        self.assertEqual([one["cause"] for one in ran.jsons()], ["none", "none"], ran)
        self.assertEqual(ran.exit, 0)


if __name__ == "__main__":
    main()
