"""frameworks_test.py DINGCB [--socket] PROGRAM [ARGUMENT...] - conform passes against an example behind an HTTP server.

The program prints "listening on 127.0.0.1:<port>". With --socket it gets one that listens as descriptor 3, and its port in
DINGCB_E2E_PORT.
"""

import os
import re
import socket
import subprocess
import sys

from command import AES_KEY, OWNER_KEY, TOKEN, CommandTest, main

ARGUMENTS = []


class Frameworks(CommandTest):
    def start(self, log):
        arguments = list(ARGUMENTS)
        environment = self.environment(DINGCB_TOKEN=TOKEN, DINGCB_AES_KEY=AES_KEY, DINGCB_OWNER_KEY=OWNER_KEY)
        if arguments[0] != "--socket":
            return subprocess.Popen(arguments, cwd=self.folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
            listening.setblocking(False)  # or else a worker of nginx waits for the connection that another one took
            environment["DINGCB_E2E_PORT"] = str(listening.getsockname()[1])
            return subprocess.Popen(arguments[1:], cwd=self.folder, env=environment, stdout=log, stderr=subprocess.STDOUT,
                                    pass_fds=(3,), preexec_fn=lambda: os.dup2(listening.fileno(), 3))

    def port_of(self, process, path):
        """Waits for the line that names it; the test's own time limit ends a wait in vain."""
        while True:
            found = re.search(r"(?m)^listening on 127\.0\.0\.1:(\d+)$", path.read_text(errors="replace"))
            if found:
                return found[1]
            self.assertIsNone(process.poll(), path.read_text(errors="replace"))

    def test_conform(self):
        path = self.folder / "log"
        with open(path, "wb") as log:
            process = self.start(log)
        try:
            url = f"http://127.0.0.1:{self.port_of(process, path)}/callback"
            ran = self.dingcb("conform", url, "--deadline", "60000", "--timeout", "20000")
            self.assert_ran(ran)
            self.assertRegex(ran.out, r"(?m)^\d+ passed, 0 failed$")
            print(ran.out)
        finally:
            process.terminate()
            try:  # how a server ends is for the tests of e2e/
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


if __name__ == "__main__":
    ARGUMENTS.extend(sys.argv[2:])
    del sys.argv[2:]
    main()
