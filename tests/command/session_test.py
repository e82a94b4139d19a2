"""The terminal session in docs/command.md, and in its Chinese version: what the command prints, apart from figures.

session_test.py DINGCB           compares
session_test.py DINGCB --write   runs the session again and puts it into the documents
"""

import pathlib
import re
import subprocess
import sys

from command import AES_KEY, OWNER_KEY, TOKEN, CommandTest, main
from service import Service

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
BEGIN, END = "<!-- session: tests/command/session_test.py -->\n```console\n", "```\n<!-- /session -->"

# What stands in the documents for two endpoints, one good, one that seals its replies with another owner key.
GOOD, BROKEN = "http://127.0.0.1:8080/callback", "http://127.0.0.1:8081/callback"

SESSION = f"""\
dingcb encrypt '{{"EventType":"check_url"}}' --as raw >request.txt
dingcb decrypt request.txt
dingcb verify request.txt --token another
dingcb diagnose request.txt --owner-key ding0123456789abcdef
dingcb diagnose request.txt --token another --lang zh
dingcb events 'chat_update_*'
dingcb push {GOOD}
dingcb push {GOOD} user_add_org --set userId='["u1","u2"]' --mode sync-http
dingcb push {GOOD} --forge all
dingcb push {GOOD} user_add_org --repeat 100 --concurrency 4 --duplicate 1 --reorder
dingcb push {BROKEN}
dingcb conform {GOOD} --only check-url --only events --only padding --only forgeries
"""


class Session(CommandTest):
    def session(self):
        self.write("dingcb.env", f"DINGCB_TOKEN={TOKEN}\nDINGCB_AES_KEY={AES_KEY}\nDINGCB_OWNER_KEY={OWNER_KEY}\n")
        path = f"{self.program.rpartition('/')[0]}:/usr/bin:/bin"
        text = ""
        with Service() as good, Service("wrong_owner_key_in_reply") as broken:
            for line in SESSION.splitlines():
                real = line.replace(GOOD, good.url).replace(BROKEN, broken.url)
                if " push " in real or " conform " in real:
                    real += " --deadline 60000 --timeout 60000"
                ran = subprocess.run(["bash", "-c", real], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                     env=self.environment(DINGCB_CONFIG="dingcb.env", PATH=path), cwd=self.folder,
                                     timeout=240, check=False)
                text += f"$ {line}\n{ran.stdout}"
                if ran.returncode != 0:
                    text += f"(exit code {ran.returncode})\n"
        return text

    def test_documents_show_what_the_command_prints(self):
        def without_figures(text):
            return re.sub(" +", " ", re.sub(r"\d[\d.:-]*", "0", text))

        session = without_figures(self.session())
        for name in ("command.md", "command.zh-CN.md"):
            document = (DOCS / name).read_text()
            self.assertEqual(document.count(BEGIN), 1, name)
            shown = document.split(BEGIN)[1].split(END)[0]
            self.assertEqual(without_figures(shown), session, f"{name}: run session_test.py with --write")


def write():
    CommandTest.program = str(pathlib.Path(sys.argv[1]).resolve())
    test = Session("test_documents_show_what_the_command_prints")
    test.setUp()
    session = test.session()
    test.doCleanups()
    for name in ("command.md", "command.zh-CN.md"):
        document = (DOCS / name).read_text()
        before, rest = document.split(BEGIN)
        (DOCS / name).write_text(before + BEGIN + session + END + rest.split(END, 1)[1])


if __name__ == "__main__":
    if "--write" in sys.argv:
        write()
    else:
        main()
