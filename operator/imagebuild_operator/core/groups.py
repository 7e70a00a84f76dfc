"""The concurrency group of a build: the one its spec names, and the one its latest attempt was given a slot in.

They differ once the spec was edited. What holds a slot stays in the group that let it in; what asks for a slot asks in
the group of the spec.
"""

from imagebuild_operator.api.v1alpha1 import Run
from imagebuild_operator.core.observe import BuildView


def wanted(build: BuildView) -> str:
    """The group that the spec names; empty for none."""
    return build.spec.concurrency_group or "" if build.spec else ""


def granted(build: BuildView, run: Run) -> str:
    """The group that the recorded attempt was given its slot in; empty for none.

    A record that says nothing was made without a group, or by a version that did not record it: then it was that of
    the spec, which is known as long as there was no edit.
    """
    if run.concurrency_group is not None:
        return run.concurrency_group
    return wanted(build) if build.generation == run.generation else ""


def to_record(build: BuildView, group: str) -> str | None:
    """What the record of an attempt in this group says; an empty one is told only where the spec names another."""
    return group if group or wanted(build) else None
