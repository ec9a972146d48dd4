"""The wire: one file per kind of send system, asynchronous, without Django."""
