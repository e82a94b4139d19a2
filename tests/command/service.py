"""A callback endpoint in Python that answers as DingTalk wants, or with one of many faults."""

import base64
import http.server
import json
import threading
import time
import urllib.parse

import protocol
from command import AES_KEY, OWNER_KEY, TOKEN

MOST_BODY = 4 * 1024 * 1024

# Fault -> the cause that the command has to name.
FAULTS = {
    "timestamp_in_seconds_of_the_minute": "timestamp_odd",
    "timestamp_of_last_year": "timestamp_stale",
    "plaintext_of_the_push_as_reply": "event_echoed",
    "success_in_clear": "reply_not_encrypted",
    "wrong_owner_key_in_reply": "owner_key_wrong",
    "no_owner_key_in_reply": "owner_key_missing",
    "newline_in_base64": "encrypt_line_breaks",
    "url_safe_base64": "encrypt_url_safe",
    "three_seconds": "late",
    "empty_200": "body_empty",
    "redirect": "redirected",
    "status_204": "status_not_200",
    "html": "body_not_json",
    "json_serialised_twice": "json_in_text",
    "signature_named_signature": "field_misnamed",
    "timestamp_as_number": "field_not_text",
    "signature_upper_case": "signature_upper_case",
    "signature_of_the_push": "signature_wrong",
    "error_instead_of_success": "plaintext_wrong",
    "length_in_wrong_order": "length_wrong",
    "zero_padding": "padding_wrong",
    "no_envelope": "envelope_missing",
    "fails_on_unknown_events": "status_not_200",
    "fails_on_padding_above_16": "status_not_200",
    "counts_characters": "status_not_200",
    "refuses_long_messages": "status_not_200",
    "refuses_duplicates": "status_not_200",
    "reads_signature_only": "status_not_200",
    "no_percent_decoding": "status_not_200",
    "needs_content_length": "status_not_200",
    "same_reply_every_time": "reply_repeated",
    "signature_not_checked": "forgery_accepted",
    "owner_key_not_checked": "forgery_accepted",
    "forgeries_are_500": "forgery_broke_it",
    "rows_are_unknown": "status_not_200",
}


