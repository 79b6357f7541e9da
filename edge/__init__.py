"""The runtime on the device: from a camera frame to a sealed finding that the hub has acknowledged."""

__version__ = "0.1.0"
