"""The variables in the tags of the output."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebuild_operator.api.tags import TAG_VARIABLES
from imagebuild_operator.api.v1alpha1 import ImageBuildSpec
from imagebuild_operator.core.inputs import inputs_hash, spec_hash
from imagebuild_operator.core.pods import PodView
from imagebuild_operator.pod.spec_error import SpecError
from imagebuild_operator.pod.tags import revision_slug, variables, with_tags
from tests.unit.pod.specs import INLINE, Json, pod_of, spec_of

COMMIT = "0123456789ABCDEF0123456789abcdef01234567"
REPOSITORY = "registry.example.com:5000/shop/web"


def git(revision: str | None) -> Json:
    return {"git": {"url": "https://git.example.com/a.git", **({"revision": revision} if revision else {})}}


def spec(source: Json, *images: str) -> ImageBuildSpec:
    return spec_of(source, output={"images": list(images)})


def expanded(source: Json, *images: str) -> list[str]:
    return with_tags(spec(source, *images), generation=12, run=7).output.images


# GitLab documentation, "Predefined CI/CD variables": CI_COMMIT_REF_SLUG.
@pytest.mark.parametrize(
    ("revision", "slug"),
    [
        ("main", "main"),
        ("feature/Shop-12_new.cart", "feature-shop-12-new-cart"),
        ("v1.4.2", "v1-4-2"),
        ("refs/heads/feature/next", "feature-next"),
        ("refs/tags/v2", "v2"),
        ("refs/pull/7/head", "refs-pull-7-head"),
        ("--Übung!--", "bung"),
        ("a" * 62 + "/b", "a" * 62),
        ("a" * 80, "a" * 63),
        ("-" * 70 + "a", ""),
        ("ß", ""),
        ("", ""),
    ],
)
def test_the_slug_of_a_revision(revision: str, slug: str) -> None:
    assert revision_slug(revision) == slug


@given(st.text())
def test_a_slug_is_a_part_of_a_tag_or_nothing(revision: str) -> None:
    assert re.fullmatch(r"|[a-z0-9]|[a-z0-9][a-z0-9-]{0,61}[a-z0-9]", revision_slug(revision))


@pytest.mark.parametrize(
    ("source", "tag", "result"),
    [
        (INLINE, "$(run)", "7"),
        (INLINE, "build-$(generation).$(run)", "build-12.7"),
        (git(COMMIT), "$(commit)", COMMIT.lower()),
        (git(COMMIT), "v1-$(shortCommit)", "v1-01234567"),
        (git("a" * 64), "$(commit)", "a" * 64),
        (git("feature/Next"), "$(revisionSlug)-$(run)", "feature-next-7"),
        (git(None), "$(run)$(run)", "77"),
        (INLINE, "1.4.2", "1.4.2"),
    ],
)
def test_variables_are_filled_in(source: Json, tag: str, result: str) -> None:
    assert expanded(source, f"{REPOSITORY}:{tag}") == [f"{REPOSITORY}:{result}"]


def test_a_reference_without_a_tag_stays_as_it_is() -> None:
    assert expanded(INLINE, REPOSITORY, "acme/web") == [REPOSITORY, "acme/web"]


@pytest.mark.parametrize("source", [INLINE, git(None), git("main"), git("01234567")])
@pytest.mark.parametrize("variable", ["commit", "shortCommit"])
def test_what_is_no_full_commit_has_no_commit(source: Json, variable: str) -> None:
    with pytest.raises(SpecError, match=rf"spec\.output\.images: \$\({variable}\) .* has no value"):
        expanded(source, f"{REPOSITORY}:$({variable})")


def test_a_revision_without_letters_and_digits_has_no_slug() -> None:
    with pytest.raises(SpecError, match="revisionSlug"):
        expanded(git("---"), f"{REPOSITORY}:$(revisionSlug)")


def test_a_reference_that_becomes_longer_than_the_status_can_tell_is_refused() -> None:
    folders = "/".join(["a" * 59] * 8)
    with pytest.raises(SpecError, match="becomes longer than 512 characters"):
        expanded(git("c" * 40), f"registry.example.com/{folders}:$(commit)")


def test_a_tag_that_becomes_too_long_is_told() -> None:
    with pytest.raises(SpecError, match="whose tag is not one"):
        expanded(git("a" * 63), f"{REPOSITORY}:$(revisionSlug)$(revisionSlug)$(revisionSlug)")


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ([":$(run)", ":7"], ":7"),
        ([":$(revisionSlug)", ":main"], ":main"),
        ([":$(revisionSlug)", ""], None),
        ([":$(run)", ":$(generation)"], None),
    ],
)
def test_two_references_that_become_the_same_are_refused(images: list[str], said: str | None) -> None:
    templates = [f"{REPOSITORY}{image}" for image in images]
    if said is None:
        assert len(expanded(git("main"), *templates)) == 2
        return
    with pytest.raises(SpecError, match="both become") as caught:
        expanded(git("main"), *templates)
    assert f"{templates[0]} and {templates[1]} both become {REPOSITORY}{said}" in str(caught.value)


def test_a_slug_that_is_latest_meets_the_reference_without_a_tag() -> None:
    with pytest.raises(SpecError, match="both become"):
        expanded(git("latest"), f"{REPOSITORY}:$(revisionSlug)", REPOSITORY)


def test_every_variable_of_the_schema_is_known_and_no_longer_than_it_says() -> None:
    known = variables(spec(git("f" * 64), REPOSITORY), generation=2**31, run=2**31)
    assert known.keys() == TAG_VARIABLES.keys()
    assert all(len(value) <= TAG_VARIABLES[name] for name, value in known.items())


def test_the_pod_carries_what_is_pushed_and_the_hashes_the_template() -> None:
    template = f"{REPOSITORY}:$(revisionSlug)-$(run)"
    stored = spec(git("main"), template)
    pods = [pod_of(stored, run=run) for run in (7, 8)]
    assert [PodView.parse(pod).destinations for pod in pods] == [(f"{REPOSITORY}:main-7",), (f"{REPOSITORY}:main-8",)]
    assert stored.output.images == [template]
    raw = stored.model_dump(by_alias=True, exclude_none=True)
    assert inputs_hash(raw) != inputs_hash({**raw, "output": {"images": [f"{REPOSITORY}:main-7"]}})
    assert (inputs_hash(raw), spec_hash(raw)) == (inputs_hash(dict(raw)), spec_hash(dict(raw)))
