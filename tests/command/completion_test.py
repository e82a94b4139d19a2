"""completion: each shell offers verbs, options, values and events; the man page is clean and complete."""

import re
import shutil
import subprocess
import unittest

from command import CommandTest, main


class Completion(CommandTest):
    def script(self, shell):
        return self.write("script." + shell, self.assert_ran(self.run_bare("completion", shell)).bytes)

    def shell(self, *arguments, text=None):
        environment = self.environment(PATH=f"{self.program.rpartition('/')[0]}:/usr/bin:/bin", TERM="dumb")
        ran = subprocess.run(arguments, input=text, capture_output=True, text=True, env=environment, cwd=self.folder,
                             timeout=60, check=False)
        self.assertEqual(ran.stderr, "", ran)
        return ran.stdout.split("\n")

    def bash(self, *words):
        line = (f"source {self.script('bash')}; COMP_WORDS=(dingcb {' '.join(words)}); COMP_CWORD={len(words)}; "
                "_dingcb; printf '%s\\n' \"${COMPREPLY[@]}\"")
        return self.shell("bash", "--norc", "-c", line)

    def test_bash(self):
        self.assertEqual(self.bash("de")[:1], ["decrypt"])
        self.assertEqual(self.bash("decrypt", "--fo")[:1], ["--form"])
        self.assertEqual(self.bash("decrypt", "--form", "h")[:1], ["har"])
        self.assertEqual(self.bash("push", "http://x", "user_add")[:1], ["user_add_org"])
        self.assertIn("request.txt", self.bash("decrypt", str(self.write("request.txt", "").name)))
        self.assertIn("--config", self.bash("conform", "--"))
        self.assertEqual(self.bash("inbox", "s")[:2], ["setup", "stats"])
        self.assertIn("--sqlite", self.bash("inbox", "--"))
        self.assertEqual(self.bash("completion", "f")[:1], ["fish"])

    @unittest.skipUnless(shutil.which("fish"), "no fish")
    def test_fish(self):
        def offered(line):
            return [one.split("\t")[0] for one in
                    self.shell("fish", "--no-config", "-c", f"source {self.script('fish')}; complete -C '{line}'")]

        self.assertIn("decrypt", offered("dingcb de"))
        self.assertIn("--form", offered("dingcb decrypt --fo"))
        self.assertIn("har", offered("dingcb decrypt --form "))
        self.assertIn("user_add_org", offered("dingcb events user_add"))
        self.assertEqual(offered("dingcb inbox se")[:1], ["setup"])
        self.assertNotIn("setup", offered("dingcb inbox stats s"))

    @unittest.skipUnless(shutil.which("zsh"), "no zsh")
    def test_zsh(self):
        script = self.script("zsh")
        # compadd is what everything ends in; the functions of zsh around it need a terminal.
        text = (f"emulate zsh; autoload -Uz compinit; compdef() {{ :; }}; source {script}; "
                "_describe() { print -l -- $verbs; }; _arguments() { print -l -- \"$@\"; }; "
                "compadd() { print -l -- $types; }; words=(dingcb de); CURRENT=2; _dingcb; "
                "words=(dingcb decrypt --form ''); CURRENT=4; _dingcb; words=(dingcb inbox ''); CURRENT=3; _dingcb; "
                "_dingcb_events")
        lines = self.shell("zsh", "-f", "-c", text)
        self.assertTrue(any(line.startswith("decrypt:") for line in lines), lines)
        form = re.compile(r"\*--form\[.*\]:value:\(auto raw curl har capture body\)$")
        self.assertTrue(any(form.match(line) for line in lines), lines)
        self.assertIn("user_add_org", lines)
        self.assertIn("1:action:(setup stats dead requeue purge latest)", lines)

    @unittest.skipUnless(shutil.which("groff"), "no groff")
    def test_man_page(self):
        page = self.assert_ran(self.run_bare("completion", "man")).out
        ran = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-K", "utf8", "-P-c"], input=page.encode(),
                             capture_output=True, check=True)
        self.assertEqual(ran.stderr, b"")
        text = re.sub(".\x08", "", ran.stdout.decode()).replace("\u2010", "-").replace("\u2212", "-")
        help_text = self.run_bare("--help").out
        verbs = re.findall(r"(?m)^  ([a-z]+)  ", help_text.split("Subcommands:")[1])
        self.assertGreater(len(verbs), 10)
        for verb in verbs:
            self.assertIn(f"dingcb {verb}", text)
            for option in re.findall(r"(?m)^  (?:-\w,)?(--[a-z-]+)", self.run_bare(verb, "--help").out):
                self.assertIn(option, text)
        self.assertIn("EXIT STATUS", text)

    def test_file(self):
        self.assertEqual(self.assert_ran(self.run_bare("completion", "bash", "-o", "file")).out, "")
        self.assertEqual((self.folder / "file").read_text(), self.run_bare("completion", "bash").out)
        self.assert_fails(self.run_bare("completion", "bash", "-o", "no/file"), 3, "cannot write no/file")

    def test_unknown_shell(self):
        self.assert_fails(self.run_bare("completion", "tcsh"), 2, "bash,zsh,fish,man")
        self.assert_fails(self.run_bare("completion"), 2, "dingcb completion --help")


if __name__ == "__main__":
    main()
