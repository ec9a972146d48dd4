"""The processes that a benchmark measures; see `conversation` for how they are talked to."""
