"""What people at the hub do: decide, refer, expect, count. Writes; what pages read stands in hub/queries*.py."""
