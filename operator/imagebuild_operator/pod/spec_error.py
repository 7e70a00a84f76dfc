"""A spec that the schema takes and that still makes no Pod."""


class SpecError(ValueError):
    """The spec asks for something that cannot be; the text says what, for the user."""
