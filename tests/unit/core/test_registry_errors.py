"""What kaniko really said when a registry failed it: each line is the end of the log of a real failing build.

A proxy in front of a registry gave the answers; only digests are shortened.
"""

import pytest

from imagebuild_operator.api.names import Reason
from imagebuild_operator.core.failures import Evidence, explain
from imagebuild_operator.core.registry_errors import rate_limited, refusal, refused, unavailable
from tests.unit.core.pod_documents import pod, terminated

RATE_LIMITED = """
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15009/lines/l-429-plain-at-push-check:1": POST https://registry.imb.test:15009/v2/lines/l-429-plain-at-push-check/blobs/uploads/: unexpected status code 429 Too Many Requests: oops
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15009/lines/l-429-toomanyrequests-json-at-push-check:1": POST https://registry.imb.test:15009/v2/lines/l-429-toomanyrequests-json-at-push-check/blobs/uploads/: TOOMANYREQUESTS: You have reached your pull rate limit.
error pushing image: failed to push to destination registry.imb.test:15009/lines/l-429-plain-at-push-manifest-put:1: PUT https://registry.imb.test:15009/v2/lines/l-429-plain-at-push-manifest-put/manifests/1: unexpected status code 429 Too Many Requests: oops
error pushing image: failed to push to destination registry.imb.test:15009/lines/l-429-toomanyrequests-json-at-push-manifest-put:1: PUT https://registry.imb.test:15009/v2/lines/l-429-toomanyrequests-json-at-push-manifest-put/manifests/1: TOOMANYREQUESTS: You have reached your pull rate limit.
error pushing image: failed to push to destination registry.imb.test:15009/lines/l-429-plain-at-push-blob:1: PATCH https://registry.imb.test:15009/v2/lines/l-429-plain-at-push-blob/blobs/uploads/f0f5cb19-0de3-4539-b2a8-b80328b37936?_state=REDACTED: unexpected status code 429 Too Many Requests: oops
error building image: unable to complete operation after 1 attempts, last error: GET https://registry.imb.test:15009/v2/busybox/manifests/latest: unexpected status code 429 Too Many Requests: oops
error building image: unable to complete operation after 1 attempts, last error: GET https://registry.imb.test:15009/v2/busybox/manifests/latest: TOOMANYREQUESTS: You have reached your pull rate limit.
error building image: GET https://registry.imb.test:15009/v2/busybox/blobs/sha256:14c53b: unexpected status code 429 Too Many Requests: oops
error building image: GET https://registry.imb.test:15009/v2/busybox/blobs/sha256:14c53b: TOOMANYREQUESTS: You have reached your pull rate limit.
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15009/lines/l-429-at-the-version-check-all:1": creating push check transport for registry.imb.test:15009 failed: GET https://registry.imb.test:15009/v2/: unexpected status code 429 Too Many Requests
"""  # noqa: E501

