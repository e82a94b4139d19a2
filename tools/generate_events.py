#!/usr/bin/env python3
"""Generates the event headers, their field tables, the event reference and the golden files from catalog/*.json.

    tools/generate_events.py            writes what has changed, deletes what is generated no more
    tools/generate_events.py --check    writes nothing; fails when the catalogue, a sample or a generated file is wrong
    tools/generate_events.py --unknown  lists the keys of the samples that the catalogue does not know

Needs Python 3.9 and nothing else. What it writes is the same everywhere and clean under clang-format.
"""

import argparse
import json
import pathlib
import re
import sys
import textwrap
from dataclasses import dataclass, field as member

sys.dont_write_bytecode = True
import sample_decoder

COLUMNS = 120
PAGE_URL = "https://open.dingtalk.com/document/orgapp/"
DELIVERY = {"http": "HTTP", "stream": "Stream", "sync_http": "SyncHTTP", "rds": "RDS"}
APPS = {"internal": "internal", "third_party": "third-party"}
ENVELOPES = {"http": "HTTP", "stream": "Stream", "rows": "rows"}
SAMPLE_ENVELOPES = ("http", "stream", "row", "legacy_http", "sync_http")  # in the order in which the reference prefers them
SYNC_TYPES = ("SYNC_HTTP_PUSH_HIGH", "SYNC_HTTP_PUSH_MEDIUM")

CPP_OF = {
    "string": "string",
    "int64": "int64",
    "double": "double",
    "bool": "bool",
    "object": "json",
    "array<string>": "list<string>",
    "array<int64>": "list<int64>",
    "array<object>": "list<json>",
    "string_or_double": "double",
    "string_or_bool": "bool",
    "string_or_object": "json",
    "string_or_array<string>": "list<string>",
    "string_or_array<int64>": "list<int64>",
}
SPELLING = {
    "string": "std::string",
    "int64": "std::optional<std::int64_t>",
    "double": "std::optional<double>",
    "bool": "std::optional<bool>",
    "json": "RawJson",
    "list<string>": "std::vector<std::string>",
    "list<int64>": "std::vector<std::int64_t>",
    "list<json>": "std::vector<RawJson>",
}
KEYWORDS = set(
    """alignas alignof and asm auto bitand bitor bool break case catch char class compl concept const consteval constexpr
    constinit continue co_await co_return co_yield decltype default delete do double dynamic_cast else enum explicit export
    extern false float for friend goto if inline int long mutable namespace new noexcept not nullptr operator or private
    protected public register reinterpret_cast requires return short signed sizeof static static_assert static_cast struct
    switch template this thread_local throw true try typedef typeid typename union unsigned using virtual void volatile
    wchar_t while xor""".split()
)


class CatalogueError(Exception):
    """What a person who edits the catalogue must repair."""


# --- Names ------------------------------------------------------------------------------------------------------------


def snake_case(key):
    words = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", key)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words).lower()


def camel_case(key):
    head, *tail = key.split("_")
    return head[:1].lower() + head[1:] + "".join(word[:1].upper() + word[1:] for word in tail)


def type_name(name):
    return "".join(word[:1].upper() + word[1:].lower() for word in snake_case(name).split("_"))


def identifier(name):
    return name + "_" if name in KEYWORDS else name


def singular(name):
    name = re.sub(r"_?[Ll]ists?$", "", name)
    if name.endswith("ies"):
        return name[:-3] + "y"
    return name[:-1] if name.endswith("s") and not name.endswith(("ss", "us")) else name


def enumerator(value):
    return identifier(re.sub(r"\W+", "_", value if value.isupper() else snake_case(value)).lower())


# --- Model ------------------------------------------------------------------------------------------------------------


@dataclass
class Enum:
    name: str
    values: list  # (value, enumerator, meaning)


@dataclass
class Field:
    facts: dict
    name: str
    cpp: str  # a key of SPELLING, "enum", "struct" or "list<struct>"
    aliases: list  # all that are accepted, in order of preference
    struct: object = None
    enum: Enum = None
    constants: list = member(default_factory=list)  # (name, value, meaning)

    @property
    def spelling(self):
        if self.cpp == "enum":
            return f"OpenEnum<{self.enum.name}>"
        if self.cpp == "struct":
            return f"std::optional<{self.struct.name}>"
        if self.cpp == "list<struct>":
            return f"std::vector<{self.struct.name}>"
        return SPELLING[self.cpp]

    @property
    def keys(self):
        return [self.facts["key"], *self.aliases]


@dataclass
class Struct:
    name: str
    scope: str  # "" or the names of the enclosing structs
    description: str
    fields: list
    shared: bool = False

    @property
    def path(self):
        return f"{self.scope}::{self.name}" if self.scope else self.name

    def nested(self):
        return [f.struct for f in self.fields if f.struct and not f.struct.shared]

    def enums(self):
        return [f.enum for f in self.fields if f.enum]


@dataclass
class Event:
    facts: dict
    struct: Struct

    @property
    def type(self):
        return self.facts["type"]


@dataclass
class Family:
    name: str
    facts: dict
    shared: list
    events: list


def cpp_of(facts):
    if "cpp" in facts:
        return facts["cpp"]
    if facts["type"] == "string_or_int64":
        return "int64" if "time" in facts["key"].lower() else "string"
    return CPP_OF[facts["type"]]


