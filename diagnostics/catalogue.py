"""What a cause or a reply means, who must act, what to do (D3); the pages of failed mails say the same (`mailjobs.catalogue`)."""

from mailjobs.catalogue import Meaning, explain

__all__ = ["Meaning", "explain"]
