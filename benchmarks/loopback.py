"""A broker inside this process, for this machine alone."""

from __future__ import annotations

from pathlib import Path

from iotcore import Broker

SETTINGS = """\
id = 0
[router]
id = 0
max_connections = 64
max_outgoing_packet_count = 200
max_segment_size = 10485760
max_segment_count = 10
[v5.1]
name = "v5-loopback"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 5000
max_payload_size = 270000
max_inflight_count = 100
dynamic_filters = true
"""


def broker(file: Path, port: int) -> Broker:
    """Not started yet. file: where its settings are written."""
    file.write_text(SETTINGS.format(port=port))
    return Broker(config_path=str(file))
