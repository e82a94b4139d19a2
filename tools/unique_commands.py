#!/usr/bin/env python3
"""unique_commands.py FROM TO: a compilation database with each file once, where many targets build the same one.

clang-tidy would read a file as often as it is built."""
import json
import pathlib
import sys

source, target = map(pathlib.Path, sys.argv[1:])
commands = {command["file"]: command for command in json.loads(source.read_text())}
target.parent.mkdir(exist_ok=True)
target.write_text(json.dumps(list(commands.values())))
