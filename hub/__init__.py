"""The receiver: `hub ingest` and `hub serve`, two processes that share only the database."""
