"""Values of a Secret that is mounted as a folder, and words for what is wrong with them."""

import re
from dataclasses import dataclass
from pathlib import Path

from imagebuild_operator.api.names import Reason
from imagebuild_operator.prepare.credential_helper import value
from imagebuild_operator.prepare.result import PrepareError


@dataclass(frozen=True)
class MountedSecret:
    """One Secret.

    Attributes:
        name: of the Secret, for messages.
        folder: where it is mounted.
        hint: what it must be like, added to each message.
    """

    name: str
    folder: Path
    hint: str

    def required(self, key: str) -> str:
        """A value of one line.

        Raises:
            PrepareError: if it is not there, or as `line` does.
        """
        text = self.line(key)
        if text is None:
            raise self.bad(f"has no key {key}")
        return text

    def line(self, key: str) -> str | None:
        """A value of one line; None if it is not there.

        Raises:
            PrepareError: if it has more than one, or as `text` does.
        """
        text = self.text(key)
        if text is not None and re.search(r"[\r\n\0]", text):
            raise self.bad(f"has a {key} of more than one line")
        return text

    def text(self, key: str) -> str | None:
        """A value without the line break at its end; None if it is not there.

        Raises:
            PrepareError: if it is empty or no text.
        """
        try:
            text = value(self.folder, key)
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            raise self.bad(f"has a {key} that is not text") from None
        if not text:
            raise self.bad(f"has an empty {key}")
        return text

    def bad(self, what: str) -> PrepareError:
        """The failure that says what is wrong with it, never what it holds."""
        return PrepareError(Reason.SECRET_INVALID, f"Secret {self.name} {what}.", self.hint)
