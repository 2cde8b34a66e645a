"""Keys that this process holds, and texts without them: a provider that repeats a key must not get it kept or shown.

Whoever reads a key from the environment tells it here; whatever comes from a server, and whatever leaves for a terminal
or a file, goes through `masked`. Knows nothing of who holds which key.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

_SECRET_NAME = re.compile(r"key|token|secret|passw|auth|credential|cookie|signature|^sig", re.IGNORECASE)
MASK = "[secret]"
_SHORTEST = 8
"""Characters below which a text is no secret that could be told from chance."""
_NO_WORD = 16
_ESCAPES = (b"\\u", b"\\/", b"\x00")
"""With what a secret stands in JSON in no form that is looked for: characters by number, a slash, wide characters."""
_forms: dict[str, bytes] = {}


def remember(secret: str) -> None:
    """Mask `secret` from now on, as it stands and as it is packed into headers and addresses."""
    if len(secret) >= _SHORTEST:
        _forms.update((form, form.encode()) for form in _written(secret) if len(form) >= _SHORTEST)
        for form in sorted(_forms, key=len, reverse=True):  # the longest first, so that none is left in half
            _forms[form] = _forms.pop(form)


def _written(secret: str) -> Iterator[str]:
    """The ways in which a secret is written."""
    raw = secret.encode()
    for packed in (b"Bearer " + raw, raw):
        for before in (b"", b"x", b"xx"):  # base64 by where in the packed text it begins
            text = base64.b64encode(before + packed)
            whole = text[len(before) and 4 : len(text) - 4].decode()
            yield from (whole, whole.replace("+", "-").replace("/", "_"))
    yield from (raw.hex(), raw.hex().upper(), quote(secret, safe=""), json.dumps(secret)[1:-1])
    if len(secret) >= _NO_WORD and any(mark.isdigit() for mark in secret):  # a word in other letters is no secret
        yield from (secret.upper(), secret.lower())
    yield secret


def masked(text: str) -> str:
    """`text` without any known secret."""
    for form in _forms:
        if form in text:
            text = text.replace(form, MASK)
    return text


def masked_bytes(data: bytes) -> bytes:
    """`data` without any known secret."""
    for form in _forms.values():
        if form in data:
            data = data.replace(form, MASK.encode())
    return _masked_json(data) if _forms and any(map(data.__contains__, _ESCAPES)) else data


def _masked_json(data: bytes) -> bytes:
    """JSON without a secret that stands in it by escapes, or in UTF-16 or UTF-32; anything else as it is."""
    try:
        said = json.dumps(json.loads(data), ensure_ascii=False)
    except (ValueError, RecursionError):
        return data
    hidden = masked(said)
    return data if hidden == said else json.dumps(json.loads(hidden)).encode()


def secret_name(name: str) -> bool:
    """Whether what is called `name`, in a header or in an address, is meant for nobody else."""
    return _SECRET_NAME.search(name) is not None


def bare(url: str) -> str:
    """`url` without a user, a password, and what its query holds for the server alone."""
    try:
        parts = urlsplit(url)
        asked = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return url
    if "@" not in parts.netloc and not any(secret_name(name) for name, _ in asked):
        return url
    kept = urlencode([(name, value) for name, value in asked if not secret_name(name)])
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=kept))
