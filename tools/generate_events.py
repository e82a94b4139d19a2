#!/usr/bin/env python3
"""Generates the event headers, their field tables, the event reference and the golden files from catalog/*.json.

    tools/generate_events.py            writes what has changed, deletes what is generated no more
    tools/generate_events.py --check    writes nothing; fails when the catalogue, a sample or a generated file is wrong
    tools/generate_events.py --unknown  lists the keys of the samples that the catalogue does not know

Needs Python 3.9 and nothing else. What it writes is the same everywhere and clean under clang-format.
"""

import argparse
import pathlib
import sys

sys.dont_write_bytecode = True
import event_headers
import event_reference
import sample_decoder
from event_catalogue import CatalogueError, all_structs, load_catalogue, load_samples, sorted_events


def generate(families, samples):
    events = {event.type: event for event in sorted_events(families)}
    by_type = {}
    for sample in (s for found in samples.values() for s in found):
        by_type.setdefault(sample.type, []).append(sample)
    files = {
        "include/dingcb/impl/testkit_samples.ipp": event_headers.sample_bodies(samples),
        "include/dingcb/events/kind.hpp": event_headers.kind_header(families),
        "include/dingcb/events/all.hpp": event_headers.all_header(families),
        "src/events.cpp": event_headers.compiled_bodies(families),
        "include/dingcb/events/visit.hpp": event_headers.visit_header(families),
        "include/dingcb/impl/events/catalogue.ipp": event_headers.catalogue_bodies(families),
        "docs/events/README.md": event_reference.reference_index(families),
    }
    for family in families:
        files[f"include/dingcb/events/{family.name}.hpp"] = event_headers.family_header(family)
        files[f"include/dingcb/impl/events/{family.name}.ipp"] = event_headers.family_bodies(family)
        files[f"docs/events/{family.name}.md"] = event_reference.reference(family, by_type)
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
