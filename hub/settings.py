"""All settings of the hub: `hub.toml` in its folder, one frozen Struct a section. Without the file: what stands here.

No secret has a field: keys and the database's URL are files of their own.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from edge.errors import ConfigError

FILE = "hub.toml"

Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]
Count = Annotated[int, Meta(ge=0)]
Days = Annotated[int, Meta(ge=1, le=36_500)]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every section: frozen, and a misspelt key is an error."""


class Pages(Section, frozen=True):
    """origin: where people reach the pages, for links and QR codes; with https, cookies travel by https alone."""

    origin: str = "http://127.0.0.1:8640"

    def __post_init__(self) -> None:
        parts = urlsplit(self.origin)
        if (
            parts.scheme not in {"http", "https"}
            or not parts.hostname
            or self.origin != f"{parts.scheme}://{parts.netloc}"
        ):
            raise ValueError(f'origin needs the form "https://hub.example" and nothing behind it, got "{self.origin}"')

    @property
    def secure_cookie(self) -> bool:
        """Whether a browser may send the session's cookie by https only."""
        return self.origin.startswith("https://")


class Sessions(Section, frozen=True):
    """When a person has to sign in again: after so long without a request, and after so long altogether."""

    idle_minutes: Annotated[int, Meta(ge=1, le=1_440)] = 30
    absolute_hours: Annotated[int, Meta(ge=1, le=168)] = 12


class Review(Section, frozen=True):
    """Of all encounters, the share that a reviewer answers without seeing what the model said."""

    sample_share: Fraction = 0.05


class Counts(Section, frozen=True):
    """Counts of people that are smaller are not shown."""

    suppress_under: Count = 5


class Retention(Section, frozen=True):
    """How long pictures and the bodies of other events are kept, from their arrival; 0: until a person withdraws."""

    pictures_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    bodies_days: Annotated[int, Meta(ge=0, le=36_500)] = 0


class Referrals(Section, frozen=True):
    """A referral that nobody accepted in this time has expired."""

    expire_after_days: Days = 30


class Cohorts(Section, frozen=True):
    """protocols: a TOML file of follow-up visits, relative to the hub's folder; empty: those that ship with the hub."""

    protocols: str = ""


class Boards(Section, frozen=True):
    """home_assistant: announce each device to Home Assistant over MQTT."""

    home_assistant: bool = False


class Settings(Section, frozen=True):
    """`hub.toml`, section by section."""

    pages: Pages = Pages()
    sessions: Sessions = Sessions()
    review: Review = Review()
    counts: Counts = Counts()
    retention: Retention = Retention()
    referrals: Referrals = Referrals()
    cohorts: Cohorts = Cohorts()
    boards: Boards = Boards()


def load(directory: Path) -> Settings:
    """Of the hub in this folder. Raises ConfigError for a file that does not read, an unknown key, a wrong value."""
    path = directory / FILE
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Settings)
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise ConfigError(f"expected the hub's settings in {path}; {error}; mend that line or take it out") from error
