"""The hub's pages. They read through hub/queries.py only, and ask nobody outside this machine for anything."""
