"""Write the golden files anew: `python -m tests.golden.make`, from the repository's root.

When to: a message type was added. When not to: a test against the golden files fails; then the wire has changed, and
devices in the field no longer understand the hub. Change `wire.VERSION`, and keep the old files for the old version.

    wire/<name>.json   a message, or what is inside a seal, byte for byte as `wire.encode` writes it
    wire/<name>.bin    a sealed message, byte for byte as it travels; made with the keys of keys.json

Sealing draws random keys, so each run writes other bytes into the .bin files; the JSON files stay as they were.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge import events, wire
from edge.sealing import RecipientKey, key_id, seal, sign, void
from tests.golden import messages
from tests.golden.keys import Keys, read_keys

FOLDER = Path(__file__).with_name("wire")


def plain_files(keys: Keys) -> dict[str, bytes]:
    """File name → bytes, the same in every run."""
    bodies: list[tuple[str, events.Body]] = [("event", body) for body in messages.EVENTS]
    bodies += [("command", body) for body in messages.COMMANDS]
    bodies += [("response", body) for body in messages.RESPONSES]
    files = {f"{kind}-{body.__struct_config__.tag}.json": wire.encode(body) for kind, body in bodies}
    named: dict[str, wire.Message] = {
        "header": messages.header(),
        "acknowledgement": messages.ACKNOWLEDGEMENT,
        "offer": messages.OFFER,
        "presence": messages.PRESENCE,
        "status": messages.STATUS,
        "state": messages.STATE,
        "state-smallest": messages.STATE_SMALLEST,
        "summary": messages.SUMMARY,
    }
    files |= {f"{name}.json": wire.encode(message) for name, message in named.items()}
    files["acknowledgement-signed.json"] = sign("acknowledgement", wire.encode(messages.ACKNOWLEDGEMENT), keys.hub_sign)
    files["offer-signed.json"] = sign("offer", wire.encode(messages.OFFER), keys.hub_sign)
    return files


def sealed_files(keys: Keys) -> dict[str, bytes]:
    """File name → bytes, others in every run."""
    hub_and_escrow = keys.hub_keys.recipients
    device = keys.device_seal.public_key()
    finding = next(body for body in messages.EVENTS if isinstance(body, events.Finding))
    event = seal(messages.header(), wire.encode(finding), hub_and_escrow, keys.device_sign)
    command = seal(
        messages.header("command"),
        wire.encode(messages.COMMANDS[0]),
        [RecipientKey(key_id(device), device)],
        keys.hub_sign,
    )
    response = seal(messages.header("response"), wire.encode(messages.RESPONSES[0]), hub_and_escrow, keys.device_sign)
    return {
        "envelope-event.bin": wire.encode_sealed(event),
        "void.bin": wire.encode_sealed(void(event, "picture_degraded", keys.device_sign)),
        "envelope-command.bin": wire.encode_sealed(command),
        "envelope-response.bin": wire.encode_sealed(response),
    }


def main() -> None:
    keys = read_keys()
    FOLDER.mkdir(exist_ok=True)
    for name, data in (plain_files(keys) | sealed_files(keys)).items():
        (FOLDER / name).write_bytes(data)
        print(f"{name}: {len(data)} bytes")
    assert msgspec.msgpack.decode((FOLDER / "void.bin").read_bytes())["reason"] == "picture_degraded"


if __name__ == "__main__":
    main()
