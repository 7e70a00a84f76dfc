"""The Secrets and ConfigMaps in a Pod's volumes, by name.

What the kubelet says of a missing key names the volume, and users know the object alone.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from imagebuild_operator.core.reading import entries, mapping, text
from imagebuild_operator.pod.logins import FORMS, type_with_key

# kubernetes, pkg/volume/secret/secret.go and pkg/volume/configmap/configmap.go; of a projected volume with several
# sources, the words stand in a list.
_MISSING_KEY: Final = re.compile(
    r'volume "([^"]+)" ?: .*?references non-existent (secret|config) key: ([-._a-zA-Z0-9]+)', re.DOTALL
)
_KINDS: Final = {"secret": "Secret", "config": "ConfigMap"}
# The kubelet says so in a few hundred characters. Whoever may write Events can write more, and the search takes the
# square of their number.
_SEARCHED: Final = 4096


@dataclass(frozen=True)
class MountedObject:
    """A Secret or ConfigMap, the volume it is mounted as, and its keys that are asked for by name."""

    kind: str
    name: str
    volume: str
    keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def mounted_objects(volumes: Sequence[Mapping[str, Any]]) -> tuple[MountedObject, ...]:
    """The objects of a Pod's volumes, in order; a projected volume may have several. Never raises."""
    return tuple(found for volume in volumes for found in _of_volume(volume))


def _of_volume(volume: Mapping[str, Any]) -> Iterator[MountedObject]:
    # A Secret's name stands in another field where it is a volume of its own.
    for source, field in ((volume, "secretName"), *((each, "name") for each in _projected(volume))):
        secret, config_map = mapping(source, "secret"), mapping(source, "configMap")
        for kind, document, name in (
            ("Secret", secret, text(secret, field)),
            ("ConfigMap", config_map, text(config_map, "name")),
        ):
            if name:
                keys = tuple(text(item, "key") for item in entries(document, "items"))
                yield MountedObject(kind, name, text(volume, "name"), keys)


def _projected(volume: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return entries(mapping(volume, "projected"), "sources")


def with_object(said: str, objects: Sequence[MountedObject], logins: Sequence[MountedObject]) -> str:
    """The kubelet's words on a volume, with the object's name before them if a key of it is missing.

    Args:
        said: the kubelet's words.
        objects: of the Pod.
        logins: those among them that are of one of the types for registries, which have keys of their own.
    """
    found = _MISSING_KEY.search(said[:_SEARCHED])
    if found is None:
        return said
    volume, kind, key = found[1], _KINDS[found[2]], found[3]
    mounted = [each for each in objects if (each.volume, each.kind) == (volume, kind)]
    # Of several in a volume only those count that should have the key.
    lacking = [each for each in mounted if key in each.keys] or mounted
    if not lacking:
        return said
    form = type_with_key(key) if lacking[0] in logins else None
    wrong_type = f": it is not of type {form} ({FORMS[form].secret_type})" if form else ""
    return f"{kind} {' or '.join(each.name for each in lacking)} has no key {key}{wrong_type}. {said}"
