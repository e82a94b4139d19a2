"""Writes the event reference, docs/events/*.md."""

import re

from event_catalogue import SAMPLE_ENVELOPES, sorted_events
from event_words import GENERATED, PAGE_URL, delivery, meaning, sentence


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
