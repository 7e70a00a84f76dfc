from collections.abc import Iterator

import pytest

from imagebuild_operator.shell.permissions import REQUIRED
from tests.chart.helm import NAMESPACE, Helm, Manifest, Rendering, Values

Grant = tuple[str, str, str]
NEEDED = {(permission.verb, permission.group, permission.target) for permission in REQUIRED}
ACCOUNT = {"kind": "ServiceAccount", "name": "builds-imagebuild-operator", "namespace": NAMESPACE}


def grants(role: Manifest) -> Iterator[Grant]:
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    yield verb, group, resource


def roles(rendering: Rendering) -> list[Manifest]:
    return [*rendering.all("ClusterRole"), *rendering.all("Role")]


def test_cluster_wide_the_operator_may_do_what_it_needs_and_nothing_else(rendering: Rendering) -> None:
    role = rendering.one("ClusterRole", "imagebuild-operator")
    binding = rendering.one("ClusterRoleBinding")

    assert set(grants(role)) == NEEDED
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [ACCOUNT]
    assert not rendering.all("Role")


def test_per_namespace_it_may_do_the_same_there_and_nothing_elsewhere(helm: Helm) -> None:
    rendering = helm.render({"watchNamespaces": ["shop", "blog"]})

    assert [role["metadata"]["namespace"] for role in rendering.all("Role")] == ["shop", "blog"]
    assert all(set(grants(role)) == NEEDED for role in rendering.all("Role"))
    assert [binding["metadata"]["namespace"] for binding in rendering.all("RoleBinding")] == ["shop", "blog"]
    assert all(
        binding["subjects"] == [ACCOUNT] and binding["roleRef"]["kind"] == "Role"
        for binding in rendering.all("RoleBinding")
    )
    assert not rendering.all("ClusterRoleBinding")
    assert all(
        "-view" in role["metadata"]["name"] or "-edit" in role["metadata"]["name"]
        for role in rendering.all("ClusterRole")
    )


@pytest.mark.parametrize("values", [{}, {"watchNamespaces": ["shop"]}], ids=["cluster-wide", "per namespace"])
def test_nobody_gets_a_verb_on_secrets_or_everything(helm: Helm, values: Values) -> None:
    given = [grant for role in roles(helm.render(values)) for grant in grants(role)]

    assert given
    assert not [grant for grant in given if grant[2].startswith("secrets") or "*" in grant]


def test_the_clusters_roles_learn_about_imagebuilds_but_none_writes_a_status(rendering: Rendering) -> None:
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    seen = {
        role["metadata"]["name"].removeprefix("builds-imagebuild-operator-"): (
            {label.removeprefix(prefix) for label in role["metadata"]["labels"] if label.startswith(prefix)},
            set(grants(role)),
        )
        for role in rendering.all("ClusterRole")
        if role["metadata"]["name"] != "builds-imagebuild-operator"
    }
    reading = {(verb, "imagebuild.dev", "imagebuilds") for verb in ("get", "list", "watch")}
    reading |= {("get", "imagebuild.dev", "imagebuilds/status")}
    writing = {
        (verb, "imagebuild.dev", "imagebuilds") for verb in ("create", "update", "patch", "delete", "deletecollection")
    }

    assert seen == {
        "view": ({"view", "edit", "admin"}, reading),
        "edit": ({"edit", "admin"}, reading | writing),
    }


def test_roles_can_be_left_to_others(helm: Helm) -> None:
    rendering = helm.render({"rbac": {"create": False, "aggregateRoles": False}})

    assert not [kind for kind in rendering.kinds() if "Role" in kind]


def test_the_account_can_be_one_that_exists(helm: Helm) -> None:
    rendering = helm.render({"serviceAccount": {"create": False, "name": "mine"}})

    assert not rendering.all("ServiceAccount")
    assert rendering.pod["serviceAccountName"] == "mine"
    assert rendering.one("ClusterRoleBinding")["subjects"][0]["name"] == "mine"


def test_only_the_operators_pod_asks_for_the_token(rendering: Rendering) -> None:
    assert rendering.one("ServiceAccount")["automountServiceAccountToken"] is False
    assert rendering.pod["automountServiceAccountToken"] is True
