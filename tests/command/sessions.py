"""Terminal sessions in docs/command.md, and in its Chinese version: what the command prints, apart from figures.

A test file that derives from SessionTest compares; with --write it runs the session again and puts it into the
documents.
"""

import pathlib
import re
import subprocess
import sys

from command import CommandTest, main

DOCS = [pathlib.Path(__file__).resolve().parents[2] / "docs" / name for name in ("command.md", "command.zh-CN.md")]
END = "```\n<!-- /session -->"


class SessionTest(CommandTest):
    """Derive with `file`, the name of the test file, and `session()`, which gives the text."""

    file = None

    def run_session(self, lines, real_line=lambda line: line, **environment):
        """Runs shell lines. @param real_line what to run for a line that is shown."""
        path = f"{self.program.rpartition('/')[0]}:/usr/bin:/bin"
        text = ""
        for line in lines.splitlines():
            ran = subprocess.run(["bash", "-c", real_line(line)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 text=True, env=self.environment(PATH=path, **environment), cwd=self.folder,
                                 timeout=240, check=False)
            text += f"$ {line}\n{ran.stdout}"
            if ran.returncode != 0:
                text += f"(exit code {ran.returncode})\n"
        return text

    def begin(self):
        return f"<!-- session: tests/command/{self.file} -->\n```console\n"

    def check_documents(self):
        def without_figures(text):
            return re.sub(" +", " ", re.sub(r"\d[\d.:-]*", "0", text))

        session = without_figures(self.session())
        for path in DOCS:
            document = path.read_text()
            self.assertEqual(document.count(self.begin()), 1, path)
            shown = document.split(self.begin())[1].split(END)[0]
            self.assertEqual(without_figures(shown), session, f"{path.name}: run {self.file} with --write")

    def write_documents(self):
        session = self.session()
        for path in DOCS:
            before, rest = path.read_text().split(self.begin())
            path.write_text(before + self.begin() + session + END + rest.split(END, 1)[1])


def main_or_write(test):
    """@param test the SessionTest that --write runs."""
    if "--write" not in sys.argv:
        return main()
    CommandTest.program = str(pathlib.Path(sys.argv[1]).resolve())
    test.setUp()
    test.write_documents()
    test.doCleanups()
    return None
