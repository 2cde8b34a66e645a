"""A holder of leases: what its ledger knows of it while it goes on, and when it has ended."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from judgegen.llm.leases import Grant, Leases, Pulse
from judgegen.llm.lessee import Lease
from judgegen.llm.stop import Stop


def test_what_was_reserved_is_free_once_a_shard_has_ended() -> None:
    """However little it came to since the last beat, and however soon it ended: others may spend the rest."""

    async def main() -> Grant:
        leases = Leases({}, Decimal(10), {1: Decimal(0), 2: Decimal(0)})
        reserved = asyncio.Event()

        async def beat(report: Pulse) -> Grant:
            if report.reserved:
                reserved.set()
            return leases.beat(report)

        lease = Lease(beat, leases.begin(1))
        ledger, lent = lease.ledger(Decimal(0)), lease.lent("any")
        async with lease.kept({}, Stop()):
            reservation = await ledger.reserve(Decimal(2))
            assert reservation is not None
            lent.lacking()
            await asyncio.wait_for(reserved.wait(), 5)
            ledger.settle(reservation, Decimal("0.5"))
        leases.done(1)
        zero, second = Decimal(0), leases.begin(2)
        return leases.beat(Pulse(holder=second, wants={}, cap=zero, spent=zero, reserved=zero, needs=Decimal(9)))

    found = asyncio.run(main())
    assert not found.exhausted
    assert found.cap == 9
