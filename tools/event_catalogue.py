"""Reads catalog/*.json and tests/data/samples/*.txt, and says what is wrong with them."""

import json
import re
from dataclasses import dataclass, field as member

import sample_decoder

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
                if entry[which].count(".") > (1 if which == "object_key" else 0):
                    raise CatalogueError(f"{where}: {which} is nested too deep")
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


def all_structs(struct):
    """The struct after those that its fields need."""
    found = []
    for nested in struct.nested():
        found += all_structs(nested)
    return found + [struct]


def sorted_events(families):
    return sorted((event for family in families for event in family.events), key=lambda event: event.type)


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
