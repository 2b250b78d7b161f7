"""The shipped tables are those that their definitions give."""

import subprocess
import sys
import unicodedata

import numpy as np

from datapipe.text import TABLES_VERSION, tables


def test_shipped_tables_equal_a_rebuild() -> None:
    """Where this Python's Unicode is another, the shipped version is at least named."""
    shipped = tables.load()
    assert tables.UNICODE_VERSION in TABLES_VERSION
    if unicodedata.unidata_version != tables.UNICODE_VERSION:
        return
    for name, table in tables.build()._asdict().items():
        for part, array in tables._ascii_first(*table)._asdict().items():
            assert np.array_equal(getattr(getattr(shipped, name), part), array), (name, part)


def test_loaded_tables_begin_with_ascii() -> None:
    for table in tables.load():
        block_of, blocks, _ = table
        assert block_of[0] == 0
        assert np.array_equal(blocks[:128], tables._ascii_first(*table).blocks[:128])
        assert all(blocks[ord(a)] >> tables.MAPPED_SHIFT == ord(b) - ord(a) for a, b in ("Aa", "Zz", "aa", "{{"))


def test_importing_the_package_imports_no_kernels_and_reads_no_tables() -> None:
    code = "import sys, datapipe.text; sys.exit('numba' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_decoding_a_page_needs_no_numba() -> None:
    code = "import sys; from datapipe.text import decode_html; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_all_names_can_be_had() -> None:
    import datapipe.text as package  # noqa: PLC0415

    assert sorted(package._MODULE_OF) == sorted(package.__all__)
    assert all(getattr(package, name) is not None for name in package.__all__)
