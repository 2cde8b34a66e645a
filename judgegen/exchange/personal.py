"""Finds personal data in texts by what can be checked, and replaces it: e-mail and IP addresses, phone, IBAN and cards.

Phone numbers are found and checked by phonenumbers (Google's libphonenumber), IBAN and card numbers by the checksums of
python-stdnum, IP addresses by the standard library; only public ones count. Does not know names, street addresses or
identity numbers: a file without findings is not anonymous. Cannot tell a phone number from another run of digits that
would be one in the region (2147483647 is one in Texas).
"""

from __future__ import annotations

import importlib
import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from judgegen.errors import SpecError

Way = Literal["report", "mask"]
REGION = "US"
"""Whose numbers those without a country code are, unless told."""
LINES_KEPT = 20
_NOT_TEXT = frozenset({"role", "type", "id", "name", "tool_call_id"})
"""Keys whose values tie a chat together; they are left as they are."""
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,24}\b")
_IBAN = re.compile(r"\b[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]){11,30}\b")
_CARD = re.compile(
    r"(?<![\w-])(?<!\d[.,])"
    r"(?:[3-6]\d{12,18}|[3-6]\d{3}([ -])\d{4}\1\d{4}\1\d{4}|3\d{3}([ -])\d{6}\2\d{5})(?![\w-])"
)
_IP = re.compile(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?![\w:]|\.\d)")
_PHONE = re.compile(r"(?<![\w.])\+?\(?\d(?:[ \t\u00a0()./-]{0,3}\d){6,60}(?!\w)")
Span = tuple[int, int]


@dataclass(slots=True, kw_only=True)
class Found:
    """One kind of personal data: how many values, on how many lines, and the first of those."""

    count: int = 0
    rows: int = 0
    lines: list[int] = field(default_factory=list)


class Seeker:
    """Finds, counts and masks the values of rows."""

    def __init__(self, region: str = REGION) -> None:
        """Load what checks them.

        Raises:
            SpecError: the libraries are not installed, or there is no such region.
        """
        phones, luhn, iban = _libraries()
        if region not in phones.SUPPORTED_REGIONS:
            raise SpecError(f"--region {region!r} is no region with phone numbers; say for example US, GB or DE")
        strict = phones.Leniency.STRICT_GROUPING
        self.found: dict[str, Found] = {}
        self._phones: Callable[[str], Iterator[Any]] = lambda text: phones.PhoneNumberMatcher(text, region, strict)
        self._luhn: Callable[[str], bool] = luhn.is_valid
        self._iban: Callable[[str], bool] = iban.is_valid
        self._kinds: Mapping[str, Callable[[str], Iterator[Span]]] = {
            "EMAIL": self._emails,
            "IBAN": self._ibans,
            "CARD": self._cards,
            "IP": self._addresses,
            "PHONE": self._numbers,
        }

    def count(self, row: Any, line: int) -> None:
        """Add up a row's values."""
        for kind, values in self._counted(row).items():
            found = self.found.setdefault(kind, Found())
            found.count += values
            found.rows += 1
            if len(found.lines) < LINES_KEPT:
                found.lines.append(line)

    def _counted(self, row: Any) -> dict[str, int]:
        counted: dict[str, int] = {}

        def see(text: str) -> str:
            for _, kind in self.spans(text):
                counted[kind] = counted.get(kind, 0) + 1
            return text

        walked(row, see)
        return counted

    def masked(self, row: Any) -> Any:
        """The row with every value replaced by its kind: [EMAIL], [IBAN], [CARD], [IP], [PHONE]."""
        return walked(row, self.mask)

    def mask(self, text: str) -> str:
        """The text with every value replaced."""
        for (start, end), kind in reversed(self.spans(text)):
            text = f"{text[:start]}[{kind}]{text[end:]}"
        return text

    def spans(self, text: str) -> list[tuple[Span, str]]:
        """Where values stand, by kind, from left to right; none overlaps another, the kinds checked best come first."""
        digits = any(map(text.__contains__, "0123456789:"))
        taken: list[tuple[Span, str]] = []
        for kind, seek in self._kinds.items():
            if digits or kind == "EMAIL":
                taken += [
                    (span, kind)
                    for span in seek(text)
                    if all(span[1] <= other[0] or other[1] <= span[0] for other, _ in taken)
                ]
        return sorted(taken)

    def _emails(self, text: str) -> Iterator[Span]:
        return (match.span() for match in _EMAIL.finditer(text)) if "@" in text else iter(())

    def _ibans(self, text: str) -> Iterator[Span]:
        for match in _IBAN.finditer(text):
            for end in range(len(match[0]), 14, -1):  # words after it may look like more of it
                if match[0][end - 1] != " " and self._iban(match[0][:end]):
                    yield match.start(), match.start() + end
                    break

    def _cards(self, text: str) -> Iterator[Span]:
        for match in _CARD.finditer(text):
            number = re.sub(r"\D", "", match[0])
            if len(set(number)) > 1 and self._luhn(number):
                yield match.span()

    def _addresses(self, text: str) -> Iterator[Span]:
        if text.count(".") < 3 and text.count(":") < 2:
            return
        for match in _IP.finditer(text):
            try:
                public = ipaddress.ip_address(match[0]).is_global
            except ValueError:
                continue
            if public:
                yield match.span()

    def _numbers(self, text: str) -> Iterator[Span]:
        for match in _PHONE.finditer(text):
            for phone in self._phones(match[0]):
                yield match.start() + phone.start, match.start() + phone.end


def walked(value: Any, change: Callable[[str], str], *, numbers: bool = False) -> Any:
    """A value with its texts changed, at any depth; the arguments of tool calls stay the JSON that they are.

    Args:
        value: of JSON.
        change: the new text.
        numbers: whole numbers are looked at too, and become texts where they are changed.
    """
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [walked(inner, change, numbers=numbers) for inner in value]
    if isinstance(value, dict):
        return {key: _inner(key, inner, change, numbers=numbers) for key, inner in value.items()}
    if numbers and isinstance(value, int) and not isinstance(value, bool):
        said = change(str(value))
        return value if said == str(value) else said
    return value


def _inner(key: str, value: Any, change: Callable[[str], str], *, numbers: bool) -> Any:
    if key == "arguments" and isinstance(value, str):
        return _arguments(value, change)
    if key in _NOT_TEXT and isinstance(value, str) and not numbers:
        return value
    return walked(value, change, numbers=numbers)


def _arguments(text: str, change: Callable[[str], str]) -> str:
    try:
        before = json.loads(text)
    except (ValueError, RecursionError):
        return change(text)
    after = walked(before, change, numbers=True)
    return text if after == before else json.dumps(after, ensure_ascii=False)


def _libraries() -> tuple[Any, Any, Any]:
    try:
        phones, luhn, iban = map(importlib.import_module, ("phonenumbers", "stdnum.luhn", "stdnum.iban"))
    except ImportError:
        needs = "--pii needs phonenumbers and python-stdnum, which are not both installed"
        raise SpecError(f"{needs}; run: pip install 'judgegen[pii]'") from None
    return phones, luhn, iban
