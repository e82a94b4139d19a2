"""generate_events_test.py PATH-OF-generate_events.py - mistakes in a catalogue, and what the tool says about them."""

import copy
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

TOOL = pathlib.Path(sys.argv.pop(1)).resolve()

FAMILY = {
    "title_zh": "试验",
    "title_en": "Trial",
    "structs": [{"name": "Person", "description": "A person.", "fields": [{"key": "userId", "type": "string", "description": "userid"}]}],
    "events": [
        {
            "type": kind,
            "title_zh": "试验",
            "title_en": "Something was tried",
            "apps": ["internal"],
            "delivery": ["http"],
            "pages": ["trial"],
            "fields": [
                {"key": "id", "type": "string_or_int64", "description": "id"},
                {"key": "state", "type": "string", "description": "state", "enum": {"ON": "on", "OFF": "off"}},
                {"key": "owner", "type": "object", "struct": "Person", "description": "owner"},
                {"key": "parts", "type": "array<object>", "description": "parts", "fields": [{"key": "finshTime", "name": "finish_time", "aliases": ["finishTime"], "type": "int64", "description": "end (ms)"}]},
                {"key": "price", "type": "string_or_double", "description": "price"},
                {"key": "tags", "type": "array<string>", "description": "tags"},
                {"key": "active", "type": "bool", "description": "active"},
                {"key": "extra", "type": "object", "description": "more"},
            ],
        }
        for kind in ("trial_begin", "trial_end")
    ],
}
SAMPLES = """\
# trial_begin.http http
{"EventType":"trial_begin","CorpId":"ding1","ID":"not this one","id":12}
"""


class Tool(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        for folder in ("catalog", "tests/data/samples"):
            (self.root / folder).mkdir(parents=True)
        shutil.copy(TOOL.parent.parent / "catalog/schema.json", self.root / "catalog")
        self.family = copy.deepcopy(FAMILY)
        self.event, self.other = self.family["events"]
        self.fields = self.event["fields"]
        self.write(SAMPLES)

    def write(self, samples=None):
        self.file("catalog/trial.json").write_text(json.dumps(self.family, ensure_ascii=False), encoding="utf-8")
        if samples is not None:
            self.file("tests/data/samples/trial.txt").write_text(samples, encoding="utf-8")

    def file(self, path):
        return self.root / path

    def run_tool(self, *options):
        command = [sys.executable, str(TOOL), "--root", str(self.root), *options]
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
        self.assertNotIn("Traceback", result.stderr)
        return result

    def generate(self):
        result = self.run_tool()
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def refuses(self, *words):
        """The mistake is found, in one line that has these words, and nothing is written."""
        result = self.run_tool()
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)
        self.assertFalse(self.file("include").exists())

    def golden(self, cases):
        """Pairs of a push's members and what the golden file says of it."""
        push = '# trial_begin.{} http\n{{"EventType":"trial_begin",{}}}\n'
        self.write("".join(push.format(index, members) for index, members in enumerate(cases)))
        self.generate()
        blocks = self.file("tests/data/golden/trial.txt").read_text(encoding="utf-8").split("# ")[1:]
        self.assertEqual(len(blocks), len(cases))
        for index, (members, expected) in enumerate(cases.items()):
            with self.subTest(members):
                self.assertEqual(blocks[index], f"trial_begin.{index} trial_begin{expected}\n")


