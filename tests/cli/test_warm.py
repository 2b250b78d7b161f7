"""`datapipe warm` compiles into the cache folder and says where that is."""

from __future__ import annotations

from tests.cli.toy_run import call


def test_seconds_and_folder_are_printed() -> None:
    shown = call("warm").output
    assert "kernels " in shown
    assert "cache " in shown
