"""Writes the event headers, their field tables, Kind, and visit(): C++ that is clean under clang-format."""

import textwrap

from event_catalogue import all_structs, find_path, sorted_events
from event_words import GENERATED, PAGE_URL, delivery, join, meaning, sentence

COLUMNS = 120


def literal(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '"'


def comment(text, indent):
    prefix = " " * indent + "/// "
    return textwrap.wrap(
        text, COLUMNS, initial_indent=prefix, subsequent_indent=prefix, break_long_words=False, break_on_hyphens=False
    )


def with_comments(rows, indent):
    """Rows of (code, comment) as clang-format aligns them."""
    width = max(len(code) for code, _ in rows)
    return [f"{' ' * indent}{code.ljust(width)}  ///< {text}" for code, text in rows]


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


def enum_texts(found):
    head = "  static constexpr std::string_view texts[] = {"
    line = head + ", ".join(literal(value) for value, _, _ in found.values) + "};"
    if len(line) <= COLUMNS:
        return [line]
    rows = [(literal(value) + ",", name) for value, name, _ in found.values]
    width = max(len(text) for text, _ in rows)
    return [head, *[f"      {text.ljust(width)}  // {name}" for text, name in rows], "  };"]


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


def wrapped(head, items, tail, indent):
    """`head` and the items on as few lines as clang-format takes."""
    lines, line = [], head
    for index, item in enumerate(items):
        item += ", " if index + 1 < len(items) else tail
        if len(line + item.rstrip()) > COLUMNS:
            lines.append(line.rstrip())
            line = " " * indent
        line += item
    return lines + [line]


def field_call(field):
    items = [literal(field.facts["key"]), f"e.{field.name}", *[literal(alias) for alias in field.aliases]]
    return wrapped("    field(", items, ");", 10)


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
inline RowKinds kinds_of_biz_type(std::int64_t biz_type) noexcept {
  const auto first = std::lower_bound(std::begin(row_kinds), std::end(row_kinds), biz_type,
                                      [](const RowKind& row, std::int64_t wanted) { return row.biz_type < wanted; });
  const RowKind* last = first;
  while (last != std::end(row_kinds) && last->biz_type == biz_type) ++last;
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
        "#include <algorithm>",
        "#include <iterator>",
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
            keys = key_list(find_path(event.struct, path, event.type))
            if "." in path:
                root = literal(path.partition(".")[0])
        names = [literal(event.type), literal(event.struct.name), literal(family_of[event.type])]
        lines += wrapped("    {", [*names, biz_id, root, keys], "},", 5)
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
