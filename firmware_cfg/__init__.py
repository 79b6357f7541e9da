"""The device's configuration: data first. One profile a board."""