UNAVAILABLE = """
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15009/lines/l-500-plain-at-push-check:1": POST https://registry.imb.test:15009/v2/lines/l-500-plain-at-push-check/blobs/uploads/: unexpected status code 500 Internal Server Error: oops
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15009/lines/l-502-plain-at-push-check:1": POST https://registry.imb.test:15009/v2/lines/l-502-plain-at-push-check/blobs/uploads/: unexpected status code 502 Bad Gateway: oops
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15009/lines/l-503-plain-at-push-check:1": POST https://registry.imb.test:15009/v2/lines/l-503-plain-at-push-check/blobs/uploads/: unexpected status code 503 Service Unavailable: oops
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15009/lines/l-504-plain-at-push-check:1": POST https://registry.imb.test:15009/v2/lines/l-504-plain-at-push-check/blobs/uploads/: unexpected status code 504 Gateway Timeout: oops
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15009/lines/l-507-plain-at-push-check:1": POST https://registry.imb.test:15009/v2/lines/l-507-plain-at-push-check/blobs/uploads/: unexpected status code 507 Insufficient Storage: full
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15009/lines/l-500-html-at-push-check:1": POST https://registry.imb.test:15009/v2/lines/l-500-html-at-push-check/blobs/uploads/: unexpected status code 502 Bad Gateway: <html>
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15009/lines/l-503-unavailable-json-at-push-check:1": POST https://registry.imb.test:15009/v2/lines/l-503-unavailable-json-at-push-check/blobs/uploads/: UNAVAILABLE: service unavailable
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15009/lines/l-500-unknown-json-at-push-check:1": POST https://registry.imb.test:15009/v2/lines/l-500-unknown-json-at-push-check/blobs/uploads/: UNKNOWN: unknown error
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15009/lines/l-reset-at-push-check:1": Post "https://registry.imb.test:15009/v2/lines/l-reset-at-push-check/blobs/uploads/": read tcp 10.244.0.11:60758->10.244.0.1:15009: read: connection reset by peer
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15009/lines/l-closed-at-push-check:1": Post "https://registry.imb.test:15009/v2/lines/l-closed-at-push-check/blobs/uploads/": EOF
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15009/lines/l-connection-refused-at-push-check:1": creating push check transport for registry.imb.test:15009 failed: Get "https://registry.imb.test:15009/v2/": dial tcp 10.244.0.1:15009: connect: connection refused
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15999/app/a:1": creating push check transport for registry.imb.test:15999 failed: Get "https://registry.imb.test:15999/v2/": dial tcp 10.244.0.1:15999: i/o timeout
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15999/app/a:1": creating push check transport for registry.imb.test:15999 failed: Get "https://registry.imb.test:15999/v2/": net/http: TLS handshake timeout
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15009/lines/l-500-at-the-version-check-all:1": creating push check transport for registry.imb.test:15009 failed: GET https://registry.imb.test:15009/v2/: unexpected status code 500 Internal Server Error
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15009/lines/l-reset-at-everything:1": creating push check transport for registry.imb.test:15009 failed: Get "https://registry.imb.test:15009/v2/": read tcp 10.244.0.55:38404->10.244.0.1:15009: read: connection reset by peer
error pushing image: failed to push to destination registry.imb.test:15009/lines/l-500-plain-at-push-manifest-put:1: PUT https://registry.imb.test:15009/v2/lines/l-500-plain-at-push-manifest-put/manifests/1: unexpected status code 500 Internal Server Error: oops
error pushing image: failed to push to destination registry.imb.test:15009/lines/l-503-unavailable-json-at-push-manifest-put:1: PUT https://registry.imb.test:15009/v2/lines/l-503-unavailable-json-at-push-manifest-put/manifests/1: UNAVAILABLE: service unavailable
error pushing image: failed to push to destination registry.imb.test:15009/lines/l-500-unknown-json-at-push-manifest-put:1: PUT https://registry.imb.test:15009/v2/lines/l-500-unknown-json-at-push-manifest-put/manifests/1: UNKNOWN: unknown error
error pushing image: failed to push to destination registry.imb.test:15009/lines/l-reset-at-push-manifest-put:1: Put "https://registry.imb.test:15009/v2/lines/l-reset-at-push-manifest-put/manifests/1": read tcp 10.244.0.21:58272->10.244.0.1:15009: read: connection reset by peer
error pushing image: failed to push to destination registry.imb.test:15009/lines/l-closed-at-push-manifest-put:1: Put "https://registry.imb.test:15009/v2/lines/l-closed-at-push-manifest-put/manifests/1": EOF
error pushing image: failed to push to destination registry.imb.test:15009/lines/l-502-plain-at-push-blob:1: PATCH https://registry.imb.test:15009/v2/lines/l-502-plain-at-push-blob/blobs/uploads/42c6acc3-356c-486f-b8e6-155e96d0b4a1?_state=REDACTED: unexpected status code 502 Bad Gateway: oops
error pushing image: failed to push to destination registry.imb.test:15009/lines/l-500-unknown-json-at-push-blob:1: PATCH https://registry.imb.test:15009/v2/lines/l-500-unknown-json-at-push-blob/blobs/uploads/06ed467d-7e52-4223-8609-9145b17cad99?_state=REDACTED: UNKNOWN: unknown error
error pushing image: failed to push to destination registry.imb.test:15009/lines/l-500-at-head-of-blobs-and-manifests-in-push:1: HEAD https://registry.imb.test:15009/v2/lines/l-500-at-head-of-blobs-and-manifests-in-push/manifests/1: unexpected status code 500 Internal Server Error (HEAD responses have no body, use GET for details)
error building image: unable to complete operation after 1 attempts, last error: GET https://registry.imb.test:15009/v2/busybox/manifests/latest: unexpected status code 500 Internal Server Error
error building image: unable to complete operation after 1 attempts, last error: Get "https://registry.imb.test:15009/v2/busybox/manifests/latest": read tcp 10.244.0.41:37698->10.244.0.1:15009: read: connection reset by peer
error building image: unable to complete operation after 1 attempts, last error: Get "https://registry.imb.test:15009/v2/busybox/manifests/latest": EOF
error building image: unable to complete operation after 1 attempts, last error: Get "https://registry.imb.test:15009/v2/": dial tcp 10.244.0.1:15009: connect: connection refused
error building image: unable to complete operation after 1 attempts, last error: Get "https://registry.imb.test:15999/v2/": dial tcp 10.244.0.1:15999: i/o timeout
error building image: unable to complete operation after 1 attempts, last error: GET https://registry.imb.test:15009/v2/: unexpected status code 500 Internal Server Error
error building image: GET https://registry.imb.test:15009/v2/busybox/blobs/sha256:14c53b: unexpected status code 504 Gateway Timeout
error building image: Get "https://registry.imb.test:15009/v2/busybox/blobs/sha256:14c53b": read tcp 10.244.0.51:49624->10.244.0.1:15009: read: connection reset by peer
error building image: Get "https://registry.imb.test:15009/v2/busybox/blobs/sha256:14c53b": EOF
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15009/lines/l-408-plain-at-push-check:1": POST https://registry.imb.test:15009/v2/lines/l-408-plain-at-push-check/blobs/uploads/: unexpected status code 408 Request Timeout
error building image: unexpected EOF
error building image: error building stage: failed to get filesystem from image: error reading tar 0: unexpected EOF
"""  # noqa: E501