def accepted_aliases(facts, taken):
    """The listed spellings, then the snake_case and camelCase form of each, without those that another field owns."""
    listed = [facts["key"], *facts.get("aliases", [])]
    forms = []
    for key in listed:
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", key) and not re.match(r"[a-z][A-Z]{2}", key):
            forms += [snake_case(key), camel_case(key)]
    aliases = []
    for key in listed[1:] + forms:
        if key != facts["key"] and key not in aliases and (key in listed or key not in taken):
            aliases.append(key)
    return aliases


def build_struct(name, scope, description, fields_facts, shared_structs, where, shared=False):
    owned = [key for f in fields_facts for key in [f["key"], *f.get("aliases", [])]]
    for key in owned:
        if owned.count(key) > 1:
            raise CatalogueError(f"{where}: the key {key} belongs to two fields")
    struct = Struct(name, scope, description, [], shared)
    for facts in fields_facts:
        key = facts["key"]
        here = f"{where}.{key}"
        cpp = cpp_of(facts)
        built = Field(facts, identifier(facts.get("name", snake_case(key))), cpp, accepted_aliases(facts, owned))
        if facts["type"] in ("object", "array<object>") and ("struct" in facts or "fields" in facts):
            built.cpp = "list<struct>" if facts["type"] == "array<object>" else "struct"
            if "fields" in facts:
                nested = facts.get("struct") or type_name(singular(built.name) if built.cpp != "struct" else built.name)
                built.struct = build_struct(
                    nested, struct.path, facts["description"], facts["fields"], shared_structs, here
                )
            elif facts["struct"] in shared_structs:
                built.struct = shared_structs[facts["struct"]]
            else:
                raise CatalogueError(f"{here}: there is no shared struct {facts['struct']} (yet)")
        elif "struct" in facts or "fields" in facts:
            raise CatalogueError(f"{here}: only an object or a list of objects has a struct")
        names = facts.get("enum_names", {})
        for value in names:
            if value not in facts.get("enum", {}):
                raise CatalogueError(f"{here}: enum_names has {value}, which enum does not have")
        if "enum" in facts and cpp == "string":
            values = [(v, identifier(names[v]) if v in names else enumerator(v), text) for v, text in facts["enum"].items()]
            built.cpp, built.enum = "enum", Enum(type_name(facts.get("name", key)), values)
            for v, found, _ in values:
                if not re.fullmatch(r"[a-z_][a-z0-9_]*", found):
                    raise CatalogueError(f"{here}: the value {v} needs a name in enum_names")
            if len({found for _, found, _ in values}) < len(values):
                raise CatalogueError(f"{here}: two values have the same name; see enum_names")
        elif "enum" in facts and names:
            prefix = "k" + type_name(singular(built.name) if cpp.startswith("list") else built.name)
            built.constants = [(prefix + type_name(names[v]), v, text) for v, text in facts["enum"].items() if v in names]
        struct.fields.append(built)
    check_names(struct, where)
    return struct


def check_names(struct, where):
    names = [f.name for f in struct.fields]
    types = [n.name for n in struct.nested()] + [e.name for e in struct.enums()]
    for name in names + types:
        if (names + types).count(name) > 1 or name == struct.name:
            raise CatalogueError(f"{where}: {name} stands for two things; give one of them another name or struct")


def load_json(path):
    def unique(pairs):
        found = dict(pairs)
        if len(found) < len(pairs):
            raise CatalogueError(f"catalog/{path.name}: an object has the same key twice: {', '.join(k for k, _ in pairs)}")
        return found

    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise CatalogueError(f"catalog/{path.name}:{error.lineno}: {error.msg}") from None


