"""Keys and passwords: to whom they go, where they must not stand, and what is no key."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from judgegen.errors import ProviderRefused, SpecError
from judgegen.llm import secrets
from judgegen.llm.calls import Call, Tag
from judgegen.llm.providers.openai import connect
from judgegen.llm.wire.keys import api_key, login
from judgegen.spec import Endpoint

KEY = "sk-planted-1f2e3d4c5b"
CALL = Call(
    endpoint="here",
    model="m",
    messages=({"role": "user", "content": "hi"},),
    params={"max_tokens": 7},
    tag=Tag(role="judge", prompt_id="p", route="here"),
)


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable holds the key, and no other test's key is masked here."""
    monkeypatch.setenv("MYKEY", KEY)
    monkeypatch.setattr(secrets, "_forms", {})


def keyed(url: str = "https://example.com/v1", *, plain_http: bool = False) -> Endpoint:
    return Endpoint(base_url=url, api_key_env="MYKEY", plain_http=plain_http)


def test_a_key_that_lacks_is_asked_for_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that sets it."""
    monkeypatch.delenv("MYKEY")
    with pytest.raises(ProviderRefused, match=r"endpoint 'here': no key; .*\(export MYKEY=…\)"):
        api_key(keyed(), "here")


@pytest.mark.parametrize("around", ["{}\n", " {}", "\t{}\r\n", "{}"])
def test_white_space_around_a_key_is_not_part_of_it(around: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a file read into a variable has it."""
    monkeypatch.setenv("MYKEY", around.format(KEY))
    assert api_key(keyed(), "mine") == KEY


@pytest.mark.parametrize(
    "broken", [KEY + "\nmore", KEY + "\r\nX: y", KEY + "\u200b", "schl\u00fcssel-12345", KEY + " b"]
)
def test_what_is_no_key_is_refused_by_the_name_of_its_variable(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is sent, without repeating it."""
    monkeypatch.setenv("MYKEY", broken)
    with pytest.raises(SpecError, match="MYKEY") as caught:
        api_key(keyed(), "mine")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["http://example.com/v1", "http://93.184.216.34:8000/v1", "http://[2606:2800:220:1::1]/v1", "http://a.example.org"],
)
def test_a_key_does_not_go_to_a_stranger_in_the_open(url: str) -> None:
    """Unless the run file says that this is meant; the same for a password in the address."""
    with pytest.raises(SpecError, match="plain_http"):
        api_key(keyed(url), "mine")
    assert api_key(keyed(url, plain_http=True), "mine") == KEY
    with_password = url.replace("//", "//me:password1@")
    with pytest.raises(SpecError, match="plain_http"):
        login(Endpoint(base_url=with_password), "mine", with_password)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/v1", "http://localhost/v1", "http://10.1.2.3/v1", "http://[::1]:8/v1", "http://vllm:8000"],
)
def test_ones_own_machines_may_be_spoken_to_in_the_open(url: str) -> None:
    """This machine, a private network, a name without a dot."""
    assert api_key(keyed(url), "mine") == KEY


def test_a_password_is_used_and_stands_in_no_address() -> None:
    """What identifies the endpoint, and what is asked, is the address without it."""
    url = "https://me:p%40ssword1@example.com:8443/v1"
    bare, headers = login(Endpoint(base_url=url), "mine", url)
    assert bare == "https://example.com:8443/v1" == Endpoint(base_url=url).address
    assert headers == {"Authorization": "Basic " + base64.b64encode(b"me:p@ssword1").decode()}
    for form in ("p@ssword1", "p%40ssword1", headers["Authorization"][6:]):
        assert secrets.masked(f"so {form}, it says") == "so [secret], it says"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60), st.text(max_size=20))
def test_no_form_of_a_secret_is_left(secret: str, around: str) -> None:
    """As it stands, in JSON, in an address, packed alone or with Bearer before it: in text and in bytes."""
    secrets.remember(secret)
    packed = base64.b64encode(f"Bearer {secret}".encode()).decode()
    for form in (secret, secret.encode().hex(), packed):
        assert form not in secrets.masked(f"{around}{form}{around}").replace(secrets.MASK, "")
        assert form.encode() not in secrets.masked_bytes(f"{form}".encode()).replace(secrets.MASK.encode(), b"")


def test_a_key_in_other_letters_is_a_key_and_a_word_is_none() -> None:
    """A server that repeats it in capitals is not believed; a made-up key that is a word leaves that word alone."""
    secrets.remember("sk-Mixed-0123456789-Case")
    assert secrets.masked("SK-MIXED-0123456789-CASE") == secrets.masked("sk-mixed-0123456789-case") == "[secret]"
    secrets.remember("Not-Needed-By-Anybody")
    assert secrets.masked("not-needed-by-anybody") == "not-needed-by-anybody"


def test_what_a_provider_repeats_is_masked_before_it_is_read() -> None:
    """In an error and in an answer: nothing downstream ever holds the key."""

    async def echo(request: web.Request) -> web.StreamResponse:
        said = request.headers["Authorization"]
        if (await request.json())["messages"][0]["content"] == "hi":
            return web.json_response({"error": {"message": f"bad key: {said}", "code": "content_filter"}}, status=400)
        return web.json_response({"choices": [{"message": {"content": said}, "finish_reason": "stop"}]})

    async def main() -> tuple[str, str]:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", echo)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        provider = connect(keyed(f"http://127.0.0.1:{runner.addresses[0][1]}/v1"), "here")
        failure = await provider(CALL)
        other = Call(endpoint="here", model="m", messages=({"role": "user", "content": "ho"},), params={}, tag=CALL.tag)
        reply = await provider(other)
        await provider.aclose()
        await runner.cleanup()
        return str(failure), str(reply)

    for said in asyncio.run(main()):
        assert KEY not in said
        assert "[secret]" in said


def test_no_key_where_one_is_needed_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """White space is none."""
    monkeypatch.setenv("MYKEY", " \n")
    with pytest.raises(ProviderRefused, match="MYKEY"):
        api_key(keyed(), "mine")


def test_a_key_in_the_address_is_sent_and_stands_nowhere_else() -> None:
    """Behind the path it goes to the server; identity and messages have the address without it."""
    url = "https://example.com/v1?api-version=2024-06-01&api-key=planted-9f8e7d"
    assert Endpoint(base_url=url).address == "https://example.com/v1?api-version=2024-06-01"
    assert login(Endpoint(base_url=url), "mine", url)[0] == url
    assert secrets.masked("so planted-9f8e7d") == "so [secret]"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60))
def test_an_escape_or_another_encoding_hides_no_secret(secret: str) -> None:
    """What JSON reads is what is kept: a secret by its escapes, or in UTF-16 or UTF-32, is masked as one that shows."""
    secrets.remember(secret)
    escaped = "".join(f"\\u{ord(one):04x}" for one in secret)
    plain = json.dumps({"a": f"so {secret}", "b": "\ud800"})
    for body in (f'{{"a": "so {escaped}"}}'.encode(), plain.encode("utf-16"), plain.encode("utf-32")):
        assert json.loads(secrets.masked_bytes(body))["a"] == "so [secret]"