# The same of connections that break in ways the proxy cannot make: in the words of Go's net/http and of its HTTP/2.
BROKEN = """
error building image: error building stage: failed to get filesystem from image: read tcp 10.0.0.1:5->10.0.0.2:443: read: connection reset by peer
error building image: error building stage: failed to get filesystem from image: read tcp 10.0.0.1:5->10.0.0.2:443: read: connection timed out
error building image: error building stage: failed to get filesystem from image: stream error: stream ID 1; INTERNAL_ERROR; received from peer
error building image: stream error: stream ID 3; NO_ERROR; received from peer
error building image: error building stage: failed to execute command: extracting fs from image: stream error: stream ID 7; INTERNAL_ERROR; received from peer
error pushing image: failed to push to destination registry.example.com/app/a:1: Patch "https://registry.example.com/v2/app/a/blobs/uploads/1": stream error: stream ID 5; INTERNAL_ERROR
error pushing image: failed to push to destination registry.example.com/app/a:1: Put "https://registry.example.com/v2/app/a/manifests/1": http2: client connection lost
error pushing image: failed to push to destination registry.example.com/app/a:1: Put "https://registry.example.com/v2/app/a/manifests/1": write tcp 10.0.0.1:5->10.0.0.2:443: use of closed network connection
error pushing image: failed to push to destination registry.example.com/app/a:1: Put "https://registry.example.com/v2/app/a/manifests/1": net/http: timeout awaiting response headers
error pushing image: failed to push to destination registry.example.com/app/a:1: PATCH https://registry.example.com/v2/app/a/blobs/uploads/1: unexpected status code 408 Request Timeout
"""  # noqa: E501

