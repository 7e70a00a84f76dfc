"""What is refused before there is a Pod: what the executor lacks, and what the platform team has not allowed."""

from typing import Any, get_args

import pytest

from imagebuild_operator.api.names import Reason
from imagebuild_operator.api.v1alpha1 import ImageBuildSpec
from imagebuild_operator.pod import executors, support
from imagebuild_operator.pod.arguments import build_arguments
from imagebuild_operator.pod.executors import Executor
from imagebuild_operator.pod.reserved_flags import FIELD_OF, NEVER_ALLOWED
from imagebuild_operator.pod.settings import Proxy
from imagebuild_operator.pod.support import Objection, flag_of, objection
from tests.unit.pod.specs import EVERY_OPTION, IMAGE, Json, settings_of, spec_of

NEWEST = Executor("osscontainertools", None)
SECRETS: Json = {"secrets": [{"id": "npm", "secretKeyRef": {"name": "npm", "key": "token"}}]}
ANNOTATIONS: Json = {"output": {"images": [IMAGE], "annotations": {"a": "b"}}}
# With no push, which leaves the destination out, and gzip, whose image format the operator does not choose.
EVERYTHING: Json = {
    **EVERY_OPTION,
    "output": {**EVERY_OPTION["output"], "compression": "gzip", "push": False, "pushRetries": 3},
}


def refused(executor: Json | None = None, *, allowed: tuple[str, ...] = (), **members: Any) -> Objection | None:
    spec = spec_of(**members, **({"executor": executor} if executor else {}))
    return objection(spec, settings_of(allowed_arguments=allowed))


def executor(variant: str | None, version: str, **more: Any) -> Json:
    return {"image": f"r.example.com/kaniko:{version}", **({"variant": variant} if variant else {}), **more}


def test_the_newest_of_the_default_executor_can_do_everything() -> None:
    assert refused(**EVERYTHING) is None


@pytest.mark.parametrize(
    ("chosen", "members", "known"),
    [
        (executor("osscontainertools", "v1.26.3"), SECRETS, True),
        (executor("osscontainertools", "v1.26.2"), SECRETS, False),
        (executor("osscontainertools", "latest"), SECRETS, True),
        (executor("chainguard", "v1.25.16"), SECRETS, False),
        (executor("google", "v1.24.0"), SECRETS, False),
        (executor(None, "v1.28.3"), SECRETS, False),
        (executor("osscontainertools", "v1.25.3"), ANNOTATIONS, True),
        (executor("osscontainertools", "v1.25.2"), ANNOTATIONS, False),
        (executor("chainguard", "v1.25.1"), ANNOTATIONS, True),
        (executor("chainguard", "v1.25.0"), ANNOTATIONS, False),
        (executor("google", "v1.24.0"), ANNOTATIONS, False),
        (executor(None, "v1.25.16"), ANNOTATIONS, False),
    ],
)
def test_who_has_what(chosen: Json, members: Json, known: bool) -> None:
    found = refused(chosen, **members)
    assert (found is None) == known
    assert found is None or found.reason is Reason.EXECUTOR_UNSUPPORTED


def test_the_message_names_field_executor_and_who_can() -> None:
    found = refused(executor("chainguard", "v1.25.16"), **SECRETS)
    assert found is not None
    assert found.message == (
        "spec.secrets needs the flag --secret, which the executor r.example.com/kaniko:v1.25.16 (chainguard v1.25.16) "
        "does not have; osscontainertools has it from v1.26.3 on."
    )
    assert found.hint == "Name another executor in spec.executor.image, with its variant, or take spec.secrets out."


def test_an_executor_of_nobody_knows_is_asked_about() -> None:
    found = refused({"image": "r.example.com/kaniko:latest"}, **ANNOTATIONS)
    assert found is not None
    assert "(of unknown variant)" in found.message
    assert "chainguard has it from v1.25.1 on, osscontainertools has it from v1.25.3 on" in found.message
    assert found.hint.startswith("Say in spec.executor.variant whose executor it is")


@pytest.mark.parametrize(
    ("version", "members", "field"),
    [
        ("v1.20.0", {"registries": {"mirrors": [{"registry": "quay.io", "endpoints": ["m"]}]}}, "registries.mirrors"),
        ("v1.9.0", {"output": {"images": [IMAGE], "compression": "zstd"}}, "output.compression"),
        ("v1.13.0", {"output": {"images": [IMAGE], "skipPushCheck": True}}, "output.skipPushCheck"),
        ("v1.8.0", {"output": {"images": [IMAGE], "push": False}, "cache": {}}, "output.push"),
        ("v1.5.0", {"output": {"images": [IMAGE], "pushRetries": 1}}, "output.pushRetries"),
        ("v1.8.0", {"cache": {"runLayers": False}}, "cache.runLayers"),
        ("v0.4.0", {"cache": {"baseImages": {"persistentVolumeClaim": {"claimName": "a"}}}}, "cache.baseImages"),
        ("v0.3.0", {"cache": {}}, "cache"),
        ("v0.7.0", {"registries": {"insecure": ["a:1"]}}, "registries.insecure"),
    ],
)
def test_what_an_older_one_lacks_is_told(version: str, members: Json, field: str) -> None:
    found = refused(executor("google", version), **members)
    assert found is not None
    assert found.message.startswith(f"spec.{field} needs the flag --")


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"buildArgs": [{"name": "A", "value": ""}]},
        {"output": {"images": [IMAGE], "push": True, "skipPushCheck": False, "reproducible": False}},
        {"cache": {"enabled": False, "runLayers": False}},
        {"executor": {"image": "r.example.com/kaniko:v1.0.0", "verbosity": "debug"}},
    ],
)
def test_what_nobody_asked_for_is_no_reason_to_refuse(members: Json) -> None:
    assert objection(spec_of(**members), settings_of(executor_image="r.example.com/kaniko:v1.0.0")) is None


