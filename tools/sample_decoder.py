"""Decodes the samples by the documented rules, independently of the C++ code: the oracle of tests/unit/samples_test.cpp.

JSON values are Python values, except that an object is a tuple of pairs (so that nothing of it is lost) and a number is its
literal, a Number.
"""

import json
import re
from dataclasses import dataclass
from fractions import Fraction


class Number(str):
    """The literal of a JSON number."""


def refuse(constant):
    raise ValueError(f"{constant} is no JSON")


def parse_json(text):
    return json.loads(text, object_pairs_hook=tuple, parse_int=Number, parse_float=Number, parse_constant=refuse)


def quote(text):
    """The way the C++ code writes a text: as few escapes as JSON permits."""
    text = re.sub("[\ud800-\udfff]", "\ufffd", text)  # halves of surrogate pairs
    return '"' + re.sub('[\\x00-\\x1f"\\\\]', lambda c: "\\" + c[0] if c[0] in '"\\' else f"\\u{ord(c[0]):04x}", text) + '"'


def serialise(value):
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Number):
        return value
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, list):
        return "[" + ",".join(serialise(item) for item in value) + "]"
    return "{" + ",".join(quote(key) + ":" + serialise(item) for key, item in value) + "}"


# --- One field --------------------------------------------------------------------------------------------------------


class SampleError(Exception):
    """What a person who adds a sample must repair."""


class Misfit(Exception):
    """The path of the field that does not fit."""

    def __init__(self, path=""):
        super().__init__(path)
        self.path = path

    def inside(self, step):
        separator = "." if self.path and not self.path.startswith("[") else ""
        return Misfit(step + separator + self.path)


def is_absent(value):
    return value is None or value == ""


def literal_of(value):
    """A scalar as text."""
    if isinstance(value, (list, tuple)):
        raise Misfit()
    return serialise(value) if isinstance(value, bool) else value


def read_number(value):
    if isinstance(value, bool) or not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,4})?", literal_of(value)):
        raise Misfit()
    return Fraction(value)


def embedded(value, bracket):
    """A text where an object or a list is expected often holds one."""
    if isinstance(value, str) and value.lstrip(" \t\r\n").startswith(bracket):
        try:
            return parse_json(value)
        except ValueError:
            pass
    return value


# Each gives the JSON that C++ writes for the value, None where the value says nothing.
def read_text(value):
    return None if value is None else quote(literal_of(value))


def read_int64(value):
    if is_absent(value):
        return None
    number = read_number(value)
    if number.denominator != 1 or not -(2**63) <= number < 2**63:
        raise Misfit()
    return str(number.numerator)


def read_double(value):
    return None if is_absent(value) else repr(float(read_number(value)))


def read_bool(value):
    if is_absent(value):
        return None
    known = {"true": "true", "1": "true", "false": "false", "0": "false"}
    if literal_of(value) not in known:
        raise Misfit()
    return known[literal_of(value)]


def read_json(value):
    return None if value is None else serialise(value)


READERS = {"string": read_text, "enum": read_text, "int64": read_int64, "double": read_double, "bool": read_bool, "json": read_json}


def read_list(value, read):
    """A list of texts of JSON; None where it is empty."""
    if is_absent(value):
        return None
    value = embedded(value, "[")
    if not isinstance(value, list):
        value = [value]  # a list of one is often written as its element
        steps = [""]
    else:
        steps = [f"[{index}]" for index in range(len(value))]
    found = []
    for step, item in zip(steps, value):
        try:
            found.append(read(item))
        except Misfit as misfit:
            raise misfit.inside(step) if step else misfit
    found = [item for item in found if item is not None]
    return "[" + ",".join(found) + "]" if found else None


def read_field(field, value):
    kind, _, element = field.cpp.partition("<")
    element = element.rstrip(">")

    def read(item):
        return read_struct(field.struct, item) if field.struct else READERS[element or kind](item)

    found = read_list(value, read) if kind == "list" else read(value)
    return None if found == '""' and kind in ("string", "enum") else found


def read_fields(struct, value):
    """The JSON of each field that is present, by its newest key."""
    value = embedded(value, "{")
    if not isinstance(value, tuple):
        raise Misfit()
    members = {}  # the last of several; an empty text says nothing beside any other
    for key, item in value:
        if item == "":
            members.setdefault(key, item)
        elif item is not None:
            members[key] = item
    found = {}
    for field in struct.fields:
        spellings = [key for key in field.keys if key in members]
        if not spellings:
            continue
        spelling = next((key for key in spellings if members[key] != ""), spellings[0])
        try:
            text = read_field(field, members[spelling])
        except Misfit as misfit:
            raise misfit.inside(spelling)
        if text is not None:
            found[field.facts["key"]] = text
    return found


def write_fields(struct, found):
    keys = [field.facts["key"] for field in struct.fields]
    return "{" + ",".join(quote(key) + ":" + found[key] for key in keys if key in found) + "}"


def read_struct(struct, value):
    return None if is_absent(value) else write_fields(struct, read_fields(struct, value))


