"""Finds the login for the registry of an image or artifact."""

from imagebuild_operator.pod.plan import RegistrySecret
from imagebuild_operator.pod.references import Repository
from imagebuild_operator.pod.source_plans import SourceSecret
from imagebuild_operator.prepare.credentials import merged
from imagebuild_operator.prepare.image_reference import ImageReference
from imagebuild_operator.prepare.login_secrets import entries, key_of
from imagebuild_operator.prepare.registry_login import RegistryLogin


def login_for(reference: ImageReference, own: SourceSecret | None, logins: tuple[RegistrySecret, ...]) -> RegistryLogin:
    """The login for a reference's registry; an empty one that says where was looked, if there is none.

    Args:
        reference: to fetch.
        own: the Secret that the source names.
        logins: those of the whole build, used where it names none.

    Raises:
        PrepareError: if a Secret is broken.
    """
    secrets = logins if own is None else (RegistrySecret(secret=own.secret, folder=own.folder),)
    found = [entry for secret in secrets for entry in entries(secret)]
    repository = Repository(reference.registry, tuple(reference.repository.split("/")))
    login = merged(found, [repository], complete=True).auths.get(key_of(reference.registry))
    if login is None:
        return RegistryLogin(", ".join(f"Secret {secret.secret}" for secret in secrets))
    secret = next(entry.secret for entry in found if entry.login == login)
    return RegistryLogin(
        f"Secret {secret}", login.get("auth", ""), login.get("identitytoken", ""), login.get("registrytoken", "")
    )
