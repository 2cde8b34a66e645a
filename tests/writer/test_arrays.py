"""Arrow tables laid out by hand are those that pyarrow makes, and pandas is not loaded for them."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from judgegen.writer.arrays import table, values

SCHEMA = pa.schema(
    [
        pa.field("text", pa.string(), metadata={"description": "any"}),
        pa.field("number", pa.int64()),
        pa.field("share", pa.float64()),
        pa.field("flag", pa.bool_()),
        pa.field("texts", pa.list_(pa.string())),
        pa.field("usd", pa.decimal128(38, 30)),
    ]
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
AMOUNTS = st.integers(-(10**37), 10**37).map(lambda units: Decimal(units).scaleb(-30))
CELLS: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "number": st.integers(-(2**63), 2**63 - 1),
    "share": st.floats(allow_nan=False),
    "flag": st.booleans(),
    "texts": st.lists(st.none() | TEXTS, max_size=3),
    "usd": AMOUNTS,
}
ROWS = st.lists(st.fixed_dictionaries({}, optional={name: st.none() | cells for name, cells in CELLS.items()}))


@given(ROWS)
def test_a_table_is_pyarrows(rows: list[dict[str, Any]]) -> None:
    """Nulls, missing keys, empty texts and lists, every size of number: the same table, and a sound one."""
    blank = dict.fromkeys(SCHEMA.names)
    made = table([values(row, blank) for row in rows], SCHEMA)
    made.validate(full=True)
    assert made.equals(pa.Table.from_pylist(rows, schema=SCHEMA), check_metadata=True)


def test_pandas_is_not_loaded() -> None:
    """A process that writes the audit does without it."""
    script = (
        "import sys\n"
        "from judgegen.writer.parquet import AuditTable\n"
        "from judgegen.writer.columns import PAIRS\n"
        "from pathlib import Path\n"
        "import tempfile\n"
        "made = AuditTable(Path(tempfile.mkdtemp()) / 'x.parquet', PAIRS, {})\n"
        "made.add({'prompt_id': 'p'})\n"
        "made.close()\n"
        "print('pandas' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_arrow_is_loaded_when_there_is_something_to_write() -> None:
    """All that goes before a run's first call, its audit's files among it, takes neither Arrow nor NumPy."""
    script = (
        "import sys, tempfile\n"
        "from pathlib import Path\n"
        "import judgegen.api, judgegen.cli.run, judgegen.llm.wire.lane\n"
        "from judgegen.writer.audit import Audit\n"
        "made = Audit(Path(tempfile.mkdtemp()), {})\n"
        "print('pyarrow' in sys.modules, 'numpy' in sys.modules)\n"
        "made.close()\n"
        "print('pyarrow' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "True"]
