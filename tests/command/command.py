"""Drives the command as a process. Each test file has `unittest` classes that derive from CommandTest."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOKEN = "123456"
AES_KEY = "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij"
OWNER_KEY = "suite4xxxxxxxxxxxxxxx"

# Vector 2 of DingTalk's documents, which no code of this project made.
VECTORS = pathlib.Path(__file__).resolve().parent.parent / "data" / "vectors"


class Ran:
    def __init__(self, arguments, process):
        self.arguments = arguments
        self.exit = process.returncode
        self.bytes = process.stdout
        self.out = process.stdout.decode("utf-8", "replace")
        self.err = process.stderr.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.out)

    def jsons(self):
        return [json.loads(line) for line in self.out.splitlines()]

    def __str__(self):
        return f"dingcb {' '.join(self.arguments)}\nexit {self.exit}\n--- stdout\n{self.out}--- stderr\n{self.err}"


class CommandTest(unittest.TestCase):
    program = None
    maxDiff = None

    def setUp(self):
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)
        self.folder = pathlib.Path(self._folder.name)

    def environment(self, **more):
        """Nothing of the tester's own settings."""
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("DINGCB_", "LC_", "LANG", "XDG_", "CLICOLOR", "NO_COLOR"))}
        kept["HOME"] = str(self.folder)
        kept.update(more)
        return kept

    def run_with(self, environment, *arguments, stdin=b""):
        if isinstance(stdin, str):
            stdin = stdin.encode()
        arguments = [str(argument) for argument in arguments]
        process = subprocess.run([self.program, *arguments], input=stdin, capture_output=True, cwd=self.folder,
                                 env=self.environment(**environment), timeout=240, check=False)
        return Ran(arguments, process)

    def run_bare(self, *arguments, stdin=b""):
        """Without any setting."""
        return self.run_with({}, *arguments, stdin=stdin)

    def dingcb(self, *arguments, stdin=b"", **environment):
        """With those of the sample in DingTalk's documents."""
        settings = {"DINGCB_TOKEN": TOKEN, "DINGCB_AES_KEY": AES_KEY, "DINGCB_OWNER_KEY": OWNER_KEY}
        settings.update(environment)
        return self.run_with(settings, *arguments, stdin=stdin)

    def write(self, name, text):
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def assert_ran(self, ran, exit_code=0):
        self.assertEqual(ran.exit, exit_code, ran)
        if exit_code == 0:
            self.assertEqual(ran.err, "", ran)
        for secret in (TOKEN, AES_KEY):
            self.assertNotIn(secret, ran.err, ran)
        return ran

    def assert_fails(self, ran, exit_code, *texts):
        self.assert_ran(ran, exit_code)
        self.assertEqual(ran.out, "", ran)
        for text in texts:
            self.assertIn(text, ran.err, ran)
        return ran

    def push(self, plaintext, *more):
        """A push as {query, body}."""
        return self.assert_ran(self.dingcb("encrypt", "--as", "json", *more, "-", stdin=plaintext)).json()


def main():
    CommandTest.program = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
