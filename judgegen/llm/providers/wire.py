"""What the headers of an answer say. Pure; knows nothing of connections or of bodies."""

from __future__ import annotations
