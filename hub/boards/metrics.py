"""A reading → families of metrics for Prometheus: base units, labels site and device, nothing about a person.

What a device cannot know is left out, and so is a count that is too small to be told: an absent series, never a nought.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec import UNSET, UnsetType
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from edge import __version__
from edge.wire import State
from hub.boards.reading import Reading, Readings
from hub.boards.released import ReleasedCounts
from hub.queries import DeviceRow, Presence
from hub.queries_boards import Standing

DAY_S = 86_400.0
PRESENCES: tuple[Presence, ...] = ("online", "silent", "offline", "never")


class Said(NamedTuple):
    """A gauge of what each device says of itself."""

    name: str
    text: str
    value: Callable[[State], float | UnsetType]


def _scaled(value: float | UnsetType, factor: float) -> float | UnsetType:
    return UNSET if value is UNSET else float(value) * factor


SAID = (
    Said("backlog_events", "Events that the hub has not acknowledged.", lambda state: state.backlog),
    Said("oldest_unsent_seconds", "Age of the oldest of them.", lambda state: state.oldest_s),
    Said("outbox_bytes", "Size of what the device keeps.", lambda state: state.outbox_bytes),
    Said("outbox_full", "1: the last event did not fit, capturing has stopped.", lambda state: state.outbox_full),
    Said("capturing", "0: the device does not look, whatever the reason.", lambda state: state.capturing),
    Said("problem", "1: the device names a problem on its page.", lambda state: state.problem is not UNSET),
    Said("frame_age_seconds", "Since the camera's last frame.", lambda state: state.frame_age_s),
    Said("camera_reopened", "How often the camera was opened again.", lambda state: state.camera_reopened),
    Said("frames_per_second", "Frames that were looked at.", lambda state: state.fps),
    Said("latency_p90_seconds", "Frame in hand to findings kept.", lambda state: _scaled(state.p90_ms, 1e-3)),
    Said("rejected_ratio", "Of its frames, those that were no good picture.", lambda state: state.rejected_fraction),
    Said("temperature_celsius", "Of the processor.", lambda state: state.temp_c),
    Said("battery_ratio", "Charge of the battery, 0 to 1.", lambda state: state.battery),
    Said("disk_free_bytes", "Free where the device keeps its events.", lambda state: state.disk_free),
    Said("clock_synced", "0: nobody has set its clock since it started.", lambda state: state.clock_synced),
    Said("certificate_seconds", "Until its certificate ends.", lambda state: _scaled(state.cert_days, DAY_S)),
    Said("crl_seconds", "Until its list of revoked certificates ends.", lambda state: _scaled(state.crl_days, DAY_S)),
    Said("quarantined_events", "Its events that the hub set aside.", lambda state: state.quarantined),
    Said("beyond_backup_events", "Acknowledged, and in no backup of the hub.", lambda state: state.beyond_backup),
)


def registry(readings: Readings) -> CollectorRegistry:
    """One that reads when it is scraped; without the metrics of this process, which nobody asked for."""
    made = CollectorRegistry(auto_describe=False)
    made.register(_FromReadings(readings))
    return made


class _FromReadings(Collector):
    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    def describe(self) -> Iterable[Metric]:
        return ()  # the database is not to be read only because somebody registers us

    def collect(self) -> Iterator[Metric]:
        yield from families(self._readings.newest())


def families(reading: Reading) -> Iterator[Metric]:
    """All that is told of one reading."""
    yield InfoMetricFamily("dermedge_hub", "The hub's program.", value={"version": __version__})
    up = reading.standing is not None
    yield GaugeMetricFamily("dermedge_database_up", "0: the hub's database cannot be read.", value=float(up))
    if reading.standing is not None:
        yield from _hub(reading.standing)
        yield from _devices(reading.standing.devices)
        yield from _people(reading.sites)


def _hub(standing: Standing) -> Iterator[Metric]:
    ingest = standing.ingest
    up = float(ingest.taking_events)
    yield GaugeMetricFamily("dermedge_ingest_up", "0: the hub takes no events; devices keep theirs.", value=up)
    if ingest.at is not None:
        text = "When `hub ingest` last wrote to the database."
        yield GaugeMetricFamily("dermedge_ingest_written_timestamp_seconds", text, value=ingest.at.timestamp())
        text = "Events that wait for the database."
        yield GaugeMetricFamily("dermedge_ingest_waiting_events", text, value=ingest.waiting)
    text = "Events that devices committed and the hub lacks; they are asked for again."
    yield GaugeMetricFamily("dermedge_missing_events", text, value=standing.missing)
    text = "Events that nobody holds any more."
    yield GaugeMetricFamily("dermedge_lost_events", text, value=standing.lost)
    text = "Commands that a device has not answered."
    yield GaugeMetricFamily("dermedge_waiting_commands", text, value=standing.commands_waiting)
    age_s = standing.oldest_command_age.total_seconds()
    yield GaugeMetricFamily("dermedge_oldest_command_seconds", "Age of the oldest of them.", value=age_s)
    held = GaugeMetricFamily("dermedge_quarantined_messages", "Messages in quarantine.", labels=["reason"])
    for reason, count in standing.quarantined.items():
        held.add_metric([reason], count)
    yield held
    noticed = CounterMetricFamily("dermedge_noticed", "What was wrong in what devices sent.", labels=["kind"])
    for kind, count in standing.alarms.items():
        noticed.add_metric([kind], count)
    yield noticed


def _devices(rows: Sequence[DeviceRow]) -> Iterator[Metric]:
    counted = Counter((row.site, row.presence) for row in rows)
    devices = GaugeMetricFamily("dermedge_devices", "Registered devices.", labels=["site", "presence"])
    for site in sorted({row.site for row in rows}):
        for presence in PRESENCES:
            devices.add_metric([site, presence], counted[site, presence])
    yield devices
    models = Counter((row.site, str(row.state.model)) for row in rows if row.state and row.state.model is not UNSET)
    by_model = GaugeMetricFamily("dermedge_model_devices", "Devices by the model they run.", labels=["site", "model"])
    for (site, model), count in sorted(models.items()):
        by_model.add_metric([site, model], count)
    yield by_model
    labels = ["site", "device"]
    online = GaugeMetricFamily("dermedge_device_online", "1: connected, and heard of lately.", labels=labels)
    seen = GaugeMetricFamily("dermedge_device_seen_timestamp_seconds", "When it last spoke.", labels=labels)
    for row in rows:
        online.add_metric([row.site, row.device], row.presence == "online")
        if row.last_seen_at is not None:
            seen.add_metric([row.site, row.device], row.last_seen_at.timestamp())
    yield online
    yield seen
    for said in SAID:
        family = GaugeMetricFamily(f"dermedge_device_{said.name}", said.text, labels=labels)
        for row in rows:
            value = UNSET if row.state is None else said.value(row.state)
            if value is not UNSET:
                family.add_metric([row.site, row.device], float(value))
        yield family


def _people(sites: Sequence[ReleasedCounts]) -> Iterator[Metric]:
    screened = GaugeMetricFamily("dermedge_people_screened", "People looked at; small counts hidden.", labels=["site"])
    refused = GaugeMetricFamily("dermedge_people_refused", "People who did not agree; the same.", labels=["site"])
    findings = GaugeMetricFamily("dermedge_findings", "Findings, no diagnoses; the same.", labels=["site"])
    text = "Findings by suggested tier; the same, and more where a difference would tell a small one."
    tiers = GaugeMetricFamily("dermedge_tier_findings", text, labels=["site", "tier"])
    for each in sites:
        for family, count in ((screened, each.screened), (refused, each.refused), (findings, each.findings)):
            if count is not None:
                family.add_metric([each.site], count)
        for tier, count in each.tiers.items():
            if count is not None:
                tiers.add_metric([each.site, tier], count)
    yield from (screened, refused, findings, tiers)
