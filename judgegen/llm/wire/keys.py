"""What opens an endpoint: its key from the environment, or the name and password in its address; to whom they may go.

Every secret that is read here is masked from then on, wherever it turns up. Knows nothing of requests.
"""

from __future__ import annotations

import base64
import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from judgegen.errors import ProviderRefused, SpecError
from judgegen.llm import secrets
from judgegen.llm.endpoint import Endpoint

_PRIVATE = """
127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 169.254.0.0/16 100.64.0.0/10 ::1/128 fc00::/7 fe80::/10
"""
_OWN = tuple(map(ipaddress.ip_network, _PRIVATE.split()))
"""Networks that are nobody's but their owner's: this machine's, private ones, those of overlays."""
_OWN_NAMES = ("localhost", "local", "internal", "lan", "home.arpa", "svc")


def api_key(endpoint: Endpoint, name: str, *, usual: str | None = None) -> str:
    """The key from the environment, without white space around it; a local server needs none.

    `usual` names the variable where the run file does not.

    Raises:
        ProviderRefused: the variable that should hold it is not set.
        SpecError: what it holds cannot be sent, or would be readable on its way to a stranger.
    """
    variable = endpoint.api_key_env or usual
    if variable is None:
        return "none"
    host = urlsplit(endpoint.base_url or "").hostname or ""
    key = os.environ.get(variable, "").strip()
    if not key:
        if (name == "openai" or endpoint.api_key_env is None) and host in ("127.0.0.1", "localhost", "::1"):
            return "none"
        raise ProviderRefused(
            f"endpoint {name!r}: no key; set the environment variable {variable} (export {variable}=…); the command "
            f"line takes it from a file .env in its folder, too"
        )
    secrets.remember(key)
    if not key.isascii() or not key.isprintable() or " " in key:
        raise SpecError(
            f"endpoint {name!r}: the environment variable {variable} holds what no key can: white space, a control "
            f"character or a letter that is not ASCII; copy the key anew"
        )
    _not_in_the_open(endpoint, name, f"the key in {variable}")
    return key


def remembered(endpoint: Endpoint) -> None:
    """Mask whatever the run file names of the environment for an endpoint that is not asked from here."""
    named = [value.partition(":")[2] for _, value in (*endpoint.headers, *endpoint.query) if value.startswith("env:")]
    for variable in (endpoint.api_key_env, *named):
        if variable and (held := os.environ.get(variable, "").strip()):
            secrets.remember(held)


def account() -> dict[str, str]:
    """The headers that name an organization and a project, where the environment has them, as the SDK sends them."""
    named = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}
    return {header: found for header, variable in named.items() if (found := os.environ.get(variable, "").strip())}


def _not_in_the_open(endpoint: Endpoint, name: str, what: str) -> None:
    url = urlsplit(endpoint.base_url or "")
    if url.scheme == "http" and not endpoint.plain_http and not _own(url.hostname or ""):
        raise SpecError(
            f"endpoint {name!r}: {what} would go to {url.hostname} over plain http, readable to all on the way; "
            f"write https:// in its base_url, or plain_http = true if that is meant"
        )


def _own(host: str) -> bool:
    """Whether a host is on a network of one's own."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(tuple(f".{name}" for name in _OWN_NAMES))
    return any(address in network for network in _OWN)


def login(endpoint: Endpoint, name: str, url: str) -> tuple[str, Mapping[str, str]]:
    """`url` without the user and password in it, and the header that carries them instead.

    Raises:
        SpecError: they would be readable on their way to a stranger.
    """
    parts = urlsplit(url)
    for asked, value in parse_qsl(parts.query):
        if secrets.secret_name(asked):
            secrets.remember(value)
    if parts.username is None and parts.password is None:
        return url, {}
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    packed = base64.b64encode(f"{user}:{password}".encode()).decode()
    for secret in (password, parts.password or "", packed):
        secrets.remember(secret)
    _not_in_the_open(endpoint, name, "the password in base_url")
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])), {"Authorization": f"Basic {packed}"}