def test_every_flag_that_users_ask_for_is_refused_where_it_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Left out in silence are only those that the operator adds of its own accord."""
    asked = {flag_of(argument) for argument in build_arguments(spec_of(**EVERYTHING), NEWEST, Proxy())}
    table: dict[str, Any] = {flag: {"google": (9, 0, 0)} for flag in asked}
    monkeypatch.setattr(executors, "FLAGS", table)
    monkeypatch.setattr(support, "FLAGS", table)
    told = set()
    while found := refused(executor("google", "v1.24.0"), **EVERYTHING):
        flag = found.message.partition("--")[2].partition(",")[0]
        told.add(flag)
        table[flag] = {"google": (0, 0, 0)}
    assert asked - told == {
        *("build-arg", "compressed-caching", "context", "credential-helpers", "digest-file", "dockerfile"),
        *("ignore-path", "image-download-retry", "log-format", "snapshot-mode", "verbosity"),
        # Together with another one of the same field.
        *("cache-repo", "skip-tls-verify-registry"),
    }


# Further arguments


def test_none_is_allowed_by_default() -> None:
    found = refused({"extraArgs": ["--single-snapshot"]})
    assert found is not None
    assert found.reason is Reason.ARGUMENT_NOT_ALLOWED
    assert found.message == (
        "spec.executor.extraArgs: --single-snapshot is not among the arguments that the platform team allows (none)."
    )


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (["--single-snapshot"], None),
        (["--single-snapshot=false", "--use-new-run"], None),
        (["--use-new-run", "--brand-new"], "--brand-new is not among"),
        (["--single-snapshots"], "--single-snapshots is not among"),
    ],
)
def test_only_what_is_listed_is_taken(extra: list[str], told: str | None) -> None:
    found = refused({"extraArgs": extra}, allowed=("--use-new-run", "--single-snapshot"))
    assert (found.message if found else None) is None if told is None else found is not None and told in found.message
    assert found is None or "(--single-snapshot, --use-new-run)" in found.message


def test_what_can_never_be_allowed_is_not_even_when_it_is_listed() -> None:
    for flag in NEVER_ALLOWED:
        found = refused({"extraArgs": [f"--{flag}"]}, allowed=(f"--{flag}",))
        assert found is not None
        assert found.message.startswith(f"spec.executor.extraArgs: --{flag} can never be allowed: ")
        assert "platform team" not in found.hint


@pytest.mark.parametrize(
    ("argument", "why", "hint"),
    [
        (
            "--destination=a.example.com/x:1",
            "spec.output.images stands for it",
            "Take it out, and set spec.output.images.",
        ),
        ("--log-format=json", "the operator sets it itself", "Take it out."),
        ("--force", "a build could succeed without a push, or break its own Pod", "Take it out."),
    ],
)
def test_what_to_do_in_place_of_an_argument_that_can_never_be_allowed(argument: str, why: str, hint: str) -> None:
    found = refused({"extraArgs": [argument]})
    assert found is not None
    assert (found.message.rpartition(": ")[2], found.hint) == (f"{why}.", hint)


def test_the_fields_that_stand_for_flags_exist() -> None:
    for path in " or ".join(FIELD_OF.values()).split(" or "):
        model: Any = ImageBuildSpec
        for name in path.split(".")[1:]:
            fields = {field.alias or own: field.annotation for own, field in model.model_fields.items()}
            model = next((kind for kind in get_args(fields[name]) if hasattr(kind, "model_fields")), fields[name])


def test_an_argument_that_is_allowed_must_still_be_known() -> None:
    found = refused(executor("google", "v1.24.0", extraArgs=["--image-format=oci"]), allowed=("--image-format",))
    assert found is not None
    assert found.message.startswith("spec.executor.extraArgs needs the flag --image-format")


def test_one_that_no_table_knows_is_the_executors_own_business() -> None:
    assert refused({"extraArgs": ["--brand-new=1"]}, allowed=("--brand-new",)) is None


def test_everything_that_the_operator_says_itself_can_never_be_allowed() -> None:
    """But for --ignore-path, which adds to what is there."""
    said = build_arguments(spec_of(**EVERYTHING), NEWEST, Proxy())
    pushed = build_arguments(spec_of(), NEWEST, Proxy())
    assert {flag_of(argument) for argument in (*said, *pushed)} - NEVER_ALLOWED == {"ignore-path"}