# A login, or a right, that the registry wants; the last two are Docker Hub's.
REFUSED = """
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15009/lines/l-401-at-push-check:1": POST https://registry.imb.test:15009/v2/lines/l-401-at-push-check/blobs/uploads/: UNAUTHORIZED: authentication required
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15009/lines/l-403-at-push-check:1": POST https://registry.imb.test:15009/v2/lines/l-403-at-push-check/blobs/uploads/: DENIED: requested access to the resource is denied
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15000/team/a:1": creating push check transport for registry.imb.test:15000 failed: GET https://registry.imb.test:15000/v2/: unexpected status code 401 Unauthorized
error pushing image: failed to push to destination registry.example.com/app/a:1: HEAD https://registry.example.com/v2/app/a/manifests/1: unexpected status code 401 Unauthorized (HEAD responses have no body, use GET for details)
error pushing image: failed to push to destination registry.example.com/app/a:1: PUT https://registry.example.com/v2/app/a/manifests/1: DENIED: requested access to the resource is denied
error pushing image: failed to push to destination registry.example.com/app/a:1: PUT https://registry.example.com/v2/app/a/manifests/1: unexpected status code 403 Forbidden
error building image: unable to complete operation after 1 attempts, last error: GET https://index.docker.io/v2/library/nothing-here/manifests/latest: UNAUTHORIZED: authentication required; [map[Action:pull Class: Name:library/nothing-here Type:repository]]
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "shop/web:1": creating push check transport for index.docker.io failed: GET https://auth.docker.io/token?scope=repository%3Ashop%2Fweb%3Apush%2Cpull&service=registry.docker.io: unexpected status code 401 Unauthorized: {"details":"incorrect username or password"}
"""  # noqa: E501

# A name, a quota, or what a registry sent: trying the same again, or with another login, would not help.
OTHER = """
error building image: unable to complete operation after 1 attempts, last error: GET https://registry.imb.test:15009/v2/nothing-here/manifests/latest: MANIFEST_UNKNOWN: manifest unknown; map[Tag:latest]
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "nowhere.imb.test:5000/app/a:1": creating push check transport for nowhere.imb.test:5000 failed: Get "https://nowhere.imb.test:5000/v2/": dial tcp: lookup nowhere.imb.test on 10.244.0.1:53: no such host
error building image: unable to complete operation after 1 attempts, last error: Get "https://nowhere.imb.test:5000/v2/": dial tcp: lookup nowhere.imb.test on 10.244.0.1:53: no such host
error building image: GET https://registry.imb.test:15009/v2/busybox/blobs/sha256:14c53b: Content-Length header 100000 does not match expected size 419
error pushing image: failed to push to destination harbor.example.com/app/a:1: PUT https://harbor.example.com/v2/app/a/manifests/1: DENIED: adding 3 MiB of storage resource, which when updated to current usage of 9 MiB will exceed the configured upper limit of 10 MiB.
error pushing image: failed to push to destination r.example.com/app/a:1: PUT https://r.example.com/v2/app/a/manifests/1: DENIED: the tag is immutable
"""  # noqa: E501

# A step may talk to registries too, and say so in the executor's own words.
STEPS = """
error building image: error building stage: failed to execute command: waiting for process to exit: exit status 1
error building image: error building stage: failed to execute command: Get "https://files.example.com/a.tar.gz": dial tcp 192.0.2.7:443: connect: connection refused
error building image: error building stage: failed to execute command: GET https://files.example.com/a.tar.gz: unexpected status code 503 Service Unavailable
error building image: error building stage: failed to execute command: Get "https://files.example.com/a.tar.gz": unexpected EOF
error: failed to solve: GET https://registry.example.com/v2/a/manifests/1: unexpected status code 500 Internal Server Error
npm error GET https://registry.example.com/left-pad: unexpected status code 502 Bad Gateway
Error: error pushing image: PUT https://registry.example.com/v2/a/manifests/1: TOOMANYREQUESTS: slow down
an error building image: GET https://registry.example.com/v2/a/manifests/1: TOOMANYREQUESTS: slow down
error building images: GET https://registry.example.com/v2/a/manifests/1: unexpected status code 500 Internal Server Error
connection refused
EOF
"""  # noqa: E501


def lines(block: str) -> list[str]:
    return block.strip().splitlines()


@pytest.mark.parametrize("line", lines(RATE_LIMITED))
def test_a_registry_that_allows_no_more_requests(line: str) -> None:
    assert rate_limited(line)
    assert not unavailable(line)
    assert not refused(line)


