"""Kinds of settings: how the text of an environment variable is read, and in which words it is refused."""

import json
import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from imagebuild_operator.api.schema import QUANTITY
from imagebuild_operator.api.v1alpha1 import Resources
from imagebuild_operator.core.durations import parse_duration
from imagebuild_operator.core.policy import MOST_MEMORY
from imagebuild_operator.pod.quantities import amount as amount_of
from imagebuild_operator.pod.reserved_flags import NEVER_ALLOWED

# A variable that is empty counts as absent, so "not at all" needs a word of its own.
NEVER: Final = "never"

# RFC 1123 label, as the API server asks of a namespace's name.
_NAMESPACE: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PROXY: Final = re.compile(r"(https?|socks5h?)://[^\s/]+/?")
_FLAG: Final = re.compile(r"--[a-z][a-z0-9-]*")


def _bytes(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not re.fullmatch(QUANTITY, value):
        raise ValueError("must be a Kubernetes quantity such as 8Gi")
    return int(amount_of(value) or 0)


def _namespaces(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    found = tuple(dict.fromkeys(name for part in value.split(",") if (name := part.strip())))
    for name in found:
        if not _NAMESPACE.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a namespace; separate names by commas")
    return found


def _limit(value: Any) -> Any:
    return None if value in (0, "0") else value


def _seconds(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str) else value


def _keep(value: Any) -> Any:
    return None if value == NEVER else _seconds(value)


def _proxy(value: Any) -> Any:
    if isinstance(value, str) and value and not _PROXY.fullmatch(value):
        raise ValueError("must be the URL of a proxy, e.g. http://proxy.example.com:3128")
    return value


def _hosts(value: Any) -> Any:
    return ",".join(host for part in value.split(",") if (host := part.strip())) if isinstance(value, str) else value


def _flags(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    found = tuple(dict.fromkeys(flag for part in value.split(",") if (flag := part.strip())))
    for flag in found:
        if not _FLAG.fullmatch(flag):
            raise ValueError(f"{flag!r} is not a flag without its value, such as --single-snapshot; separate by commas")
        if flag.removeprefix("--") in NEVER_ALLOWED:
            raise ValueError(f"{flag} can never be allowed: the operator decides it, or a build could not be trusted")
    return found


def _resources(value: Any) -> Any:
    if isinstance(value, Resources):
        return value
    try:
        document = json.loads(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"is not JSON: {error}") from error
    if not isinstance(document, dict) or not document.keys() <= {"requests", "limits"}:
        raise ValueError('must be a JSON object with the members "requests" and "limits" only')
    for part, amounts in document.items():
        if not isinstance(amounts, dict):
            raise ValueError(f'"{part}" must be an object of amounts by resource')
        for resource, amount in amounts.items():
            if isinstance(amount, bool) or not isinstance(amount, int | str) or not re.fullmatch(QUANTITY, str(amount)):
                raise ValueError(f'"{part}.{resource}" must be a Kubernetes quantity such as 500m or 2Gi')
    if missing := {"memory", "ephemeral-storage"} - document.get("limits", {}).keys():
        # Every build is bounded: these are the bounds of a build that names none itself.
        raise ValueError(f'"limits" must contain {" and ".join(sorted(missing))}')
    return document


Duration = Annotated[float, BeforeValidator(_seconds), Field(ge=1, le=8760 * 3600)]
Bytes = Annotated[int, BeforeValidator(_bytes), Field(ge=1024**2, le=MOST_MEMORY)]
Limit = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_limit)]
Keep = Annotated[Annotated[float, Field(ge=0, le=8760 * 3600)] | None, BeforeValidator(_keep)]
BoundedResources = Annotated[Resources, BeforeValidator(_resources)]
Namespaces = Annotated[tuple[str, ...], BeforeValidator(_namespaces)]
ProxyAddress = Annotated[str, BeforeValidator(_proxy)]
Hosts = Annotated[str, BeforeValidator(_hosts)]
Flags = Annotated[tuple[str, ...], BeforeValidator(_flags)]
