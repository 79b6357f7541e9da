"""The small form of ten minutes of packet loss with a black hole in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import network


def test_packet_loss_and_a_black_hole_lose_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if lacks := network.missing():
        pytest.skip(lacks)
    result = network.bad_network(tmp_path, network.Weather(loss_s=8.0, hole_s=3.0))
    with capsys.disabled():
        print(f"\n{result}")
    assert result["clean"], result
    assert result["committed"] >= 40
