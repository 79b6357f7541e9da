"""The way to the broker: one seam, and the publishers that ship."""
