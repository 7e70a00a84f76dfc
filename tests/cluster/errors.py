"""What the cluster says when it cannot go on: always what is wrong, and what to do about it."""

from __future__ import annotations


class ClusterError(Exception):
    """A sentence for a person; the CLI prints it without a traceback."""