class Catalogue(Tool):
    def test_is_complete_as_it_is(self):
        self.assertIn("2 events in 1 families", self.generate())
        self.assertIn("0 of 11 files changed", self.generate())
        self.assertEqual(self.run_tool("--check").returncode, 0)

    def test_broken_json_names_the_line(self):
        self.file("catalog/trial.json").write_text('{\n"title_zh": "x",\n}')
        self.refuses("catalog/trial.json:3:")

    def test_key_twice(self):
        self.file("catalog/trial.json").write_text('{"title_zh": "a", "title_zh": "b"}')
        self.refuses("catalog/trial.json", "the same key twice", "title_zh")

    def test_unknown_key(self):
        self.fields[0]["typ"] = "string"
        self.write()
        self.refuses("catalog/trial.json.events[trial_begin].fields[id]", "typ is not a known key")

    def test_missing_key(self):
        del self.fields[0]["description"]
        self.write()
        self.refuses("events[trial_begin].fields[id]", "description is missing")

    def test_bad_type(self):
        self.fields[0]["type"] = "integer"
        self.write()
        self.refuses("fields[id].type", "'integer'", "int64")

    def test_bad_key(self):
        self.fields[0]["key"] = "a b"
        self.write()
        self.refuses("fields[a b].key", "'a b'")

    def test_duplicate_type(self):
        self.other["type"] = "trial_begin"
        self.write()
        self.refuses("catalog/trial.json", "TrialBegin")

    def test_unsorted_types(self):
        self.family["events"].reverse()
        self.write()
        self.refuses("catalog/trial.json", "not sorted", "trial_begin")

    def test_struct_of_another_family(self):
        shutil.copy(self.file("catalog/trial.json"), self.file("catalog/zebra.json"))
        self.refuses("catalog/zebra.json", "catalog/trial.json", "Person")

    def test_two_fields_with_one_name(self):
        self.fields[0]["name"] = "price"
        self.write()
        self.refuses("trial_begin", "price stands for two things")

    def test_two_fields_with_one_key(self):
        self.fields[0]["aliases"] = ["price"]
        self.write()
        self.refuses("trial_begin", "the key price belongs to two fields")

    def test_missing_struct(self):
        self.fields[2]["struct"] = "Robot"
        self.write()
        self.refuses("trial_begin.owner", "no shared struct Robot")

    def test_struct_of_a_scalar(self):
        self.fields[0]["struct"] = "Person"
        self.write()
        self.refuses("trial_begin.id", "only an object")

    def test_two_enumerators_with_one_name(self):
        self.fields[1]["enum"] = {"ON": "on", "on": "on, too"}
        self.write()
        self.refuses("trial_begin.state", "the same name", "enum_names")

    def test_enumerator_without_a_name(self):
        self.fields[1]["enum"] = {"1": "on"}
        self.write()
        self.refuses("trial_begin.state", "the value 1", "enum_names")

    def test_name_of_no_value(self):
        self.fields[1]["enum_names"] = {"OFFF": "off"}
        self.write()
        self.refuses("trial_begin.state", "OFFF")

    def test_object_key_too_deep(self):
        self.fields.append({"key": "deep", "type": "object", "description": "x", "fields": [
            {"key": "in", "name": "inner", "type": "object", "description": "x", "fields": [
                {"key": "id", "type": "string", "description": "x"}]}]})
        self.family["events"][0]["object_key"] = "deep.in.id"
        self.write()
        self.refuses("object_key is nested too deep")

    def test_biz_id_key_without_a_field(self):
        self.event["biz_id_key"] = "nothing"
        self.write()
        self.refuses("trial_begin: biz_id_key", "no field nothing")


class Samples(Tool):
    def test_of_an_unknown_type(self):
        self.write("# trial_middle.http http\n{}\n")
        self.refuses("tests/data/samples/trial.txt", "trial_middle")

    def test_of_an_unknown_envelope(self):
        self.write("# trial_begin.http htp\n{}\n")
        self.refuses("tests/data/samples/trial.txt", "trial_begin.http htp", "http|")

    def test_of_no_family(self):
        self.file("tests/data/samples/other.txt").write_text("")
        self.refuses("tests/data/samples/other.txt", "no family other")

    def test_that_is_no_json(self):
        self.write('# trial_begin.http http\n{"EventType":}\n')
        self.refuses("tests/data/samples/trial.txt", "trial_begin.http", "line 1")

    def test_that_is_no_object(self):
        self.write("# trial_begin.http http\n[]\n")
        self.refuses("trial_begin.http", "no object")

    def test_that_names_no_type(self):
        self.write("# trial_begin.http http\n{}\n")
        self.refuses("trial_begin.http", "EventType")

    def test_of_the_same_name(self):
        self.write(SAMPLES + SAMPLES)
        self.refuses("trial_begin.http", "another sample of this name")

    def test_unknown_keys_are_listed(self):
        self.assertEqual(self.run_tool("--unknown").stdout, "trial_begin: ID (1)\n")


class Stale(Tool):
    """--check notices every generated file that is not what the catalogue and the samples say."""

    def stale(self, path):
        result = self.run_tool("--check")
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"{path}: stale", result.stderr)

    def test_files(self):
        self.generate()
        generated = [p.relative_to(self.root).as_posix() for p in self.root.rglob("*") if p.is_file()]
        generated = [p for p in generated if not p.startswith(("catalog/", "tests/data/samples/"))]
        self.assertEqual(len(generated), 11)
        self.assertIn("tests/data/golden/trial.txt", generated)
        for path in generated:
            with self.subTest(path):
                text = self.file(path).read_bytes()
                self.file(path).write_bytes(text + b"\n")
                self.stale(path)
                self.assertEqual(self.file(path).read_bytes(), text + b"\n")
                self.file(path).unlink()
                self.stale(path)
                self.file(path).write_bytes(text)
        self.assertEqual(self.run_tool("--check").returncode, 0)

    def test_what_nothing_generates_any_more(self):
        self.generate()
        for path in ("include/dingcb/events/old.hpp", "include/dingcb/impl/events/old.ipp", "docs/events/old.md", "tests/data/golden/old.txt"):
            self.file(path).write_text("")
            self.stale(path)
        self.generate()
        self.assertFalse(self.file("tests/data/golden/old.txt").exists())
        self.assertEqual(self.run_tool("--check").returncode, 0)

    def test_catalogue(self):
        self.generate()
        self.fields[0]["type"] = "int64"
        self.write()
        self.stale("tests/data/golden/trial.txt")
        self.stale("include/dingcb/events/trial.hpp")

    def test_sample(self):
        self.generate()
        self.write(SAMPLES.replace("12", "13"))
        self.stale("tests/data/golden/trial.txt")


