"""Scripted operators, and the table of those that ship. Each is constructed with the whole Config."""

from __future__ import annotations

from edge.camera.base import is_staged
from edge.config import Config
from edge.errors import ConfigError
from edge.frame import Frame
from edge.loading import open_named
from edge.session import Operator, Scope, SessionChange

OPERATORS = {
    "single": "edge.operators:SingleOperator",
    "phantom": "edge.operators:PhantomOperator",
}
"""operator.script → "module:Class"; a name with a colon is imported as it is."""

UNNAMED = "single"
"""What an empty `operator.script` means where nothing is kept of anybody."""
REFUSES_EVERY = 7
NO_PICTURES_EVERY = 6


def open_operator(config: Config) -> Operator:
    """The operator that `operator.script` names. Raises ConfigError.

    A script agrees for whoever stands before the camera. So where a real camera meets a device that keeps what it sees,
    somebody must have chosen the script, and the phantom's, which makes its consents up, cannot be chosen.
    """
    script, source = config.operator.script, config.camera.source
    if config.identity.directory and not is_staged(source) and script in {"", "phantom"}:
        raise ConfigError(
            f"expected operator.script to say how people before {source} agree, got "
            f"{'nothing' if not script else repr(script) + ', whose consents are made up'}: "
            "--set operator.script=single says that consent is taken on paper for the whole run"
        )
    operator: Operator = open_named("operator.script", script or UNNAMED, OPERATORS, Operator, config)
    return operator


class SingleOperator:
    """One encounter for the whole run, with consent to screening and to nothing else."""

    def __init__(self, config: Config) -> None:
        del config
        self._begun = False

    def step(self, frame: Frame) -> list[SessionChange]:
        del frame
        if self._begun:
            return []
        self._begun = True
        return [SessionChange("person_came"), SessionChange("consented", scope=("screening",))]


class PhantomOperator:
    """Follows the phantom's timetable: a new person, a new encounter, a referral asked for whatever was found.

    Every sixth person agrees to screening without pictures, every seventh refuses, so that the first six, one of each
    skin type, all consent.
    """

    def __init__(self, config: Config) -> None:
        self._frames_per_person = config.phantom.frames_per_person
        self._person: int | None = None
        self._agreed = False

    def step(self, frame: Frame) -> list[SessionChange]:
        person = frame.sequence // self._frames_per_person
        if person == self._person:
            return []
        changes = [] if self._person is None else [SessionChange("person_left")]
        if self._agreed:
            changes.insert(0, SessionChange("referral_asked"))
        self._person = person
        changes.append(SessionChange("person_came", body_site="forearm"))
        self._agreed = person % REFUSES_EVERY != REFUSES_EVERY - 1
        if not self._agreed:
            changes.append(SessionChange("refused", reason="photography"))
        else:
            without = person % NO_PICTURES_EVERY == NO_PICTURES_EVERY - 1
            scope: tuple[Scope, ...] = ("screening",) if without else ("screening", "pictures")
            changes.append(SessionChange("consented", scope=scope))
        return changes
