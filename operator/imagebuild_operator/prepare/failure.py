"""Failures that the user can mend, with a reason to tell them apart."""


class PrepareError(Exception):
    """Preparing failed for a known cause.

    Attributes:
        reason: one CamelCase word.
        message: what is wrong; never holds a Secret's value.
        hint: what to do about it.
    """

    def __init__(self, reason: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.hint = hint
