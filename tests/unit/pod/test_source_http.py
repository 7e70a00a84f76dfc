"""An archive on a web server as source: what the Pod gets, and what its init container is told."""

import json

from imagebuild_operator.pod.plan import VARIABLE, Plan
from imagebuild_operator.pod.source_plans import HttpPlan
from tests.unit.pod.specs import (
    Json,
    build_container,
    expanded,
    mounts,
    pod_of,
    prepare_container,
    spec_of,
    variables,
    volumes,
)

URL = "https://files.example.com/$(HOME)/web.tgz?signature=$$x"
CHECKSUM = "0123456789abcdef" * 4
WITH_LOGIN: Json = {"http": {"url": URL, "sha256": CHECKSUM, "secretRef": {"name": "files-login"}}}


def plan_of(pod: Json) -> HttpPlan:
    known = variables(prepare_container(pod))
    plan = Plan.model_validate_json(expanded(known.pop(VARIABLE), known)).source
    assert isinstance(plan, HttpPlan)
    return plan


def test_an_archive_is_fetched_by_the_init_container() -> None:
    pod = pod_of(spec_of({"http": {"url": URL}}))
    plan = plan_of(pod)
    assert (plan.url, plan.sha256, plan.login) == (URL, None, None)
    assert volumes(pod)["context"] == {"name": "context", "emptyDir": {}}
    assert "readOnly" not in mounts(prepare_container(pod))["/kaniko/ctx"]
    assert mounts(build_container(pod))["/kaniko/ctx"]["readOnly"] is True
    assert "--context=dir:///kaniko/ctx" in build_container(pod)["args"]


def test_the_checksum_is_part_of_the_plan() -> None:
    assert plan_of(pod_of(spec_of(WITH_LOGIN))).sha256 == CHECKSUM


def test_a_plan_is_called_by_its_address_without_what_may_be_a_signature() -> None:
    assert plan_of(pod_of(spec_of({"http": {"url": URL}}))).address == "https://files.example.com/$(HOME)/web.tgz"


def test_the_login_reaches_the_init_container_only() -> None:
    pod = pod_of(spec_of(WITH_LOGIN))
    login = plan_of(pod).login
    assert login is not None
    assert login.secret == "files-login"
    mounted = mounts(prepare_container(pod))[str(login.folder)]
    assert (mounted["name"], mounted["readOnly"]) == ("http-login", True)
    # Every key: a token needs another one than username and password.
    assert volumes(pod)["http-login"]["secret"] == {"secretName": "files-login", "defaultMode": 0o400}
    assert "http-login" not in json.dumps(build_container(pod))


def test_the_folder_inside_the_archive_is_the_context_and_checked() -> None:
    pod = pod_of(spec_of({"http": {"url": URL}, "subPath": "web-1.4.2"}))
    known = variables(prepare_container(pod))
    assert Plan.model_validate_json(expanded(known.pop(VARIABLE), known)).sub_path == "web-1.4.2"
    assert "--context=dir:///kaniko/ctx/web-1.4.2" in build_container(pod)["args"]
