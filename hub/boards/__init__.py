"""What other people's dashboards read: a process of its own beside `hub ingest` and `hub serve`, and files for them.

It reads the database through hub/queries_boards.py, holds no private key, and says nothing about a person.
"""
