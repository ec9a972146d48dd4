"""What all storms stand on."""

from tests.storm.stack import migrated

__all__ = ["migrated"]