# --- One sample -------------------------------------------------------------------------------------------------------


def unpack(value):
    """What stands in a text that holds JSON; any other value itself."""
    if not isinstance(value, str) or isinstance(value, Number):
        return value
    try:
        return parse_json(value)
    except ValueError:
        return value


MISSING = object()  # unlike null, which says that there is nothing to say


@dataclass
class Occurrence:
    """An event of a sample, as its envelope brings it."""

    type: str
    payload: object
    biz_id: str = ""  # the column of its row, where the row is of a biz_type of this event


def row_occurrence(row, events):
    """Rows should name their type in syncAction; older and odder ones put it elsewhere, or leave it to their biz_type."""
    payload = unpack(row.get("biz_data"))
    members = dict(payload) if isinstance(payload, tuple) else {}
    data = dict(members["data"]) if isinstance(members.get("data"), tuple) else {}
    names = [members.get("syncAction"), data.get("syncAction"), members.get("EventType"), members.get("eventType")]
    names = [name for name in names if name]
    kinds = [e.type for e in events.values() if str(e.facts.get("sync", {}).get("biz_type")) == row.get("biz_type")]
    kind = next((name for name in names if name in kinds), None)
    kind = kind or next((k for k in kinds if members.get("eventType") == events[k].facts["sync"].get("event_type", k)), None)
    if not kind and len(kinds) == 1 and not any(name in events for name in names):
        kind = kinds[0]
    kind = kind or (names or [""])[0]
    return Occurrence(kind, payload, literal_of(row.get("biz_id") or "") if kind in kinds else "")


def occurrences(sample, events):
    pairs = parse_json(sample.text)
    body = dict(pairs)
    try:
        if sample.envelope == "stream":
            return [Occurrence(body["eventType"], unpack(body.get("data", MISSING)))]
        if sample.envelope == "row":
            return [row_occurrence(body, events)]
        if sample.envelope == "sync_http":
            return [row_occurrence(dict(row), events) for row in unpack(body["bizData"])]
        # What the push says, not the page on which it stands: some print the push of another type.
        key = next((key for key in ("EventType", "eventType", "action") if body.get(key)), "EventType")
        return [Occurrence(body[key], pairs)]
    except KeyError as missing:
        raise SampleError(f"tests/data/samples: # {sample.name} {sample.envelope}: the sample has no {missing}") from None


def decode(event, occurrence):
    """The JSON of the event; raises Misfit."""
    if occurrence.payload is MISSING:
        raise Misfit()
    found = {} if is_absent(occurrence.payload) else read_fields(event.struct, occurrence.payload)
    key = event.facts.get("biz_id_key")
    if occurrence.biz_id and key and key not in found:  # old rows name the object in their column alone
        try:
            field = next(field for field in event.struct.fields if field.facts["key"] == key)
            found[key] = read_field(field, occurrence.biz_id)
        except Misfit:
            pass  # no id of this kind
    return write_fields(event.struct, found)


def golden(samples, events):
    """The lines of tests/data/golden/<family>.txt."""
    lines = []
    for sample in samples:
        for found in occurrences(sample, events):
            head = f"# {sample.name} {found.type}"
            if found.type not in events:
                lines.append(f"{head} unknown")
                continue
            try:
                lines += [head, decode(events[found.type], found)]
            except Misfit as misfit:
                lines.append(f"{head} misfit {misfit.path or '-'}")  # -: the whole body
    return lines


# --- What the catalogue does not know ---------------------------------------------------------------------------------

# What envelopes put beside the event's own fields (include/dingcb/event.hpp, EventHeader).
HEADER_KEYS = set(
    """EventType eventType EventTime eventTime TimeStamp timeStamp eventId EventId CorpId corpId corpid corp_id SuiteKey suiteKey
    suite_key BizId bizId syncAction syncSeq action""".split()
)


def leaves(value):
    if isinstance(value, tuple):
        value = [item for _, item in value]
    return sum(leaves(item) for item in value) if isinstance(value, list) else 1


def survey(struct, value, path, unknown, header=frozenset()):
    """Counts the scalars that fields hold, and those under each key that no field has."""
    value = embedded(value, "{")
    if not isinstance(value, tuple):
        return 1
    known = 0
    for key, item in value:
        field = next((field for field in struct.fields if key in field.keys), None)
        if field and field.struct:
            item = embedded(item, "[")
            for one in item if isinstance(item, list) else [item]:
                known += survey(field.struct, one, f"{path}{key}.", unknown)
        elif field:
            known += leaves(item)
        elif key not in header:
            unknown[path + key] = unknown.get(path + key, 0) + leaves(item)
    return known


def coverage(samples, events):
    """How many scalars of the samples the catalogue knows, and how many it does not under each `type: path`."""
    known, unknown = 0, {}
    for sample in samples:
        for found in occurrences(sample, events):
            kind = found.type if found.type in events else sample.type
            known += survey(events[kind].struct, () if found.payload in (None, MISSING) else found.payload, f"{kind}: ", unknown, HEADER_KEYS)
    return known, unknown
