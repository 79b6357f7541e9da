"""All settings of the device, one frozen Struct a component, in the order of the flow.

Later sources win: defaults, profile, configuration file, DERMEDGE_CAMERA__RATE_HZ=2, --set camera.rate_hz=2.
No secret has a field: keys are files in `identity.directory`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from edge.errors import ConfigError, UsageError

ENVIRONMENT_PREFIX = "DERMEDGE_"
NOT_SETTINGS = frozenset({"DERMEDGE_DATA", "DERMEDGE_VENV", "DERMEDGE_FAILPOINTS"})
"""Where training pictures lie, which environment the Makefile uses, and what edge/failpoints.py is to do."""
SYSTEM_FILE = Path("/etc/dermedge/config.toml")

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$(?!\n)")]
"""As the wire takes it: no name of a person fits."""
Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]
Positive = Annotated[float, Meta(gt=0.0)]
Count = Annotated[int, Meta(ge=1)]
THREADS_MAX = 64
"""More only cost: the engine starts every one of them."""
Threads = Annotated[int, Meta(ge=1, le=THREADS_MAX)]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every section: frozen, and a misspelt key is an error."""


class Camera(Settings, frozen=True):
    """source: "v4l2:/dev/video0", "replay:PATH", "phantom" or "package.module:Class"."""

    source: str = "v4l2:/dev/video0"
    width_px: Count = 1280
    height_px: Count = 720
    rate_hz: Annotated[float, Meta(ge=0.01, le=1000)] = 15.0
    stale_after_ms: Count = 3000


class Phantom(Settings, frozen=True):
    """The drawn skin: how many lesions a person carries, how long a person is looked at, and who comes first."""

    seed: Annotated[int, Meta(ge=0)] = 1
    first_person: Annotated[int, Meta(ge=0)] = 0
    lesions_per_person: Annotated[int, Meta(ge=0, le=4)] = 2
    frames_per_person: Count = 50


class Quality(Settings, frozen=True):
    """Limits of an acceptable picture, judged on a copy whose longer side is `side_px`.

    sharpness_min: 0 to 1, the part of the detail that a blur would take away. motion_max_px: in pixels of the copy.
    """

    side_px: Count = 320
    sharpness_min: Fraction = 0.38
    motion_max_px: Positive = 8.0
    luma_min: float = 25.0
    luma_max: float = 235.0
    clipped_fraction_max: Fraction = 0.1
    glare_fraction_max: Fraction = 0.008
    verdict_max_age_ms: Count = 200


class Inference(Settings, frozen=True):
    """bundle: a bundle's folder; empty means the one that ships with the package."""

    backend: str = "litert"
    bundle: str = ""
    threads: Threads = 2


class Detect(Settings, frozen=True):
    """None takes the card's own value."""

    score_threshold: Fraction | None = None
    max_detections: Count = 100


class Track(Settings, frozen=True):
    """When two boxes are one lesion, when a lesion is gone, and when it is worth reporting."""

    iou_min: Fraction = 0.3
    lost_after_frames: Count = 15
    stable_observations: Count = 8


class Triage(Settings, frozen=True):
    """rules: a rule table's file; empty means the one that ships with the package."""

    rules: str = ""


class Identity(Settings, frozen=True):
    """directory: what `dermedge provision` wrote; empty means that the device is not provisioned."""

    directory: str = ""


class Outbox(Settings, frozen=True):
    """path: empty means `outbox.db` beside the keys. ballast_bytes: kept free for a full disk; 0 for none."""

    path: str = ""
    max_bytes: Count = 256 * 1024 * 1024
    ballast_bytes: Annotated[int, Meta(ge=0)] = 4 * 1024 * 1024
    ledger: str = ""


class Broker(Settings, frozen=True):
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 1883
    keepalive_s: Count = 30


class Delivery(Settings, frozen=True):
    """window: events on their way at once. resend_after_s: how long an event may lack its acknowledgement."""

    publisher: str = "mqtt"
    window: Annotated[int, Meta(ge=1, le=32)] = 32
    resend_after_s: Positive = 5.0
    state_every_s: Positive = 5.0


class Operator(Settings, frozen=True):
    """script: "single" opens one encounter with consent to screening for the whole run; "phantom" follows its persons.

    Empty means none chosen: "single", but for a real camera of a provisioned device, which needs one to be named.
    sample_share: of those who agreed to pictures, the share of whom a whole view is sent.
    """

    script: str = ""
    operator_id: Name = "operator-1"
    cohort: Name = "demonstration"
    sample_share: Fraction = 0.1


class Screen(Settings, frozen=True):
    """port: where the live view is served on 127.0.0.1; 0 means nowhere."""

    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    rate_hz: Positive = 10.0


