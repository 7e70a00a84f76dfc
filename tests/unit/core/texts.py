"""Texts of the table of causes, in which words in braces stand for names."""

import re


def begins(told: str, text: str) -> bool:
    """Whether what is told begins with such a text; its last full stop may be any other sign."""
    parts = re.split(r"\{\w+\}", text.removesuffix("."))
    return re.match(".*".join(map(re.escape, parts)), told) is not None
