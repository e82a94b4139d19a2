"""events: the catalogue in the terminal."""

import json
import pathlib
import re

from command import CommandTest, main

ROOT = pathlib.Path(__file__).resolve().parents[2]
FAMILIES = {path.stem: json.loads(path.read_text())
            for path in (ROOT / "catalog").glob("*.json") if path.stem != "schema"}
EVENTS = {event["type"]: (family, event) for family, data in FAMILIES.items() for event in data["events"]}


class Events(CommandTest):
    def test_list_has_every_type(self):
        ran = self.assert_ran(self.run_bare("events"))
        self.assertGreater(len(EVENTS), 200)
        self.assertEqual([line.split()[0] for line in ran.out.splitlines()], sorted(EVENTS))
        self.assertIn("Group chat disbanded", ran.out)
        ran = self.assert_ran(self.run_with({"LANG": "zh_CN.UTF-8"}, "events"))
        self.assertIn("群会话解散群", ran.out)
        self.assertIn("Group chat disbanded", self.run_with({"LANG": "zh_CN.UTF-8"}, "events", "--lang", "en").out)

    def test_patterns(self):
        def types(pattern):
            return [line.split()[0] for line in self.assert_ran(self.run_bare("events", pattern)).out.splitlines()]

        self.assertEqual(types("chat_*"), sorted(one for one in EVENTS if one.startswith("chat_")))
        self.assertEqual(types("C?AT_UPDATE_*"), ["chat_update_owner", "chat_update_title"])
        self.assertEqual(types("审批"), [one for one in sorted(EVENTS)
                                       if "审批" in EVENTS[one][1]["title_zh"] + FAMILIES[EVENTS[one][0]]["title_zh"]])
        self.assertIn("user_add_org", types("contact"))

    def test_no_match_says_what_is_near(self):
        self.assert_fails(self.run_bare("events", "user_ad_org"), 2, "no event user_ad_org",
                          "did you mean user_add_org?")
        self.assert_fails(self.run_bare("events", "qqqqqqqqqqqqqq"), 2, "see dingcb events")

    def test_page_of_one_event(self):
        ran = self.assert_ran(self.run_bare("events", "chat_disband"))
        for text in ("chat_disband  Group chat disbanded\n", "biz_type 182, medium\n", "operatorUnionId?",
                     "https://open.dingtalk.com/document/orgapp/group-session-disband-group\n", "\nsample\n{\n",
                     ".on([](const dingcb::events::ChatDisband& event) {})  // #include <dingcb/events/chat.hpp>\n"):
            self.assertIn(text, ran.out)
        ran = self.assert_ran(self.run_bare("events", "chat_disband", "--lang", "zh"))
        for text in ("群会话解散群", "推送方式", "\n示例\n", "\n处理函数\n"):
            self.assertIn(text, ran.out)
        # An exact type is shown although others contain it.
        self.assertIn("\nhandler\n", self.run_bare("events", "check_url").out)

    def test_json_has_all_of_every_event(self):
        ran = self.assert_ran(self.run_bare("events", "--json"))
        found = {one["type"]: one for one in ran.jsons()}
        self.assertEqual(sorted(found), sorted(EVENTS))
        for name, (family, event) in EVENTS.items():
            one = found[name]
            self.assertEqual((one["family"], one["title_zh"], one["pages"], one["delivery"], one.get("biz_type")),
                             (family, event["title_zh"], event["pages"], event["delivery"],
                              event.get("sync", {}).get("biz_type")))
            top = [field for field in one["fields"] if "." not in field["path"]]
            self.assertEqual([(field["path"], field["type"], field["optional"]) for field in top],
                             [(field["key"], field["type"], field.get("optional", False)) for field in event["fields"]])
            sample = json.loads(one["sample"])
            self.assertTrue(name in (sample.get("EventType"), sample.get("action")), one["sample"][:200])

    def test_handlers_can_be_pasted(self):
        lines = self.assert_ran(self.run_bare("events", "--handler")).out.splitlines()
        self.assertEqual(len(lines), len(EVENTS))
        for (name, (family, _)), line in zip(sorted(EVENTS.items()), lines):
            match = re.fullmatch(r"\.on\(\[\]\(const dingcb::events::(\w+)& event\) \{\}\)  // #include <(.*)>", line)
            self.assertIsNotNone(match, f"{name}: {line}")
            self.assertEqual(match[2], f"dingcb/events/{family}.hpp")
            self.assertIn(f"struct {match[1]} {{", (ROOT / "include" / match[2]).read_text())

    def test_sample_is_what_encrypt_takes(self):
        sample = self.assert_ran(self.run_bare("events", "user_add_org", "--sample")).out
        self.assertEqual(json.loads(sample)["EventType"], "user_add_org")
        sealed = self.assert_ran(self.dingcb("encrypt", "--as", "raw", stdin=sample.strip())).bytes
        self.assertEqual(self.assert_ran(self.dingcb("decrypt", stdin=sealed)).out, sample)

    def test_official_samples(self):
        ran = self.assert_ran(self.run_bare("events", "user_add_org", "--samples"))
        blocks = re.split(r"(?m)^// .*$", ran.out)[1:]
        self.assertGreater(len(blocks), 2)
        for block in blocks:
            json.loads(block)

    def test_flags_that_exclude_each_other(self):
        self.assert_fails(self.run_bare("events", "--json", "--handler"), 2, "--handler", "dingcb events --help")


if __name__ == "__main__":
    main()
