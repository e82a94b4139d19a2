"""The terminal session in docs/command.md; see sessions.py."""

from command import AES_KEY, OWNER_KEY, TOKEN
from service import Service
from sessions import SessionTest, main_or_write

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


class Session(SessionTest):
    file = "session_test.py"

    def session(self):
        self.write("dingcb.env", f"DINGCB_TOKEN={TOKEN}\nDINGCB_AES_KEY={AES_KEY}\nDINGCB_OWNER_KEY={OWNER_KEY}\n")
        with Service() as good, Service("wrong_owner_key_in_reply") as broken:
            def real_line(line):
                more = " --deadline 60000 --timeout 60000" if " push " in line or " conform " in line else ""
                return line.replace(GOOD, good.url).replace(BROKEN, broken.url) + more

            return self.run_session(SESSION, real_line, DINGCB_CONFIG="dingcb.env")

    def test_documents_show_what_the_command_prints(self):
        self.check_documents()


if __name__ == "__main__":
    main_or_write(Session("test_documents_show_what_the_command_prints"))
