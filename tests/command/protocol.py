"""DingTalk's callback protocol in Python, after docs/protocol.md, so that the command is not tested by itself."""

import base64
import ctypes
import ctypes.util
import hashlib
import json
import secrets
import string
import struct
import time

_crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
for _name in ("EVP_CIPHER_CTX_new", "EVP_aes_256_cbc"):
    getattr(_crypto, _name).restype = ctypes.c_void_p


def _aes(key, data, encrypt):
    context = ctypes.c_void_p(_crypto.EVP_CIPHER_CTX_new())
    out = ctypes.create_string_buffer(len(data) + 16)
    size = ctypes.c_int(0)
    try:
        done = (_crypto.EVP_CipherInit_ex(context, ctypes.c_void_p(_crypto.EVP_aes_256_cbc()), None, key, key[:16],
                                          int(encrypt))
                and _crypto.EVP_CIPHER_CTX_set_padding(context, 0)
                and _crypto.EVP_CipherUpdate(context, out, ctypes.byref(size), data, len(data)))
        if not done or size.value != len(data):
            raise ValueError("AES failed")
        return out.raw[:len(data)]
    finally:
        _crypto.EVP_CIPHER_CTX_free(context)


def key_of(aes_key):
    return base64.b64decode(aes_key + "=")


def letters(count):
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(count))


def sign(*texts):
    return hashlib.sha1("".join(sorted(texts)).encode()).hexdigest()


def pad(data, block=32):
    size = block - len(data) % block
    return data + bytes([size]) * size


def encrypt(aes_key, data):
    """Bytes that are padded already."""
    return base64.b64encode(_aes(key_of(aes_key), data, True)).decode()


def envelope(text, owner_key):
    data = text.encode() if isinstance(text, str) else text
    return letters(16).encode() + struct.pack(">I", len(data)) + data + owner_key.encode()


def seal(aes_key, text, owner_key):
    return encrypt(aes_key, pad(envelope(text, owner_key)))


def open_sealed(aes_key, sealed):
    """Text and owner key."""
    data = _aes(key_of(aes_key), base64.b64decode(sealed), False)
    data = data[:-data[-1]]
    size, = struct.unpack(">I", data[16:20])
    return data[20:20 + size], data[20 + size:].decode()


def now():
    return str(int(time.time() * 1000))


def push(token, aes_key, owner_key, text, timestamp=None, nonce=None):
    """Query and body of a push."""
    timestamp = timestamp or now()
    nonce = nonce or letters(8)
    sealed = seal(aes_key, text, owner_key)
    query = f"signature={sign(token, timestamp, nonce, sealed)}&timestamp={timestamp}&nonce={nonce}"
    return query, json.dumps({"encrypt": sealed})


def reply(token, aes_key, owner_key, text="success", timestamp=None, nonce=None, sealed=None):
    """The four fields of a reply."""
    timestamp = timestamp or now()
    nonce = nonce or letters(16)
    sealed = seal(aes_key, text, owner_key) if sealed is None else sealed
    return {"msg_signature": sign(token, timestamp, nonce, sealed), "timeStamp": timestamp, "nonce": nonce,
            "encrypt": sealed}