class Config(Settings, frozen=True):
    """Everything, in flow order."""

    camera: Camera = Camera()
    phantom: Phantom = Phantom()
    quality: Quality = Quality()
    inference: Inference = Inference()
    detect: Detect = Detect()
    track: Track = Track()
    triage: Triage = Triage()
    identity: Identity = Identity()
    outbox: Outbox = Outbox()
    broker: Broker = Broker()
    delivery: Delivery = Delivery()
    operator: Operator = Operator()
    screen: Screen = Screen()


class Origin(msgspec.Struct, frozen=True):
    """One effective value and the source that set it, for `dermedge config show`."""

    key: str
    value: Any
    source: str


Table = Mapping[str, Any]


def load(
    profile: str | None = None,
    config_file: Path | None = None,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> tuple[Config, list[Origin]]:
    """The effective configuration and, key by key, where each value came from.

    Raises ConfigError, naming the source, for an unknown profile, an unreadable file, an unknown key or a wrong value.
    """
    sources: list[tuple[str, Table]] = []
    if profile is not None:
        sources.append((f"profile {profile}", read_toml(profile_path(profile))))
    if config_file is not None:
        sources.append((str(config_file), read_toml(config_file)))
    elif SYSTEM_FILE.is_file():
        sources.append((str(SYSTEM_FILE), read_toml(SYSTEM_FILE)))
    sources.extend((f"environment {name}", table) for name, table in _environment(environ))
    sources.extend((f"--set {text}", _assignment(text)) for text in overrides)

    merged: dict[str, Any] = {}
    set_by: dict[str, str] = {}
    for source, table in sources:
        for key, value in _leaves(table):
            set_by[key] = source
            _put(merged, key, value, source)
        try:
            convert(merged)
        except ConfigError as error:
            raise ConfigError(f"{source}: {error}") from error
    config = convert(merged)
    origins = [Origin(key, value, set_by.get(key, "default")) for key, value in _leaves(msgspec.to_builtins(config))]
    return config, origins


def convert(table: Table) -> Config:
    """A table of sections as a Config. Text from the environment is read as the field's own type."""
    try:
        return msgspec.convert(table, Config, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"expected a setting as `dermedge config show` lists it, got: {error}") from error


def broker_address(text: str) -> tuple[str, int]:
    """Host and port of a command line's HOST:PORT; an IPv6 address in brackets. Raises UsageError."""
    host, _, digits = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    port = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= 5 else 0
    name = host[1:-1] if bracketed else host
    if not name or (":" in name) != bracketed or not 1 <= port <= 65535:
        raise UsageError(
            f"expected --broker HOST:PORT with a port of 1 to 65535, such as 127.0.0.1:1883 or [::1]:1883; got {text!r}"
        )
    return name, port


def profile_names() -> list[str]:
    """The profiles that ship, sorted."""
    return sorted(path.stem for path in _profiles().glob("*.toml"))


def profile_path(name: str) -> Path:
    """The file of a profile by name. Raises ConfigError that names those there are."""
    known = profile_names()
    if name not in known:
        raise ConfigError(f"expected a profile out of {', '.join(known)}; got {name!r}")
    return _profiles() / f"{name}.toml"


def _profiles() -> Path:
    """Data of a room above, found by its name; see docs/decisions/0001-layout-and-layers.md."""
    return Path(str(files("firmware_cfg"))) / "profiles"


def read_toml(path: Path) -> dict[str, Any]:
    """Raises ConfigError where the file is missing or not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"expected a TOML file at {path}; {error}") from error


def _environment(environ: Mapping[str, str]) -> Iterator[tuple[str, Table]]:
    for name in sorted(environ):
        if not name.startswith(ENVIRONMENT_PREFIX) or name in NOT_SETTINGS:
            continue
        section, separator, field = name.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
        if not separator:
            raise ConfigError(
                f"expected {ENVIRONMENT_PREFIX}SECTION__FIELD with two underscores, got {name}: correct or unset it"
            )
        yield name, {section: {field: environ[name]}}


def _assignment(text: str) -> Table:
    key, separator, value = text.partition("=")
    section, dot, field = key.strip().partition(".")
    if not separator or not dot:
        raise ConfigError(f"expected --set section.field=value, got {text!r}")
    return {section: {field: value}}


def _leaves(table: Table) -> Iterator[tuple[str, Any]]:
    for section, fields in table.items():
        if not isinstance(fields, Mapping):
            yield section, fields
            continue
        for field, value in fields.items():
            yield f"{section}.{field}", value


def _put(merged: dict[str, Any], key: str, value: Any, source: str) -> None:
    section, dot, field = key.partition(".")
    if not dot:
        raise ConfigError(f"{source}: expected a section such as [camera], got the bare key {key!r}")
    merged.setdefault(section, {})[field] = value
