"""docs/asyncapi.yaml is what the command prints, tells the topics of docs/wire.md, and its own parser reads it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hub.boards import asyncapi
from tests.boards.conftest import program
from tests.golden import make
from tests.golden.keys import read_keys

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docs" / "asyncapi.yaml"
NODE_MODULES = Path(sys.prefix) / "node_modules"
SCHEMAS = {
    "header": "Header",
    "acknowledgement": "Acknowledgement",
    "acknowledgement-signed": "Signed",
    "offer": "Offer",
    "offer-signed": "Signed",
    "presence": "HubPresence",
    "status": "Status",
    "state": "State",
    "state-smallest": "State",
    "summary": "Summary",
}


def test_the_document_is_what_the_command_prints() -> None:
    assert FILE.read_text(encoding="utf-8") == asyncapi.text(), "`dermedge hub asyncapi >docs/asyncapi.yaml`"


def test_it_tells_the_topics_of_the_wire_as_its_page_does() -> None:
    page = (ROOT / "docs" / "wire.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(dermedge/v1/[^`]+)` \| (.*?) → .*? \| .*? \| (\d) \| (yes|no) \|$", page, re.MULTILINE)
    told = {(topic, "send" if who == "hub" else "receive", int(qos), kept == "yes") for topic, who, qos, kept in rows}
    assert len(told) == len(asyncapi.CHANNELS)
    assert told == {(each.address, each.action, each.qos, each.retain) for each in asyncapi.CHANNELS}


def schema_of(name: str, content: dict[str, Any]) -> str:
    """A golden file's schema in the document."""
    if name in SCHEMAS:
        return SCHEMAS[name]
    return "".join(part.capitalize() for part in str(content["type"]).split("_"))


def parsed(document: Path, messages: list[dict[str, Any]]) -> dict[str, Any]:
    assert NODE_MODULES.is_dir(), "expected `make boards-environment` to have made this environment"
    done = subprocess.run(
        [program("node"), str(Path(__file__).with_name("asyncapi.cjs")), str(document)],
        input=json.dumps(messages),
        env={"NODE_PATH": str(NODE_MODULES), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.heavy_boards
def test_its_own_parser_reads_it_and_every_golden_message_fits_its_schema() -> None:
    golden = {Path(name).stem: json.loads(content) for name, content in make.plain_files(read_keys()).items()}
    messages = [
        {"schema": schema_of(name, content), "file": name, "message": content} for name, content in golden.items()
    ]
    answer = parsed(FILE, messages)
    errors = [each for each in answer["diagnostics"] if each["severity"] < 2]  # 0 error, 1 warning, 2 a hint
    assert errors == []
    assert len(answer["channels"]) == len(asyncapi.CHANNELS)
    assert len(answer["messages"]) == len(golden)
    assert [each for each in answer["messages"] if not each["fits"]] == []


@pytest.mark.heavy_boards
def test_a_document_and_a_message_that_are_wrong_are_seen(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(FILE.read_text(encoding="utf-8").replace("action: receive", "action: guess", 1))
    assert [each for each in parsed(wrong, [])["diagnostics"] if each["severity"] == 0]
    surprise = {"schema": "Status", "file": "status", "message": {"ts": "2026-03-01T08:00:00Z", "online": 1}}
    assert [each["fits"] for each in parsed(FILE, [surprise])["messages"]] == [False]
