"""What a lane gives, what it holds answers to, and two of the ways in which there is none. Loads nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

Answer = tuple[int, Mapping[str, str], bytes]
"""HTTP status, headers, body."""
MOST_BYTES = 32 * 1024**2
"""Bytes of one answer: tens of thousands of tokens with twenty alternatives each are less."""
HOPS = 3
"""Requests that one question may take, redirections included."""


class ElsewhereError(Exception):
    """The server sends the request on to another host, `where`."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where


class UnsentError(ConnectionError):
    """No connection could be made, so that nothing was sent."""


class NoTlsError(UnsentError):
    """Nobody at the address speaks TLS that can be trusted, however often it is tried."""


_NEVER = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION")
"""What OpenSSL calls what no further try can mend; a hang-up amid the handshake is none of these."""


def unmade(error: BaseException, words: str) -> ConnectionError:
    """What became of a connection that could not be made, by the errors behind `error`."""
    import ssl

    causes = list(behind(error))
    if any(isinstance(one, ConnectionRefusedError) for one in causes):
        return ConnectionRefusedError(words)
    told = [one for one in causes if isinstance(one, ssl.SSLError)]
    never = any(isinstance(one, ssl.SSLCertVerificationError) or getattr(one, "reason", None) in _NEVER for one in told)
    return (NoTlsError if never else UnsentError)(words)


def behind(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came of, the root last."""
    for _ in range(8):
        if error is None:
            return
        yield error
        inner = getattr(error, "os_error", None) or getattr(error, "certificate_error", None)
        error = inner if isinstance(inner, BaseException) and inner is not error else error.__cause__


class TooLargeError(ConnectionAbortedError):
    """An answer has more bytes than any can need."""