class Golden(Tool):
    """The rules of decoding."""

    def test_scalars(self):
        self.golden({
            '"id":12': '\n{"id":"12"}',
            '"id":1.50': '\n{"id":"1.50"}',
            '"id":true': '\n{"id":"true"}',
            '"id":"\\u8bf7\\/\\"\\u0001"': '\n{"id":"请/\\"\\u0001"}',
            '"id":null': "\n{}",
            '"id":""': "\n{}",
            '"price":"12.50"': '\n{"price":12.5}',
            '"price":3': '\n{"price":3.0}',
            '"price":""': "\n{}",
            '"active":"1"': '\n{"active":true}',
            '"active":false': '\n{"active":false}',
            '"state":"ON"': '\n{"state":"ON"}',
            '"state":"new"': '\n{"state":"new"}',
            '"state":7': '\n{"state":"7"}',
        })

    def test_lists_and_objects(self):
        self.golden({
            '"tags":["a",1,null,""]': '\n{"tags":["a","1",""]}',
            '"tags":"a"': '\n{"tags":["a"]}',
            '"tags":"[\\"a\\",\\"b\\"]"': '\n{"tags":["a","b"]}',
            '"tags":"[a"': '\n{"tags":["[a"]}',
            '"tags":[]': "\n{}",
            '"owner":{}': '\n{"owner":{}}',
            '"owner":"{\\"userId\\":1}"': '\n{"owner":{"userId":"1"}}',
            '"owner":{"user_id":"a"}': '\n{"owner":{"userId":"a"}}',
            '"parts":{"finishTime":"5"}': '\n{"parts":[{"finshTime":5}]}',
            '"parts":[{"finshTime":1.2E3},{}]': '\n{"parts":[{"finshTime":1200},{}]}',
            '"parts":[{"finish_time":1,"finshTime":null,"finishTime":2}]': '\n{"parts":[{"finshTime":2}]}',
            '"extra":{"a":[1.50,"\\u8bf7",null]}': '\n{"extra":{"a":[1.50,"请",null]}}',
            '"extra":"text"': '\n{"extra":"text"}',
            '"id":"1","id":"2"': '\n{"id":"2"}',
            '"id":"1","id":null': '\n{"id":"1"}',
            '"id":"1","id":""': '\n{"id":"1"}',
            '"owner":{"userId":"","user_id":"a"}': '\n{"owner":{"userId":"a"}}',
            '"owner":{"user_id":"a","userId":""}': '\n{"owner":{"userId":"a"}}',
            '"tags":["t"],"id":"1"': '\n{"id":"1","tags":["t"]}',
        })

    def test_body_that_is_missing_or_none(self):
        bodies = {"": " misfit -", ',"data":"{"': " misfit -", ',"data":null': "\n{}", ',"data":""': "\n{}", ',"data":{}': "\n{}"}
        frame = '# trial_begin.{} stream\n{{"eventType":"trial_begin"{}}}\n'
        self.write("".join(frame.format(index, data) for index, data in enumerate(bodies)))
        self.generate()
        blocks = self.file("tests/data/golden/trial.txt").read_text(encoding="utf-8").split("# ")[1:]
        self.assertEqual(blocks, [f"trial_begin.{i} trial_begin{says}\n" for i, says in enumerate(bodies.values())])

    def test_what_does_not_fit(self):
        self.golden({
            '"id":[]': " misfit id",
            '"price":"cheap"': " misfit price",
            '"active":2': " misfit active",
            '"owner":"nobody"': " misfit owner",
            '"parts":[{},{"finishTime":1.5}]': " misfit parts[1].finishTime",
            '"parts":[{"finishTime":9223372036854775808}]': " misfit parts[0].finishTime",
            '"tags":[{}]': " misfit tags[0]",
        })


if __name__ == "__main__":
    unittest.main()
