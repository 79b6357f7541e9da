"""The tables of the outbox's file: events and responses (sealed), referrals, recalls, and facts about itself.

Of an event, `message_sha256` is over the message as it travels, the event or the void in its place (`void_reason`), and
is what an acknowledgement names; `ciphertext_sha256` is what the next event's prev_hash must be. `acknowledged_at` and
`acknowledged_outcome` are null until the hub has it. `participant_mac` says whom it is about, to this device alone;
`rendition` which picture it is a part of. Of a referral reply `words` is sealed to this device.
"""

SCHEMA_VERSION = 2

# The indexes have all that a status asks for, many times a second, so that it reads no row: a row drags its sealed
# message along. acknowledged_at is always null in the first, and SQLite looks a row up for it all the same unless it is
# there. Every index is another page that each append brings to the disk; so an event_id, which is random, has none.
SCHEMA = """
CREATE TABLE facts(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE events(
    seq INTEGER PRIMARY KEY,
    event_id TEXT NOT NULL,
    priority TEXT NOT NULL CHECK (priority IN ('urgent', 'live', 'backlog')),
    message BLOB NOT NULL,
    message_sha256 TEXT NOT NULL,
    ciphertext_sha256 TEXT NOT NULL,
    appended_at TEXT NOT NULL,
    acknowledged_at TEXT,
    acknowledged_outcome TEXT CHECK (acknowledged_outcome IN ('stored', 'quarantined')),
    void_reason TEXT CHECK (void_reason IN ('picture_degraded', 'consent_withdrawn')),
    participant_mac BLOB,
    rendition INTEGER
) STRICT;
CREATE INDEX events_pending ON events(priority, seq, appended_at, acknowledged_at) WHERE acknowledged_at IS NULL;
CREATE INDEX events_acknowledged ON events(acknowledged_outcome, seq) WHERE acknowledged_outcome IS NOT NULL;
CREATE INDEX events_void ON events(void_reason) WHERE void_reason IS NOT NULL;
CREATE INDEX events_of_participant ON events(participant_mac) WHERE participant_mac IS NOT NULL;
CREATE INDEX events_of_rendition ON events(rendition) WHERE rendition IS NOT NULL;
CREATE TABLE renditions(rendition INTEGER PRIMARY KEY, bytes INTEGER NOT NULL, degraded BLOB NOT NULL) STRICT;
CREATE TABLE tombstones(participant_mac BLOB PRIMARY KEY, at TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE commands(
    number INTEGER PRIMARY KEY,
    command_id TEXT NOT NULL,
    epoch TEXT NOT NULL,
    seq INTEGER NOT NULL,
    message_sha256 TEXT NOT NULL,
    outcome TEXT NOT NULL,
    response BLOB NOT NULL,
    received_at TEXT NOT NULL,
    UNIQUE (epoch, seq)
) STRICT;
CREATE INDEX commands_by_id ON commands(command_id);
CREATE TABLE referrals(
    referral_id TEXT PRIMARY KEY,
    participant_mac BLOB NOT NULL,
    requested_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE referral_replies(
    command_id TEXT PRIMARY KEY,
    referral_id TEXT NOT NULL,
    step TEXT NOT NULL,
    at TEXT NOT NULL,
    words BLOB NOT NULL,
    received_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE recalls(
    command_id TEXT PRIMARY KEY,
    participant_mac BLOB NOT NULL,
    at TEXT NOT NULL,
    words BLOB NOT NULL,
    received_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""
