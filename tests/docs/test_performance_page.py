"""docs/performance.md is made by three commands, each of its own part: wire.py, rates.py, peers.py of benchmarks."""

from __future__ import annotations

from typing import Any

import wire_page

MACHINE = {"cores": 2, "python": "3.11.7", "load": 0.4, "load_after": 1.2, "day": "2026-11-29"}
WIRE = {"machine": MACHINE, "calls": [6_000, 24_000], "start": {"cpu": 0.5, "wall": 0.6}}


def row(cpu: float, calls: int = 3_000, version: str = "") -> dict[str, Any]:
    return {
        "cpu": cpu,
        "wall": 2 * cpu,
        "mb": 180.0,
        "first": 0.7,
        "calls": calls,
        "verdicts": 1_000,
        "version": version,
    }


PEERS = {
    "machine": MACHINE,
    "prompts": 1_000,
    "calls": 3_000,
    "at_once": 64,
    "rounds": 2,
    "rows": {"judgegen": row(3.0), "curator": row(7.5, 3_003, "0.1.31")},
    "left_out": {"oumi": "which is not installed"},
}


RATES = {
    "minutes": 4.0,
    "machine": MACHINE,
    "rows": [{"limit": "600 requests a minute", "told": False, "used": 0.981, "refused": 0.0042, "refused_first": 0.1}],
}


def test_each_command_replaces_its_own_part() -> None:
    """A section is replaced by itself, kept while the rest is made anew, and never there twice."""
    sections = [wire_page.rates(RATES), wire_page.peers(PEERS)]
    once = wire_page.page(WIRE)
    for section in sections:
        once = wire_page.with_section(once, section)
    for section in sections:
        assert once.count(section) == 1
        assert wire_page.with_section(once, section) == once
    assert wire_page.page(WIRE, once) == once
    again = wire_page.page({**WIRE, "start": {"cpu": 0.9, "wall": 1}}, once)
    assert [again.count(section) for section in sections] == [1, 1]
    newer = wire_page.rates({**RATES, "minutes": 5.0})
    assert wire_page.with_section(once, newer) == once.replace(sections[0], newer)


def test_what_limits_leave_is_told_in_shares() -> None:
    """Of the limit what was used, of all requests what was refused."""
    assert "| 600 requests a minute | no | 98.1% | 0.42% | 10.00% |" in wire_page.rates(RATES)


def test_peers_stand_beside_judgegen_and_none_is_passed_over() -> None:
    """Figures are told as ratios to judgegen's, calls beyond the job are named, and who is left out with why."""
    text = wire_page.peers(PEERS)
    assert "| curator 0.1.31 | 3,003 | 1,000 | 7.5 | 2.5 x | 15.0 | 2.5 x | 0.7 | 180 |" in text
    assert "Calls beyond the job: curator 3." in text
    assert "Left out: oumi, which is not installed." in text