@pytest.mark.parametrize("line", [*lines(UNAVAILABLE), *lines(BROKEN)])
def test_a_registry_that_fails_or_does_not_answer(line: str) -> None:
    assert unavailable(line)
    assert not rate_limited(line)
    assert not refused(line)


@pytest.mark.parametrize("line", lines(REFUSED))
def test_a_registry_that_wants_another_login(line: str) -> None:
    assert refused(line)
    assert not rate_limited(line)
    assert not unavailable(line)


@pytest.mark.parametrize("line", [*lines(OTHER), *lines(STEPS), ""])
def test_every_other_failure_is_not_the_registrys(line: str) -> None:
    assert not rate_limited(line)
    assert not unavailable(line)
    assert not refused(line)


@pytest.mark.parametrize(
    ("secrets", "named"),
    [
        ([], "refused access without a Secret: error"),
        (["push"], "refused the login of Secret push: error"),
        (["a", "b", "c"], "refused the login of Secret a, b, c: error"),
        (["a", "b", "c", "d", "e"], "refused the login of Secret a, b, c and 2 more: error"),
    ],
)
def test_a_refusal_names_the_secrets_that_were_used(secrets: list[str], named: str) -> None:
    message, hint = refusal(lines(REFUSED)[0], secrets)
    assert named in message
    assert ("spec.registries.secretRefs" in hint) == (not secrets)
    assert "docker.io" not in hint


@pytest.mark.parametrize("line", lines(REFUSED)[-2:])
@pytest.mark.parametrize("secrets", [[], ["push"]])
def test_a_refusal_of_docker_hub_names_the_key_that_its_login_needs(line: str, secrets: list[str]) -> None:
    assert "the key of Docker Hub is https://index.docker.io/v1/" in refusal(line, secrets)[1]


def reason_of(log: str, exit_code: int = 1) -> Reason:
    return explain(Evidence(pod(build=terminated(exit_code)), log))[0]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        *((line, Reason.RATE_LIMITED) for line in lines(RATE_LIMITED)),
        *((line, Reason.REGISTRY_UNAVAILABLE) for line in lines(UNAVAILABLE)),
        *((line, Reason.REGISTRY_AUTH_FAILED) for line in lines(REFUSED)),
        *((line, Reason.BUILD_FAILED) for line in [*lines(OTHER), *lines(STEPS)]),
    ],
)
def test_the_failure_of_a_pod_is_told_by_the_last_words_of_its_log(line: str, reason: Reason) -> None:
    assert reason_of(f'time="2026-11-21T16:42:11Z" level=info msg="Retrieving image manifest a"\n{line}\n') is reason


@pytest.mark.parametrize("quoted", [lines(RATE_LIMITED)[0], lines(UNAVAILABLE)[0]])
def test_what_a_step_printed_before_the_executor_gave_up_does_not_count(quoted: str) -> None:
    assert reason_of(f"{quoted}\n{lines(STEPS)[0]}\n") is Reason.BUILD_FAILED


def test_the_page_that_a_gateway_answered_with_does_not_hide_what_failed() -> None:
    html = next(line for line in lines(UNAVAILABLE) if line.endswith("<html>"))
    page = "<head><title>502 Bad Gateway</title></head>\n<body>\n<center><h1>502 Bad Gateway</h1></center>\n</body>"
    assert reason_of(f"{html}\n{page}\n</html>\n") is Reason.REGISTRY_UNAVAILABLE


@pytest.mark.parametrize("exit_code", [2, 7, 137])
def test_the_executors_own_errors_end_with_exit_code_one(exit_code: int) -> None:
    assert reason_of(lines(UNAVAILABLE)[0], exit_code) is Reason.BUILD_FAILED


def test_the_message_quotes_the_line_and_the_hint_says_what_to_look_at() -> None:
    _, explanation = explain(Evidence(pod(build=terminated(1)), lines(UNAVAILABLE)[0]))
    assert explanation.message.startswith("The registry failed or cannot be reached: error checking push permissions")
    assert "health" in explanation.hint
