"""The page on the device: the live picture, one line of advice, and what was found."""
