"""The kinds of Secrets that hold logins for registries: their types and keys in Kubernetes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from imagebuild_operator.api.names import RegistrySecretType


@dataclass(frozen=True)
class LoginForm:
    """A kind of Secret: its type in Kubernetes, and the keys that such a Secret has."""

    secret_type: str
    keys: tuple[str, ...]


FORMS: Final[Mapping[RegistrySecretType, LoginForm]] = {
    RegistrySecretType.DOCKER_CONFIG_JSON: LoginForm("kubernetes.io/dockerconfigjson", (".dockerconfigjson",)),
    RegistrySecretType.DOCKER_CONFIG: LoginForm("kubernetes.io/dockercfg", (".dockercfg",)),
    RegistrySecretType.BASIC_AUTH: LoginForm("kubernetes.io/basic-auth", ("username", "password")),
}


def type_with_key(key: str) -> RegistrySecretType | None:
    """The kind of Secret that has this key; None if there is none."""
    return next((kind for kind, form in FORMS.items() if key in form.keys), None)