class Refused(Exception):
    pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(405, "POST only")

    def read_body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            if self.server.fault == "needs_content_length":
                self.close_connection = True
                raise Refused(411)
            body = b""
            while True:
                size = int(self.rfile.readline(), 16)
                body += self.rfile.read(size)
                self.rfile.readline()
                if size == 0:
                    return body
        size = int(self.headers.get("Content-Length", 0))
        if size > MOST_BODY:
            self.close_connection = True
            raise Refused(413)
        return self.rfile.read(size)

    def open_push(self, body):
        fault = self.server.fault
        query = self.path.partition("?")[2]
        pairs = [pair.partition("=")[::2] for pair in query.split("&")]
        if fault != "no_percent_decoding":
            pairs = [(name, urllib.parse.unquote(value)) for name, value in pairs]
        query = dict(pairs)
        signature = query.get("signature", "")
        if fault != "reads_signature_only":
            signature = signature or query.get("msg_signature", "")
        try:
            sealed = json.loads(body)["encrypt"]
            good = protocol.sign(TOKEN, query["timestamp"], query["nonce"], sealed) == signature
            if not good and fault != "signature_not_checked":
                raise Refused(403)
            data = protocol._aes(protocol.key_of(AES_KEY), base64.b64decode(sealed), False)
            if fault == "fails_on_padding_above_16" and data[-1] > 16:
                raise Refused(500)
            text, owner_key = protocol.open_sealed(AES_KEY, sealed)
            if owner_key != OWNER_KEY and fault != "owner_key_not_checked":
                raise Refused(403)
            return text.decode(), query
        except (ValueError, KeyError, TypeError, IndexError, RecursionError, protocol.struct.error):
            raise Refused(403) from None

    def do_POST(self):
        fault = self.server.fault
        try:
            body = self.read_body()
            text, query = self.open_push(body)
            self.check(text)
        except Refused as refused:
            status = refused.args[0]
            self.answer(500 if fault == "forgeries_are_500" and status == 403 else status, "refused")
            return
        with self.server.lock:
            self.server.received.append(text)
        self.reply(text, query)

    def check(self, text):
        fault = self.server.fault
        try:
            event = json.loads(text)
        except ValueError:
            raise Refused(400) from None
        if fault == "three_seconds" and event.get("EventType") == "check_url":
            time.sleep(3)
        if fault == "fails_on_unknown_events" and event.get("EventType", "").startswith("dingcb_"):
            raise Refused(500)
        if fault == "rows_are_unknown" and "bizData" in event:
            raise Refused(400)
        if fault == "counts_characters" and len(text) != len(text.encode()):
            raise Refused(500)
        if fault == "refuses_long_messages" and len(text) > 60000:
            raise Refused(413)
        if fault == "refuses_duplicates" and "eventId" in event:
            with self.server.lock:
                if event["eventId"] in self.server.seen:
                    raise Refused(409)
                self.server.seen.add(event["eventId"])

    def reply(self, text, query):
        fault = self.server.fault
        reply = self.fields(text, query)
        if isinstance(reply, tuple):
            self.answer(*reply[:2], **(reply[2] if len(reply) > 2 else {}))
            return
        if fault == "same_reply_every_time":
            with self.server.lock:
                self.server.first_reply = self.server.first_reply or reply
                reply = self.server.first_reply
        text = json.dumps(reply)
        self.answer(200, json.dumps(text) if fault == "json_serialised_twice" else text,
                    Content_Type="application/json")

    def fields(self, text, query):
        """The fields of the reply, or status, body and headers."""
        fault = self.server.fault
        settings = (TOKEN, AES_KEY, OWNER_KEY)
        whole = protocol.envelope("success", OWNER_KEY)

        def sealed(data):
            return protocol.reply(*settings, sealed=data)

        good = protocol.reply(*settings)
        simple = {
            "plaintext_of_the_push_as_reply": (200, text),
            "success_in_clear": (200, "success"),
            "empty_200": (200, ""),
            "redirect": (302, "", {"Location": "/elsewhere"}),
            "status_204": (204, ""),
            "html": (200, "<html>ok</html>"),
        }
        if fault in simple:
            return simple[fault]
        if fault == "timestamp_in_seconds_of_the_minute":
            return protocol.reply(*settings, timestamp=str(int(time.time()) % 60))
        if fault == "timestamp_of_last_year":
            return protocol.reply(*settings, timestamp="1700000000000")
        if fault == "wrong_owner_key_in_reply":
            return protocol.reply(TOKEN, AES_KEY, "dingsomebodyelse")
        if fault == "no_owner_key_in_reply":
            return protocol.reply(TOKEN, AES_KEY, "")
        if fault == "newline_in_base64":
            return sealed(base64.encodebytes(base64.b64decode(good["encrypt"])).decode())
        if fault == "url_safe_base64":
            while not set(good["encrypt"]) & set("+/"):
                good = protocol.reply(*settings)
            return sealed(good["encrypt"].replace("+", "-").replace("/", "_"))
        if fault == "signature_named_signature":
            good["signature"] = good.pop("msg_signature")
        if fault == "timestamp_as_number":
            good["timeStamp"] = int(good["timeStamp"])
        if fault == "signature_upper_case":
            good["msg_signature"] = good["msg_signature"].upper()
        if fault == "signature_of_the_push":
            good["msg_signature"] = query.get("signature", "0" * 40)
        if fault == "error_instead_of_success":
            return protocol.reply(*settings, text="error")
        if fault == "length_in_wrong_order":
            return sealed(protocol.encrypt(AES_KEY, protocol.pad(whole[:16] + whole[16:20][::-1] + whole[20:])))
        if fault == "zero_padding":
            return sealed(protocol.encrypt(AES_KEY, whole + b"\0" * (-len(whole) % 32)))
        if fault == "no_envelope":
            return sealed(protocol.encrypt(AES_KEY, protocol.pad(b"success")))
        return good


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256


class Service:
    """Runs while it is entered."""

    def __init__(self, fault=None):
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.server.fault = fault
        self.server.lock = threading.Lock()
        self.server.received = []
        self.server.seen = set()
        self.server.first_reply = None
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/callback"

    @property
    def received(self):
        with self.server.lock:
            return list(self.server.received)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