def validate(value, schema, root, where):
    """The part of JSON Schema that schema.json uses."""
    if "$ref" in schema:
        validate(value, root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root, where)
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    kind = schema.get("type")
    if kind and (not isinstance(value, kinds[kind]) or (kind == "integer" and isinstance(value, bool))):
        raise CatalogueError(f"{where}: must be of type {kind}")
    if "enum" in schema and value not in schema["enum"]:
        raise CatalogueError(f"{where}: {value!r} is none of {', '.join(schema['enum'])}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        raise CatalogueError(f"{where}: {value!r} does not match {schema['pattern']}")
    if kind == "array":
        if len(value) < schema.get("minItems", 0):
            raise CatalogueError(f"{where}: must not be empty")
        if schema.get("uniqueItems") and len({json.dumps(item) for item in value}) < len(value):
            raise CatalogueError(f"{where}: has the same item twice")
        for index, item in enumerate(value):
            named = item.get("key") or item.get("name") or item.get("title_en") and item.get("type") if isinstance(item, dict) else 0
            validate(item, schema.get("items", {}), root, f"{where}[{named or index}]")
    if kind == "object":
        for key in schema.get("required", []):
            if key not in value:
                raise CatalogueError(f"{where}: {key} is missing")
        extra = schema.get("additionalProperties", True)
        for key, item in value.items():
            if key in schema.get("properties", {}):
                validate(item, schema["properties"][key], root, f"{where}.{key}")
            elif extra is False:
                raise CatalogueError(f"{where}: {key} is not a known key")
            elif isinstance(extra, dict):
                validate(item, extra, root, f"{where}.{key}")


def load_family(path, schema):
    facts = load_json(path)
    name = path.stem
    file = f"catalog/{path.name}"
    validate(facts, schema, schema, file)
    shared = {}
    for entry in facts.get("structs", []):
        where = f"{file}: {entry['name']}"
        shared[entry["name"]] = build_struct(entry["name"], "", entry["description"], entry["fields"], shared, where, True)
    events = []
    for entry in facts["events"]:
        where = f"{file}: {entry['type']}"
        struct = build_struct(type_name(entry["type"]), "", entry["title_en"], entry["fields"], shared, where)
        for which in ("biz_id_key", "object_key"):
            if which in entry:
                find_path(struct, entry[which], f"{where}: {which}")
        events.append(Event(entry, struct))
    types = [event.type for event in events]
    for before, after in zip(types, types[1:]):
        if after < before:
            raise CatalogueError(f"{file}: the events are not sorted by type: {after} stands behind {before}")
    return Family(name, facts, list(shared.values()), events)


def find_path(struct, path, where):
    found = None
    for key in path.split("."):
        found = next((f for f in struct.fields if f.facts["key"] == key), None) if struct else None
        if not found:
            raise CatalogueError(f"{where}: there is no field {path}")
        struct = found.struct
    return found


def load_catalogue(root):
    folder = root / "catalog"
    schema = load_json(folder / "schema.json")
    families = [load_family(path, schema) for path in sorted(folder.glob("*.json")) if path.name != "schema.json"]
    owner = {}
    for family in families:
        for name in [s.name for s in family.shared] + [e.struct.name for e in family.events]:
            if name in owner:
                raise CatalogueError(f"catalog/{family.name}.json: catalog/{owner[name]}.json has a struct {name} already")
            owner[name] = family.name
    return families


# --- Samples ----------------------------------------------------------------------------------------------------------


@dataclass
class Sample:
    name: str
    type: str
    envelope: str
    text: str


def load_samples(root, families):
    """Reads tests/data/samples/<family>.txt: `# <type>.<anything> <envelope>`, then the JSON until the next such line."""
    by_file = {}
    folder = root / "tests/data/samples"
    types = {family.name: {event.type for event in family.events} for family in families}
    types["sync_http"] = set(SYNC_TYPES)
    names = set()
    for path in sorted(folder.glob("*.txt")):
        if path.stem not in types:
            raise CatalogueError(f"tests/data/samples/{path.name}: there is no family {path.stem}")
        for block in re.split(r"^# ", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
            head, _, text = block.partition("\n")
            where = f"tests/data/samples/{path.name}: # {head}"
            parts = head.split()
            if len(parts) != 2 or parts[1] not in SAMPLE_ENVELOPES:
                raise CatalogueError(f"{where}: must be `# <type>.<anything> <{'|'.join(SAMPLE_ENVELOPES)}>`")
            sample = Sample(parts[0], parts[0].partition(".")[0], parts[1], text.strip())
            if sample.type not in types[path.stem]:
                raise CatalogueError(f"{where}: the family {path.stem} has no event {sample.type}")
            if sample.name in names:
                raise CatalogueError(f"{where}: there is another sample of this name")
            names.add(sample.name)
            try:
                body = sample_decoder.parse_json(sample.text)
            except json.JSONDecodeError as error:
                raise CatalogueError(f"{where}: {error.msg} (line {error.lineno})") from None
            if not isinstance(body, tuple):
                raise CatalogueError(f"{where}: the JSON is no object")
            by_file.setdefault(path.stem, []).append(sample)
    return by_file


def pretty(text):
    """Indents JSON without touching a literal: json.dumps would print some numbers differently."""
    out, depth, index = [], 0, 0
    tokens = re.findall(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+', text)
    while index < len(tokens):
        token = tokens[index]
        if token in "{[" and tokens[index + 1] in "}]":
            out.append(token + tokens[index + 1])
            index += 1
        elif token in "{[":
            depth += 1
            out.append(token + "\n" + "  " * depth)
        elif token in "}]":
            depth -= 1
            out.append("\n" + "  " * depth + token)
        elif token == ",":
            out.append(",\n" + "  " * depth)
        else:
            out.append(": " if token == ":" else token)
        index += 1
    return "".join(out)


# --- C++ --------------------------------------------------------------------------------------------------------------


def literal(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '"'


def sentence(text):
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."


def join(words, last="and"):
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + f" {last} " + words[-1]


def comment(text, indent):
    prefix = " " * indent + "/// "
    return textwrap.wrap(
        text, COLUMNS, initial_indent=prefix, subsequent_indent=prefix, break_long_words=False, break_on_hyphens=False
    )


def with_comments(rows, indent):
    """Rows of (code, comment) as clang-format aligns them."""
    width = max(len(code) for code, _ in rows)
    return [f"{' ' * indent}{code.ljust(width)}  ///< {text}" for code, text in rows]


def limits(facts):
    """Which apps and envelopes get a field, when not all do."""
    parts = []
    if "in" in facts:
        parts.append("in " + join([ENVELOPES[e] for e in facts["in"]]) + " only")
    if "apps" in facts:
        parts.append("for " + join([APPS[a] for a in facts["apps"]]) + " apps only")
    return ", ".join(parts)


def meaning(field):
    """The description of a field, as sentences."""
    facts = field.facts
    text = facts["description"]
    if "enum" in facts and not field.enum and not field.constants:
        text += " (" + ", ".join(f"{value}: {what}" for value, what in facts["enum"].items()) + ")"
    text += "" if text.endswith(".") else "."
    for more in (limits(facts), facts.get("note", "")):
        if more:
            text += " " + sentence(more)
    if facts.get("enum_page"):
        text += f" See {PAGE_URL}{facts['enum_page']}."
    return text


def field_comment(field, indent):
    also = field.facts.get("aliases", [])
    keys = literal(field.facts["key"]) + (f" (also {', '.join(literal(k) for k in also)})" if also else "")
    return comment(f"{keys}: {meaning(field)}", indent)


def event_comment(event):
    facts = event.facts
    lines = comment(f"{facts['title_zh']} · {sentence(facts['title_en'])}", 0)
    lines += comment(delivery(facts), 0)
    if facts.get("deprecated"):
        lines += comment("Deprecated by DingTalk.", 0)
    for note in facts.get("notes", []):
        lines += comment(note, 0)
    return lines + comment(f"@see {PAGE_URL}{facts['pages'][0]}", 0)


def delivery(facts):
    text = "Delivered by " + join([DELIVERY[d] for d in facts["delivery"]])
    text += " to " + join([APPS[a] for a in facts["apps"]]) + " apps"
    if "sync" in facts:
        priority = facts["sync"].get("priority")
        text += f"; rows: biz_type {facts['sync']['biz_type']}" + (f", {priority} priority" if priority else "")
    text += "."
    if facts.get("legacy"):
        text += " Only historical pages describe it."
    elif facts.get("delivery_legacy"):
        text += f" Only historical pages say {join([DELIVERY[d] for d in facts['delivery_legacy']])}."
    return text


def emit_struct(struct, indent, head):
    pad = " " * indent
    lines = [*head, f"{pad}struct {struct.name} {{"]
    blocks = []
    for field in struct.fields:
        if field.enum:
            block = [f"{pad}  enum class {field.enum.name} {{"]
            block += with_comments([(f"{e},", f"{literal(v)}: {text}") for v, e, text in field.enum.values], indent + 4)
            blocks.append(block + [f"{pad}  }};"])
        if field.constants:
            rows = [(f"static constexpr std::int64_t {name} = {value};", text) for name, value, text in field.constants]
            blocks.append(with_comments(rows, indent + 2))
    for nested in struct.nested():
        blocks.append(emit_struct(nested, indent + 2, comment(sentence(nested.description), indent + 2)))
    plain = []
    for field in struct.fields:
        plain += field_comment(field, indent + 2) + [f"{pad}  {field.spelling} {field.name};"]
    if plain:
        blocks.append(plain)
    if not blocks:
        return [*head, f"{pad}struct {struct.name} {{}};"]
    for index, block in enumerate(blocks):
        lines += ([""] if index else []) + block
    return lines + [f"{pad}}};"]


def all_structs(struct):
    """The struct after those that its fields need."""
    found = []
    for nested in struct.nested():
        found += all_structs(nested)
    return found + [struct]


def enum_texts(found):
    head = "  static constexpr std::string_view texts[] = {"
    line = head + ", ".join(literal(value) for value, _, _ in found.values) + "};"
    if len(line) <= COLUMNS:
        return [line]
    rows = [(literal(value) + ",", name) for value, name, _ in found.values]
    width = max(len(text) for text, _ in rows)
    return [head, *[f"      {text.ljust(width)}  // {name}" for text, name in rows], "  };"]


GENERATED = "Generated by tools/generate_events.py from catalog/{}; edit the catalogue, then run the tool."


def family_header(family):
    structs = [s for top in family.shared + [e.struct for e in family.events] for s in all_structs(top)]
    fields = [f for s in structs for f in s.fields]
    spellings = " ".join(f.spelling for f in fields) + " ".join("std::int64_t" for f in fields if f.constants)
    lines = [
        f"// {family.facts['title_zh']} · {family.facts['title_en']}: {len(family.events)} events.".replace(": 1 events", ": 1 event"),
        "// " + GENERATED.format(family.name + ".json"),
        "#pragma once",
        "",
        "#include <dingcb/event.hpp>",
        "",
    ]
    needed = {"std::int64_t": "cstdint", "std::optional": "optional", "std::string": "string", "std::vector": "vector"}
    includes = sorted({header for word, header in needed.items() if word in spellings} | {"string_view"})
    lines += [f"#include <{header}>" for header in includes]
    lines += ["", "DINGCB_NAMESPACE_BEGIN", "namespace events {", ""]
    for struct in family.shared:
        lines += emit_struct(struct, 0, comment(struct.description, 0)) + [""]
    for event in family.events:
        lines += emit_struct(event.struct, 0, event_comment(event)) + [""]
    lines += ["}  // namespace events", ""]
    for struct in structs:
        for found in struct.enums():
            lines += ["template <>", f"struct EnumTraits<events::{struct.path}::{found.name}> {{"]
            lines += enum_texts(found) + ["};", ""]
    for event in family.events:
        lines += [
            "template <>",
            f"struct EventTraits<events::{event.struct.name}> {{",
            f"  static constexpr std::string_view type = {literal(event.type)};",
            f"  static constexpr Kind kind = Kind::{event.type};",
            "};",
            "",
        ]
    lines += ["namespace detail {", ""]
    for event in family.events:
        lines += ["template <>", f"DINGCB_API const Codec& codec_of<events::{event.struct.name}>();"]
        lines += ["template <>", f"DINGCB_API const DecodePlan& plan_of<events::{event.struct.name}>() noexcept;"]
    lines += ["", "}  // namespace detail", "DINGCB_NAMESPACE_END", ""]
    lines += ["#if !defined(DINGCB_COMPILED)", f"#include <dingcb/impl/events/{family.name}.ipp>", "#endif"]
    return lines


def field_call(field):
    items = [literal(field.facts["key"]), f"e.{field.name}", *[literal(alias) for alias in field.aliases]]
    lines, line = [], "    field("
    for index, item in enumerate(items):
        item += ", " if index + 1 < len(items) else ");"
        if len(line + item.rstrip()) > COLUMNS:
            lines.append(line.rstrip())
            line = " " * 10
        line += item
    return lines + [line]


def make_codec(struct):
    head = "  static const Codec& codec = make_codec<E>("
    if not struct.fields:
        return [head + "[](E&, TableBuilder&) {});"]
    calls = [line for field in struct.fields for line in field_call(field)]
    if len(calls) == 1:
        body = "[](E& e, TableBuilder& field) { " + calls[0].strip() + " });"
        if len(head + body) <= COLUMNS:
            return [head + body]
        if len("      make_codec<E>(" + body) <= COLUMNS:
            return [head.partition(" make")[0], "      make_codec<E>(" + body]
        if len("      " + body) <= COLUMNS:
            return [head, "      " + body]
    return [head + "[](E& e, TableBuilder& field) {", *calls, "  });"]


def family_bodies(family):
    lines = [
        f"// Field tables of events/{family.name}.hpp.",
        "// " + GENERATED.format(family.name + ".json"),
        "#pragma once",
        "",
        "#include <dingcb/detail/codec.hpp>",
        f"#include <dingcb/events/{family.name}.hpp>",
        "",
        "DINGCB_NAMESPACE_BEGIN",
        "namespace detail {",
        "",
    ]
    for top in family.shared + [e.struct for e in family.events]:
        for struct in all_structs(top):
            head = f"DINGCB_INLINE const Codec& codec_of<events::{struct.path}>() {{"
            lines += ["template <>", *([head] if len(head) <= COLUMNS else head.replace("& ", "&\n", 1).split("\n"))]
            lines.append(f"  using E = events::{struct.path};")
            lines += make_codec(struct) + ["  return codec;", "}", ""]
    for event in family.events:
        name = f"events::{event.struct.name}"
        lines += ["template <>", f"DINGCB_INLINE const DecodePlan& plan_of<{name}>() noexcept {{"]
        lines += [f"  return kPlanOf<{name}>;", "}", ""]
    return lines + ["}  // namespace detail", "DINGCB_NAMESPACE_END"]


def sorted_events(families):
    return sorted((event for family in families for event in family.events), key=lambda event: event.type)


def kind_header(families):
    events = sorted_events(families)
    lines = [
        f"// Kind: the {len(events)} event types of the catalogue.",
        "// " + GENERATED.format("*.json"),
        "#pragma once",
        "",
        "#include <dingcb/config.hpp>",
        "",
        "#include <cstddef>",
        "#include <cstdint>",
        "#include <string_view>",
        "",
        "DINGCB_NAMESPACE_BEGIN",
        "",
        "/// An event type of this release; each enumerator is spelt as DingTalk spells the type. Every release may number them",
        "/// anew: store and compare across processes the text (type_of()), not the number.",
        "enum class Kind : std::uint16_t {",
    ]
    rows = [("unknown = 0,", "A type that this release does not know: Event::type() has its text.")]
    rows += [(f"{e.type},", f"{sentence(e.facts['title_en'])}") for e in events]
    lines += with_comments(rows, 2)
    lines += [
        "};",
        "",
        "/// How many there are, `unknown` included: every Kind, as a number, is less.",
        f"inline constexpr std::size_t kKindCount = {len(events) + 1};",
        "",
        "/// Gives the Kind of a wire type such as `user_add_org`, Kind::unknown for any other text.",
        "DINGCB_API Kind kind_of(std::string_view type) noexcept;",
        "/// Gives the wire type; empty for Kind::unknown and for a number that is no Kind.",
        "DINGCB_API std::string_view type_of(Kind kind) noexcept;",
        "",
        "DINGCB_NAMESPACE_END",
        "",
        "#if !defined(DINGCB_COMPILED)",
        "#include <dingcb/impl/events/catalogue.ipp>",
        "#endif",
    ]
    return lines


CATALOGUE_HEAD = """\
/// What the envelopes must know about an event type. Keys are joined with `|`, the best first.
struct KindFacts {
  std::string_view type;
  std::string_view name;         ///< Of the struct.
  std::string_view family;       ///< The header of the struct is dingcb/events/<family>.hpp.
  std::string_view biz_id_keys;  ///< Keys of the id that a row may give in its column biz_id alone; empty when none.
  std::string_view object_root;  ///< Key of the object that holds object_keys; empty when the payload itself does.
  std::string_view object_keys;  ///< Keys of the id of the object that the event is about; empty when it names none.
};

/// Cuts the first key off a list of keys; empty at its end.
constexpr std::string_view next_key(std::string_view& keys) noexcept {
  const std::size_t end = keys.find('|');
  const std::string_view key = keys.substr(0, end);
  keys = end == std::string_view::npos ? std::string_view{} : keys.substr(end + 1);
  return key;
}

/// An event type that rows of a biz_type may hold.
struct RowKind {
  std::int32_t biz_type;
  Kind kind;
  std::string_view event_type;  ///< What stands in `eventType` of rows without `syncAction`; empty: its own type.
};
"""

CATALOGUE_TAIL = """\
constexpr const KindFacts& facts_of(Kind kind) noexcept {
  const auto index = static_cast<std::size_t>(kind);
  return kind_facts[index < kKindCount ? index : 0];
}

/// A part of row_kinds.
struct RowKinds {
  const RowKind* first;
  const RowKind* last;
  constexpr const RowKind* begin() const noexcept { return first; }
  constexpr const RowKind* end() const noexcept { return last; }
  constexpr std::size_t size() const noexcept { return static_cast<std::size_t>(last - first); }
};

/// Gives the event types that rows of a biz_type may hold; none for an unknown one.
constexpr RowKinds kinds_of_biz_type(std::int64_t biz_type) noexcept {
  const RowKind* const end = row_kinds + sizeof row_kinds / sizeof row_kinds[0];
  const RowKind* first = row_kinds;
  while (first != end && first->biz_type < biz_type) ++first;
  const RowKind* last = first;
  while (last != end && last->biz_type == biz_type) ++last;
  return {first, last};
}
"""

CATALOGUE_BODIES = """\
DINGCB_INLINE Kind kind_of(std::string_view type) noexcept {
  std::size_t low = 1;
  std::size_t high = kKindCount;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    const int order = detail::kind_facts[middle].type.compare(type);
    if (order == 0) return static_cast<Kind>(middle);
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return Kind::unknown;
}

DINGCB_INLINE std::string_view type_of(Kind kind) noexcept { return detail::facts_of(kind).type; }
"""


def key_list(field):
    return literal("|".join(field.keys))


def catalogue_bodies(families):
    events = sorted_events(families)
    lines = [
        "// Bodies of events/kind.hpp, and what the envelopes know about each event type.",
        "// " + GENERATED.format("*.json"),
        "#pragma once",
        "",
        "#include <dingcb/events/kind.hpp>",
        "",
        "DINGCB_NAMESPACE_BEGIN",
        "namespace detail {",
        "",
        *CATALOGUE_HEAD.splitlines(),
        "",
        "// By Kind, which is the order of the types.",
        "inline constexpr KindFacts kind_facts[] = {",
        '    {"", "", "", "", "", ""},',
    ]
    family_of = {event.type: family.name for family in families for event in family.events}
    for event in events:
        biz_id = root = keys = '""'
        if "biz_id_key" in event.facts:
            biz_id = key_list(find_path(event.struct, event.facts["biz_id_key"], event.type))
        if "object_key" in event.facts:
            path = event.facts["object_key"]
            if path.count(".") > 1:
                raise CatalogueError(f"{event.type}: object_key is nested too deep")
            keys = key_list(find_path(event.struct, path, event.type))
            if "." in path:
                root = literal(path.partition(".")[0])
        items = [literal(event.type), literal(event.struct.name), literal(family_of[event.type]), biz_id, root, keys]
        line = "    {" + ", ".join(items) + "},"
        if len(line) <= COLUMNS:
            lines.append(line)
        else:
            out, line = [], "    {"
            for index, item in enumerate(items):
                item += ", " if index + 1 < len(items) else "},"
                if len(line + item.rstrip()) > COLUMNS:
                    out.append(line.rstrip())
                    line = "     "
                line += item
            lines += out + [line]
    lines += ["};", "", "// By biz_type.", "inline constexpr RowKind row_kinds[] = {"]
    rows = sorted((e.facts["sync"]["biz_type"], e.type, e.facts["sync"].get("event_type", "")) for e in events if "sync" in e.facts)
    lines += [f"    {{{biz_type}, Kind::{name}, {literal(event_type)}}}," for biz_type, name, event_type in rows]
    lines += ["};", "", *CATALOGUE_TAIL.splitlines(), "", "}  // namespace detail", "", *CATALOGUE_BODIES.splitlines(), ""]
    return lines + ["DINGCB_NAMESPACE_END"]


def all_header(families):
    lines = ["// Every family of events.", "// " + GENERATED.format("*.json"), "#pragma once", ""]
    return lines + [f"#include <dingcb/events/{family.name}.hpp>" for family in families]


def compiled_bodies(families):
    lines = ["// The compiled form of the event families.", "// " + GENERATED.format("*.json")]
    lines += ["#include <dingcb/event.hpp>", ""]
    return lines + [f"#include <dingcb/impl/events/{family.name}.ipp>" for family in families]


VISIT_HEAD = """\
#pragma once

#include <dingcb/events/all.hpp>
#include <dingcb/select.hpp>

#include <type_traits>

DINGCB_NAMESPACE_BEGIN

namespace detail {

template <class E, class Visitor>
decltype(auto) visit_as(const Event& event, Visitor& visitor) {
  static_assert(std::is_invocable_v<Visitor&, const E&>,
                "dingcb::visit: an event type has no case; add one for it, or `const auto&` for all the others");
  if constexpr (std::is_invocable_v<Visitor&, const E&>) {
    if (const E* typed = event.get_if<E>()) return visitor(*typed);
  }
  return visitor(event);
}

template <class Visitor>
decltype(auto) visit_kind(const Event& event, Visitor& visitor) {
  switch (event.kind()) {
    case Kind::unknown: break;
"""

VISIT_TAIL = """\
  }
  return visitor(event);
}

}  // namespace detail

/// Calls `visitor` with the typed event, or with the Event itself when its type is unknown or its body does not fit.
/// Exhaustive: the visitor must take `const E&` for every E of this release, and `const Event&`; a generic case
/// (`const auto&`) stands for all that it does not name. All cases return the same type.
/// @see match() and select() for a few event types, without this header.
template <class Visitor>
decltype(auto) visit(const Event& event, Visitor&& visitor) {
  constexpr bool takes_rest = std::is_invocable_v<Visitor&, const Event&>;
  static_assert(takes_rest,
                "dingcb::visit: add a case for `const dingcb::Event&`, for unknown types and bodies that do not fit");
  if constexpr (takes_rest) return detail::visit_kind(event, visitor);
}

DINGCB_NAMESPACE_END
"""


def visit_header(families):
    lines = ["// visit: an event as the one of all the types that it is.", "// " + GENERATED.format("*.json")]
    lines += VISIT_HEAD.splitlines()
    for event in sorted_events(families):
        line = f"    case Kind::{event.type}: return visit_as<events::{event.struct.name}>(event, visitor);"
        if len(line) <= COLUMNS:
            lines.append(line)
        else:
            lines += [line.partition(": return")[0] + ":", "      return" + line.partition(": return")[2]]
    return lines + VISIT_TAIL.splitlines()


# --- Reference --------------------------------------------------------------------------------------------------------


def cell(text):
    return text.replace("|", "\\|")


def reference_rows(struct, prefix):
    rows = []
    for field in struct.fields:
        keys = ", ".join(f"`{key}`" for key in [field.facts["key"], *field.facts.get("aliases", [])]).replace("\t", "\\t")
        text = meaning(field)
        if field.enum:
            text += " " + "; ".join(f"`{value}`: {what}" for value, _, what in field.enum.values) + "."
        if field.constants:
            text += " " + "; ".join(f"{value}: {what}" for _, value, what in field.constants) + "."
        rows.append(f"| `{prefix}{field.name}` | {keys} | `{cell(field.spelling)}` | {cell(text)} |")
        if field.struct and not field.struct.shared:
            step = "[]." if field.cpp == "list<struct>" else "->"
            rows += reference_rows(field.struct, prefix + field.name + step)
    return rows


TABLE_HEAD = ["| Field | JSON key | C++ type | Meaning |", "| --- | --- | --- | --- |"]


def reference(family, samples):
    facts = family.facts
    lines = [
        f"# {facts['title_zh']} · {facts['title_en']}",
        "",
        f"`#include <dingcb/events/{family.name}.hpp>` · namespace `dingcb::events`",
        "",
        "<!-- " + GENERATED.format(family.name + ".json") + " -->",
        "",
        "| Event | Struct | Title |",
        "| --- | --- | --- |",
    ]
    for event in family.events:
        title = f"{event.facts['title_zh']} · {event.facts['title_en']}"
        lines.append(f"| [`{event.type}`](#{event.type.lower()}) | `{event.struct.name}` | {title} |")
    for event in family.events:
        facts = event.facts
        lines += ["", f"## {event.type}", "", f"{facts['title_zh']} · {sentence(facts['title_en'])} `dingcb::events::{event.struct.name}`", ""]
        lines += [delivery(facts) + (" Deprecated by DingTalk." if facts.get("deprecated") else "")]
        for note in facts.get("notes", []):
            lines += ["", note]
        lines += ["", "Pages: " + ", ".join(f"[{page}]({PAGE_URL}{page})" for page in facts["pages"]), ""]
        rows = reference_rows(event.struct, "")
        lines += TABLE_HEAD + rows if rows else ["No fields are documented; the JSON stays readable with `json()` and `raw()`."]
        known = sorted(samples.get(event.type, []), key=lambda s: (SAMPLE_ENVELOPES.index(s.envelope), s.name))
        if known:
            label = {"http": "An HTTP push", "legacy_http": "An HTTP push", "stream": "A Stream frame", "row": "A row"}
            lines += ["", f"{label[known[0].envelope]}, as the documents print it:", "", "```json", *pretty(known[0].text).split("\n"), "```"]
    if family.shared:
        lines += ["", "## Shared structs"]
        for struct in family.shared:
            lines += ["", f"### {struct.name}", "", struct.description, "", *TABLE_HEAD, *reference_rows(struct, "")]
    return lines


def reference_index(families):
    lines = [
        "# Event reference",
        "",
        f"The {sum(len(f.events) for f in families)} event types of this release. Types that are newer than it still arrive, as events of",
        "`Kind::unknown`; [adding an event](../adding-an-event.md) takes an entry in the catalogue.",
        "",
        "<!-- " + GENERATED.format("*.json") + " -->",
        "",
        "| Family | Header | Events |",
        "| --- | --- | --- |",
    ]
    for family in families:
        facts = family.facts
        lines.append(
            f"| [{facts['title_zh']} · {facts['title_en']}]({family.name}.md) | `dingcb/events/{family.name}.hpp` | {len(family.events)} |"
        )
    lines += ["", "| Event | Struct | Title | Family |", "| --- | --- | --- | --- |"]
    home = {event.type: family.name for family in families for event in family.events}
    for event in sorted_events(families):
        page = home[event.type]
        title = f"{event.facts['title_zh']} · {event.facts['title_en']}"
        lines.append(f"| [`{event.type}`]({page}.md#{event.type.lower()}) | `{event.struct.name}` | {title} | {page} |")
    return lines


# --- Files ------------------------------------------------------------------------------------------------------------


SAMPLE_SOURCES = {"http": "http", "legacy_http": "http", "stream": "stream", "row": "sync_http", "sync_http": "sync_http"}


def sample_bodies(samples):
    lines = [
        "// The official samples, for testkit.hpp.",
        "// Generated by tools/generate_events.py from tests/data/samples/*.txt; edit those, then run the tool.",
        "#pragma once",
        "",
        "#include <dingcb/testkit.hpp>",
        "",
        "DINGCB_NAMESPACE_BEGIN",
        "namespace testkit {",
        "namespace wire {",
        "",
        "// clang-format off",
        "inline constexpr Sample kSamples[] = {",
    ]
    for sample in sorted((s for group in samples.values() for s in group), key=lambda s: s.name):
        head = f'"{sample.name}", "{sample.type}", Source::{SAMPLE_SOURCES[sample.envelope]}'
        lines.append(f'    {{{head}, R"json({sample.text})json"}},')
    return lines + [
        "};",
        "// clang-format on",
        "",
        "}  // namespace wire",
        "}  // namespace testkit",
        "DINGCB_NAMESPACE_END",
    ]


def generate(families, samples):
    events = {event.type: event for event in sorted_events(families)}
    by_type = {}
    for sample in (s for found in samples.values() for s in found):
        by_type.setdefault(sample.type, []).append(sample)
    files = {
        "include/dingcb/impl/testkit_samples.ipp": sample_bodies(samples),
        "include/dingcb/events/kind.hpp": kind_header(families),
        "include/dingcb/events/all.hpp": all_header(families),
        "src/events.cpp": compiled_bodies(families),
        "include/dingcb/events/visit.hpp": visit_header(families),
        "include/dingcb/impl/events/catalogue.ipp": catalogue_bodies(families),
        "docs/events/README.md": reference_index(families),
    }
    for family in families:
        files[f"include/dingcb/events/{family.name}.hpp"] = family_header(family)
        files[f"include/dingcb/impl/events/{family.name}.ipp"] = family_bodies(family)
        files[f"docs/events/{family.name}.md"] = reference(family, by_type)
    for name, found in samples.items():
        files[f"tests/data/golden/{name}.txt"] = sample_decoder.golden(found, events)
    return {path: "\n".join(lines) + "\n" for path, lines in files.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when something is stale or wrong")
    parser.add_argument("--unknown", action="store_true", help="list the keys of samples that the catalogue does not know")
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    options = parser.parse_args()
    try:
        families = load_catalogue(options.root)
        samples = load_samples(options.root, families)
        files = generate(families, samples)
        events = {event.type: event for event in sorted_events(families)}
        known, unknown = sample_decoder.coverage([s for found in samples.values() for s in found], events)
    except (CatalogueError, sample_decoder.SampleError) as error:
        print(error, file=sys.stderr)
        return 1
    if options.unknown:
        for path, count in sorted(unknown.items()):
            print(f"{path} ({count})")
        return 0

    stale = []
    for path, text in files.items():
        target = options.root / path
        if not target.is_file() or target.read_bytes() != text.encode("utf-8"):
            stale.append(path)
            if not options.check:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(text.encode("utf-8"))
    for folder in ("include/dingcb/events", "include/dingcb/impl/events", "docs/events", "tests/data/golden"):
        for target in sorted((options.root / folder).glob("*")):
            path = target.relative_to(options.root).as_posix()
            if path not in files:
                stale.append(path)
                if not options.check:
                    target.unlink()

    if options.check:
        for path in stale:
            print(f"{path}: stale; run tools/generate_events.py", file=sys.stderr)
        return 1 if stale else 0
    structs = [s for f in families for top in f.shared + [e.struct for e in f.events] for s in all_structs(top)]
    print(
        f"{sum(len(f.events) for f in families)} events in {len(families)} families, {len(structs)} structs, "
        f"{sum(len(s.fields) for s in structs)} fields, {sum(len(s.enums()) for s in structs)} enumerations, "
        f"{sum(len(s) for s in samples.values())} samples with {known + sum(unknown.values())} values, {known} of them known; "
        f"{len(stale)} of {len(files)} files changed"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
