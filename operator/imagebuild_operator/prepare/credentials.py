"""Merges logins for registries into the one file that the executor reads."""

import json
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from imagebuild_operator.pod.plan import LoginsPlan
from imagebuild_operator.pod.prepared import WARNING_LIMIT, WARNINGS_KEPT
from imagebuild_operator.pod.references import DOCKER_HUB, Repository, endpoint_of, named_images, repository_of
from imagebuild_operator.prepare.dockerfile import text_of
from imagebuild_operator.prepare.login_secrets import Entry, Login, entries, key_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Logins:
    """The outcome of merging.

    Attributes:
        auths: one login for each registry, by the executor's key.
        warnings: a sentence for each registry that has several different logins.
    """

    auths: Mapping[str, Login] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def read_logins(plan: LoginsPlan) -> list[Entry]:
    """Every login of the Secrets, in their order.

    Raises:
        PrepareError: if a Secret is broken; the message names it and never what is in it.
    """
    return [entry for secret in plan.secrets for entry in entries(secret)]


def write_logins(plan: LoginsPlan, found: list[Entry]) -> tuple[str, ...]:
    """Write those that the build needs, once its source is there and with it the names of the base images.

    Returns:
        what to warn of.
    """
    bases = None if plan.complete or plan.dockerfile is None else _named_images(plan.dockerfile)
    repositories = [repository_of(reference) for reference in (*plan.repositories, *(bases or ()))]
    repositories += [endpoint_of(mirror) for mirror in plan.mirrors]
    logins = merged(found, repositories, complete=plan.complete or bases is not None)
    _write(plan.target, logins)
    for warning in logins.warnings:
        log.warning("%s", warning)
    return _bounded(logins.warnings)


def merged(found: Iterable[Entry], repositories: Iterable[Repository], *, complete: bool) -> Logins:
    """One login a registry: the executor takes any key of a host for any of its repositories, at random.

    The login whose path leads the furthest towards a repository in use is taken; one for another path only where
    there is nothing else. Of equals it is the later one.

    Args:
        found: in the order of the Secrets.
        repositories: in use, as far as they are known.
        complete: whether these are all; logins for other registries are left out then.
    """
    used = list(repositories)
    by_registry: dict[str, list[Entry]] = {}
    for entry in found:
        by_registry.setdefault(entry.place.registry, []).append(entry)
    if complete:
        needed = {repository.registry for repository in used}
        by_registry = {registry: entries for registry, entries in by_registry.items() if registry in needed}
    chosen = {
        registry: max(enumerate(entries), key=lambda pair: (_fit(pair[1], used), pair[0]))[1]
        for registry, entries in by_registry.items()
    }
    return Logins(
        {key_of(registry): entry.login for registry, entry in chosen.items()},
        tuple(
            _clash(entry, by_registry[registry])
            for registry, entry in chosen.items()
            if any(other.login != entry.login for other in by_registry[registry])
        ),
    )


def _fit(entry: Entry, used: Iterable[Repository]) -> int:
    """How many parts of a repository in use the login's path names; 0 for a whole registry, -1 for another path."""
    path = entry.place.path
    fits = not path or any(
        repository.registry == entry.place.registry and repository.path[: len(path)] == path for repository in used
    )
    return len(path) if fits else -1


def _clash(chosen: Entry, candidates: Iterable[Entry]) -> str:
    name = "Docker Hub" if chosen.place.registry == DOCKER_HUB else chosen.place.registry
    others = dict.fromkeys(other.secret for other in candidates if other.login != chosen.login)
    others.pop(chosen.secret, None)
    if not others:
        where = "/".join((chosen.place.registry, *chosen.place.path))
        return f"Secret {chosen.secret} has several logins for {name}: only that for {where} is used."
    return f"{name} has several logins: that of Secret {chosen.secret} is used, not that of {', '.join(others)}."


def _bounded(warnings: tuple[str, ...]) -> tuple[str, ...]:
    """As many as the termination message has room for."""
    kept = warnings[:WARNINGS_KEPT]
    if len(warnings) > WARNINGS_KEPT:
        kept = (*kept[:-1], f"{len(warnings) - WARNINGS_KEPT + 1} more registries have several logins.")
    return tuple(text if len(text) <= WARNING_LIMIT else f"{text[: WARNING_LIMIT - 1]}…" for text in kept)


def _named_images(dockerfile: Path) -> tuple[str, ...] | None:
    """The images that it names; None where it is not there, no plain file, or does not name them itself."""
    text = text_of(dockerfile)
    return None if text is None else named_images(text)


def _write(target: Path, logins: Logins) -> None:
    """Write the file anew, readable by its owner only."""
    # Without capabilities not even root may open its own read-only file for writing again.
    target.unlink(missing_ok=True)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w", encoding="utf-8") as file:
        json.dump({"auths": logins.auths}, file)
