"""The permissions the operator needs, and a start-up check that says in words which one is missing."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from imagebuild_operator.api import names
from imagebuild_operator.shell.port import Cluster


@dataclass(frozen=True)
class Permission:
    """One verb on one resource, as in a rule of a Role; `group` is empty for the core API."""

    verb: str
    group: str
    resource: str
    subresource: str = ""

    @property
    def target(self) -> str:
        """The resource as a rule writes it, e.g. `pods/log`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


# Nothing on Secrets, on purpose: credentials reach the build Pod through the kubelet only.
REQUIRED: Final = (
    *(Permission(verb, names.GROUP, names.PLURAL) for verb in ("get", "list", "watch", "delete")),
    Permission("patch", names.GROUP, names.PLURAL, "status"),
    *(Permission(verb, "", "pods") for verb in ("get", "list", "watch", "create", "delete")),
    Permission("get", "", "pods", "log"),
    Permission("list", "", "events"),
    Permission("create", "events.k8s.io", "events"),
)


async def missing_permissions(cluster: Cluster, namespaces: Sequence[str]) -> list[str]:
    """One sentence for each permission the operator's account lacks; empty when it has them all.

    Args:
        cluster: asked by SelfSubjectAccessReview, which every account may create.
        namespaces: the watched ones; none means that the whole cluster is watched.

    Raises:
        ApiRefusal: when the API server gives no answer.
    """
    wanted = [(permission, namespace) for namespace in namespaces or (None,) for permission in REQUIRED]
    answers = await asyncio.gather(
        *(
            cluster.may(
                verb=permission.verb,
                group=permission.group,
                resource=permission.resource,
                subresource=permission.subresource,
                namespace=namespace,
            )
            for permission, namespace in wanted
        )
    )
    return [_sentence(*entry) for entry, allowed in zip(wanted, answers, strict=True) if not allowed]


def _sentence(permission: Permission, namespace: str | None) -> str:
    group = f'API group "{permission.group}"' if permission.group else "the core API group"
    what = f'the operator may not {permission.verb} "{permission.target}" ({group})'
    if namespace is None:
        return (
            f"{what} in all namespaces: bind the chart's ClusterRole to the operator's ServiceAccount (the chart does "
            "it with the value rbac.create=true), or watch single namespaces only (watchNamespaces)"
        )
    return (
        f"{what} in namespace \"{namespace}\": bind the chart's Role to the operator's ServiceAccount there (the chart "
        "does it with the value rbac.create=true for each of watchNamespaces)"
    )
