from typing import Any, cast

from imagebuild_operator.shell.permissions import REQUIRED, missing_permissions
from imagebuild_operator.shell.port import Cluster


class Reviews:
    """Answers access reviews; denies what `denied` holds as (verb, resource, subresource, namespace)."""

    def __init__(self, *denied: tuple[str, str, str, str | None]) -> None:
        self.denied = set(denied)
        self.asked: list[dict[str, Any]] = []

    async def may(self, **question: Any) -> bool:
        self.asked.append(question)
        key = (question["verb"], question["resource"], question["subresource"], question["namespace"])
        return key not in self.denied


async def missing(reviews: Reviews, *namespaces: str) -> list[str]:
    return await missing_permissions(cast("Cluster", reviews), namespaces)


def test_the_list_is_least_privilege() -> None:
    wanted = {(entry.verb, entry.group, entry.target) for entry in REQUIRED}
    assert wanted == {
        ("get", "imagebuild.dev", "imagebuilds"),
        ("list", "imagebuild.dev", "imagebuilds"),
        ("watch", "imagebuild.dev", "imagebuilds"),
        ("delete", "imagebuild.dev", "imagebuilds"),
        ("patch", "imagebuild.dev", "imagebuilds/status"),
        ("get", "", "pods"),
        ("list", "", "pods"),
        ("watch", "", "pods"),
        ("create", "", "pods"),
        ("delete", "", "pods"),
        ("get", "", "pods/log"),
        ("list", "", "events"),
        ("create", "events.k8s.io", "events"),
    }
    assert len(REQUIRED) == len(wanted)


async def test_nothing_is_missing_when_all_is_allowed() -> None:
    reviews = Reviews()
    assert await missing(reviews) == []
    assert {question["namespace"] for question in reviews.asked} == {None}
    assert len(reviews.asked) == len(REQUIRED)


async def test_each_missing_one_is_told_with_its_place_and_its_remedy() -> None:
    reviews = Reviews(("patch", "imagebuilds", "status", "shop"), ("get", "pods", "log", "lab"))
    first, second = await missing(reviews, "shop", "lab")
    assert first == (
        'the operator may not patch "imagebuilds/status" (API group "imagebuild.dev") in namespace "shop": bind the '
        "chart's Role to the operator's ServiceAccount there (the chart does it with the value rbac.create=true for "
        "each of watchNamespaces)"
    )
    assert 'get "pods/log" (the core API group) in namespace "lab"' in second


async def test_a_cluster_wide_operator_needs_a_cluster_wide_binding() -> None:
    [sentence] = await missing(Reviews(("watch", "pods", "", None)))
    assert 'watch "pods" (the core API group) in all namespaces' in sentence
    assert "bind the chart's ClusterRole" in sentence
    assert "rbac.create=true" in sentence
