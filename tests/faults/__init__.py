"""Delivery under faults: power cuts, kills, packet loss, full disks, clocks that jump, and one checker that counts."""
