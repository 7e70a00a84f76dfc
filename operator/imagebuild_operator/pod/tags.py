"""The variables in the tags of `spec.output.images`."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

from imagebuild_operator.api.tags import TAG_LENGTH
from imagebuild_operator.api.v1alpha1 import ImageBuildSpec
from imagebuild_operator.pod.spec_error import SpecError

SHORT_COMMIT_LENGTH: Final = 8
# As long as spec.output.images and status.images allow.
REFERENCE_LENGTH: Final = 512
SLUG_LENGTH: Final = 63

_COMMIT: Final = re.compile(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}")
_VARIABLE: Final = re.compile(r"\$\(([A-Za-z]+)\)")
_TAG: Final = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_.-]{{0,{TAG_LENGTH - 1}}}")


def with_tags(spec: ImageBuildSpec, *, generation: int, run: int) -> ImageBuildSpec:
    """The spec with every variable of its tags filled in.

    Args:
        spec: as it is stored.
        generation: that the run builds.
        run: its number.

    Raises:
        SpecError: if a variable has no value, a tag would not be one, or two references become the same.
    """
    known = variables(spec, generation=generation, run=run)
    images = [_expanded(image, known) for image in spec.output.images]
    _refuse_twins(spec.output.images, images)
    return spec.model_copy(update={"output": spec.output.model_copy(update={"images": images})})


def variables(spec: ImageBuildSpec, *, generation: int, run: int) -> dict[str, str]:
    """What each variable stands for; those without a value are left out."""
    known = {"generation": str(generation), "run": str(run)}
    revision = (spec.source.git.revision if spec.source.git else None) or ""
    if _COMMIT.fullmatch(revision):
        commit = revision.lower()
        known |= {"commit": commit, "shortCommit": commit[:SHORT_COMMIT_LENGTH]}
    if slug := revision_slug(revision):
        known["revisionSlug"] = slug
    return known


def revision_slug(revision: str) -> str:
    """The revision as a part of a tag: what GitLab makes of a branch or tag for CI_COMMIT_REF_SLUG.

    In lower case, shortened to 63 characters, everything but a-z and 0-9 replaced by a dash, none at either end
    (GitLab documentation, "Predefined CI/CD variables").
    """
    for prefix in ("refs/heads/", "refs/tags/"):
        revision = revision.removeprefix(prefix)
    return re.sub("[^a-z0-9]", "-", revision.lower())[:SLUG_LENGTH].strip("-")


def _expanded(image: str, known: Mapping[str, str]) -> str:
    missing = sorted({name for name in _VARIABLE.findall(image) if name not in known})
    if missing:
        told = ", ".join(f"$({name})" for name in missing)
        raise SpecError(f"spec.output.images: {told} in {image} has no value for this source.")
    expanded = _VARIABLE.sub(lambda found: known[found[1]], image)
    head, colon, tag = expanded.rpartition(":")
    if expanded != image and head and colon and not _TAG.fullmatch(tag):
        raise SpecError(f"spec.output.images: {image} becomes {expanded}, whose tag is not one.")
    if len(expanded) > REFERENCE_LENGTH:
        raise SpecError(f"spec.output.images: {image} becomes longer than {REFERENCE_LENGTH} characters: shorten it.")
    return expanded


def _refuse_twins(templates: list[str], images: list[str]) -> None:
    """Two references that are the same would be one push too many, and hide which of them was meant."""
    whole = [image if ":" in image.rpartition("/")[2] else f"{image}:latest" for image in images]
    twins = [image for image, count in Counter(whole).items() if count > 1]
    if twins and templates != images:
        same = [template for template, image in zip(templates, whole, strict=True) if image == twins[0]]
        raise SpecError(f"spec.output.images: {' and '.join(same)} both become {twins[0]}: take one out.")
