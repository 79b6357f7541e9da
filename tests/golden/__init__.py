"""Messages as bytes, kept: what version 1 of the wire looks like."""
