"""The table of causes as a whole: its rows are alike, the page is made from it, and tests produce what it lists."""

import re
from typing import Any

import pytest

from imagebuild_operator.api.names import Reason
from imagebuild_operator.core.causes import dockerfile, steps
from imagebuild_operator.core.causes.cause import Cause, Told, again
from imagebuild_operator.core.causes.told import OBSTACLES, REFUSALS, TOLD, advice, last_advice
from imagebuild_operator.core.conditions import SHORT_BYTES
from imagebuild_operator.core.outcome import HINT_BYTES, MESSAGE_ROOM
from imagebuild_operator.pod.support import objection
from tests.causes import NAMES, PAGE, ROWS, UNKNOWN, page, produced
from tests.unit.core.texts import begins
from tests.unit.pod.specs import settings_of, spec_of

PRODUCED = produced()
# A hint begins with what to do.
VERBS = (
    "Add|Ask|Begin|Bring|Build|Check|Compare|Copy|Correct|Create|Delete|Find|Free|Give|Have|Install|"
    "Label|Leave|Let|Log|Look|Lower|Make|Mend|Name|Push|Put|Raise|Read|Remove|Set|Take|Write"
)


def test_there_are_forty_causes_at_least_and_no_two_of_a_name() -> None:
    assert len(set(NAMES)) == len(NAMES) >= 40


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_a_row_is_named_by_words_and_says_what_to_do(row: Cause | Told) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", row.doc.name)
    assert row.doc.sign
    assert row.doc.says
    assert re.match(rf"(?:{VERBS}) ", row.doc.hint), row.doc.hint
    assert row.doc.hint.endswith(".")
    assert len(f"{row.doc.hint}{again(row, inline=False)}".encode()) <= HINT_BYTES


def test_the_page_is_made_from_the_table() -> None:
    assert PAGE.read_text() == page(), "run `make generate`"


@pytest.mark.parametrize("name", NAMES)
def test_a_test_produces_each_cause(name: str) -> None:
    assert PRODUCED.get(name), f"no test is marked with cause({name!r})"


def test_no_test_names_a_cause_that_is_not() -> None:
    assert set(PRODUCED) <= set(NAMES)


def test_whatever_may_be_wrong_in_files_says_how_changed_ones_are_built() -> None:
    of_files = {row.doc.name for row in (*dockerfile.INSTRUCTIONS, *dockerfile.FILES, *steps.STEPS)}
    others = {"image-of-other-platform", "image-is-no-manifest", "executor-crash", "no-output"}
    assert {row.doc.name for row in ROWS if row.by_files} == of_files - {"add-url-untrusted"} | others


@pytest.mark.parametrize("row", [row for row in ROWS if row.by_files], ids=lambda row: row.doc.name)
def test_what_builds_changed_files_is_told_once_and_only_where_the_spec_does_not_hold_them(row: Cause | Told) -> None:
    assert "requestedAt" not in row.doc.hint
    assert "requestedAt" in again(row, inline=False)
    assert again(row, inline=True) == ""


def test_the_operator_does_not_know_the_words_of_an_unknown_failure_alone() -> None:
    """The metric counts them by their reason."""
    assert [row.doc.name for row in ROWS if row.reason is Reason.BUILD_FAILED] == [UNKNOWN]


def test_only_what_is_mended_outside_of_the_spec_has_to_be_asked_for() -> None:
    again = "then set the annotation imagebuild.dev/requestedAt."
    assert last_advice(OBSTACLES, 'secret "login" not found').endswith(f"namespace of the build; {again}")
    assert last_advice(OBSTACLES, "The image of container build cannot be pulled").endswith("the operator's own image.")
    assert last_advice(OBSTACLES, "something new") == f"Create or correct what the message names, {again}"


@pytest.mark.parametrize(
    ("members", "name"),
    [
        ({"secrets": [{"id": "npm", "secretKeyRef": {"name": "npm", "key": "token"}}]}, "field-unsupported"),
        ({"executor": {"extraArgs": ["--use-new-run"]}}, "argument-not-allowed"),
    ],
)
def test_what_is_told_before_there_is_a_pod_is_what_the_page_says(members: dict[str, Any], name: str) -> None:
    [row] = [row for row in TOLD if row.doc.name == name]
    executor = {"image": "r.example.com/kaniko:v1.25.16", "variant": "chainguard", **members.get("executor", {})}
    found = objection(spec_of(**{**members, "executor": executor}), settings_of())
    assert found is not None
    assert found.reason is row.reason
    assert begins(found.message, row.doc.says)
    assert begins(found.hint, row.doc.hint)


def fits_into_ready(hint: str) -> bool:
    """Some tools show that condition alone; the message has its least room beside the hint."""
    return len(f"Run 1 failed:  {hint}") + MESSAGE_ROOM <= SHORT_BYTES


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (
            'pods "web-1" is forbidden: exceeded quota: team, requested: limits.memory=1Gi, used: limits.memory=1Gi',
            "Free room in ResourceQuota team, have it raised",
        ),
        ("failed quota: team: must specify requests.cpu for: build", "Set requests.cpu in spec.resources"),
        (
            'pods "web-1" is forbidden: maximum memory usage per Container is 64Mi, but limit is 1Gi',
            "Bring memory in spec.resources within 64Mi",
        ),
        ('violates PodSecurity "restricted:latest": runAsNonRoot != true', "Label the namespace"),
        (
            'error looking up service account shop/robot: serviceaccount "robot" not found',
            "Create ServiceAccount robot,",
        ),
        ('admission webhook "validate.example.com" denied the request: no', "Have validate.example.com let"),
        ("ValidatingAdmissionPolicy 'no-root' with binding 'all' denied request: no", "Have no-root let"),
        ("the namespace is being terminated", ""),
    ],
)
def test_what_to_do_about_a_pod_that_the_api_server_refuses(words: str, hint: str) -> None:
    found = advice(REFUSALS, words)
    assert found.startswith(hint)
    assert bool(found) == bool(hint)
    assert fits_into_ready(last_advice(REFUSALS, words))


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("The image of container build cannot be pulled: not found", "Correct spec.executor.image"),
        ("No node can take the Pod: 0/1 nodes are available: 1 Insufficient memory.", "Lower spec.resources.requests"),
        ('The Pod cannot start: MountVolume.SetUp failed: secret "login" not found', "Create the secret login in"),
        ('No node can take the Pod: persistentvolumeclaim "src" not found', "Create PersistentVolumeClaim src,"),
        ("couldn't find key late in Secret shop/tokens", "Add the key late to it"),
        ("The Pod cannot start: ConfigMap ca has no key late.crt. MountVolume", "Add the key late.crt to it"),
        ("The Pod cannot start: something new", ""),
    ],
)
def test_what_to_do_about_a_pod_that_does_not_start(words: str, hint: str) -> None:
    found = advice(OBSTACLES, words)
    assert found.startswith(hint)
    assert bool(found) == bool(hint)
    assert fits_into_ready(last_advice(OBSTACLES, words))
