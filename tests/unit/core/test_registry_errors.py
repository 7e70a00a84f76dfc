"""What kaniko really said when a registry failed it: each line is the end of the log of a real failing build.

A proxy in front of a registry, or a server on loopback, gave the answers; only digests are shortened.
"""

import pytest

from imagebuild_operator.api.names import Reason
from imagebuild_operator.core.failures import Evidence, explain, find
from imagebuild_operator.core.registry_errors import (
    behind_proxy,
    no_image,
    no_registry,
    no_repository,
    no_such_host,
    rate_limited,
    refused,
    unavailable,
    untrusted,
    without_tls,
)
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
error building image: unable to complete operation after 1 attempts, last error: Get "https://registry.example.com/v2/": dial tcp: lookup registry.example.com on 10.0.0.10:53: server misbehaving
error building image: unable to complete operation after 1 attempts, last error: Get "https://registry.example.com/v2/": dial tcp: lookup registry.example.com on 10.0.0.10:53: read udp 10.0.0.1:5->10.0.0.10:53: i/o timeout
error building image: unable to complete operation after 1 attempts, last error: GET https://registry.example.com/v2/app/a/manifests/1: unexpected status code 500 Internal Server Error: the upstream answered NAME_UNKNOWN
"""  # noqa: E501

# A proxy of the Pods: where nobody listens, of another kind than its address says, unknown by name, and in the way.
PROXY = """
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15000/app/a:1": creating push check transport for registry.imb.test:15000 failed: Get "https://registry.imb.test:15000/v2/": proxyconnect tcp: dial tcp 127.0.0.1:9: connect: connection refused
error building image: unable to complete operation after 1 attempts, last error: Get "https://registry.imb.test:15000/v2/": proxyconnect tcp: dial tcp 127.0.0.1:9: connect: connection refused
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15000/app/a:1": creating push check transport for registry.imb.test:15000 failed: Get "https://registry.imb.test:15000/v2/": proxyconnect tcp: tls: first record does not look like a TLS handshake
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15000/team/a:1": creating push check transport for registry.imb.test:15000 failed: Get "https://registry.imb.test:15000/v2/": proxyconnect tcp: dial tcp: lookup proxy.example.com on 10.244.0.1:53: no such host
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15000/app/a:1": creating push check transport for registry.imb.test:15000 failed: Get "https://registry.imb.test:15000/v2/": Proxy Authentication Required
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15000/app/a:1": creating push check transport for registry.imb.test:15000 failed: Get "https://registry.imb.test:15000/v2/": Forbidden
error building image: unable to complete operation after 1 attempts, last error: Get "https://registry.imb.test:15000/v2/": Forbidden
error building image: unable to complete operation after 1 attempts, last error: Get "https://registry.imb.test:15000/v2/": Bad Gateway
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:15000/app/a:1": creating push check transport for registry.imb.test:15000 failed: Get "https://registry.imb.test:15000/v2/": Service Unavailable
error building image: unable to complete operation after 1 attempts, last error: Get "https://registry.imb.test:15000/v2/": Gateway Timeout
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

# Certificates of servers on loopback. The last has a private address, for which plain http is tried as well.
UNTRUSTED = """
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:17002/app/a:1": creating push check transport for registry.imb.test:17002 failed: Get "https://registry.imb.test:17002/v2/": tls: failed to verify certificate: x509: certificate is valid for other.imb.test, not registry.imb.test
error building image: unable to complete operation after 1 attempts, last error: Get "https://registry.imb.test:17002/v2/": tls: failed to verify certificate: x509: certificate is valid for other.imb.test, not registry.imb.test
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:17003/app/a:1": creating push check transport for registry.imb.test:17003 failed: Get "https://registry.imb.test:17003/v2/": tls: failed to verify certificate: x509: certificate is not valid for any names, but wanted to match registry.imb.test
error building image: unable to complete operation after 1 attempts, last error: Get "https://registry.imb.test:17003/v2/": tls: failed to verify certificate: x509: certificate is not valid for any names, but wanted to match registry.imb.test
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:17004/app/a:1": creating push check transport for registry.imb.test:17004 failed: Get "https://registry.imb.test:17004/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority
error building image: unable to complete operation after 1 attempts, last error: Get "https://registry.imb.test:17004/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:17005/app/a:1": creating push check transport for registry.imb.test:17005 failed: Get "https://registry.imb.test:17005/v2/": tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-11-21T23:06:12Z is after 2021-01-01T00:00:00Z
error building image: unable to complete operation after 1 attempts, last error: Get "https://registry.imb.test:17005/v2/": tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-11-21T23:06:12Z is after 2021-01-01T00:00:00Z
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:17006/app/a:1": creating push check transport for registry.imb.test:17006 failed: Get "https://registry.imb.test:17006/v2/": tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-11-21T23:06:13Z is before 2030-01-01T00:00:00Z
error building image: unable to complete operation after 1 attempts, last error: Get "https://registry.imb.test:17006/v2/": tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-11-21T23:06:13Z is before 2030-01-01T00:00:00Z
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:17007/app/a:1": creating push check transport for registry.imb.test:17007 failed: Get "https://registry.imb.test:17007/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority (possibly because of "crypto/rsa: verification error" while trying to verify candidate authority certificate "test ca")
error building image: unable to complete operation after 1 attempts, last error: Get "https://registry.imb.test:17007/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority (possibly because of "crypto/rsa: verification error" while trying to verify candidate authority certificate "test ca")
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "127.0.0.2:17001/app/a:1": creating push check transport for 127.0.0.2:17001 failed: Get "https://127.0.0.2:17001/v2/": tls: failed to verify certificate: x509: cannot validate certificate for 127.0.0.2 because it doesn't contain any IP SANs
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "127.0.0.1:17007/app/a:1": creating push check transport for 127.0.0.1:17007 failed: Get "https://127.0.0.1:17007/v2/": tls: failed to verify certificate: x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs; Get "http://127.0.0.1:17007/v2/": EOF
"""  # noqa: E501

# The same without TLS; what does not begin as http does has the first words.
WITHOUT_TLS = """
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:17008/app/a:1": creating push check transport for registry.imb.test:17008 failed: Get "https://registry.imb.test:17008/v2/": tls: first record does not look like a TLS handshake
error building image: unable to complete operation after 1 attempts, last error: Get "https://registry.imb.test:17008/v2/": tls: first record does not look like a TLS handshake
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "plain.imb.test:15002/team/plain:1": creating push check transport for plain.imb.test:15002 failed: Get "https://plain.imb.test:15002/v2/": http: server gave HTTP response to HTTPS client
"""  # noqa: E501

# No host, no registry, no repository to push to.
NO_REGISTRY = """
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "nowhere.imb.test:5000/app/a:1": creating push check transport for nowhere.imb.test:5000 failed: Get "https://nowhere.imb.test:5000/v2/": dial tcp: lookup nowhere.imb.test on 10.244.0.1:53: no such host
error building image: unable to complete operation after 1 attempts, last error: Get "https://nowhere.imb.test:5000/v2/": dial tcp: lookup nowhere.imb.test on 10.244.0.1:53: no such host
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:17009/app/a:1": creating push check transport for registry.imb.test:17009 failed: GET https://registry.imb.test:17009/v2/: unexpected status code 404 Not Found: <html>not found</html>
error building image: unable to complete operation after 1 attempts, last error: GET https://registry.imb.test:17009/v2/: unexpected status code 404 Not Found: <html>not found</html>
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:17001/noname/a:1": POST https://registry.imb.test:17001/v2/noname/a/blobs/uploads/: NAME_UNKNOWN: repository name not known to registry; map[name:noname]
error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for "registry.imb.test:17001/plain404/a:1": POST https://registry.imb.test:17001/v2/plain404/a/blobs/uploads/: unexpected status code 404 Not Found: <html>not found</html>
error pushing image: failed to push to destination registry.imb.test:17001/noname/a:1: POST https://registry.imb.test:17001/v2/noname/a/blobs/uploads/: NAME_UNKNOWN: repository name not known to registry; map[name:noname]
"""  # noqa: E501

# No base image; the last where mirrors alone are asked.
NO_IMAGE = """
error building image: unable to complete operation after 1 attempts, last error: GET https://registry.imb.test:15009/v2/nothing-here/manifests/latest: MANIFEST_UNKNOWN: manifest unknown; map[Tag:latest]
error building image: unable to complete operation after 1 attempts, last error: GET https://registry.imb.test:17001/v2/nothing/here/manifests/sha256:14c53b: MANIFEST_UNKNOWN: manifest unknown; map[Tag:1]
error building image: unable to complete operation after 1 attempts, last error: GET https://registry.imb.test:17001/v2/noname/here/manifests/1: NAME_UNKNOWN: repository name not known to registry; map[name:noname]
error building image: unable to complete operation after 1 attempts, last error: GET https://registry.imb.test:17001/v2/plain404/manifests/1: unexpected status code 404 Not Found: <html>not found</html>
error building image: image not found on any configured mapped registries for busybox:1
"""  # noqa: E501

# An upload, a quota, or what a registry sent: nothing that somebody has named wrongly is behind these.
OTHER = """
error building image: GET https://registry.imb.test:15009/v2/busybox/blobs/sha256:14c53b: Content-Length header 100000 does not match expected size 419
error pushing image: failed to push to destination harbor.example.com/app/a:1: PUT https://harbor.example.com/v2/app/a/manifests/1: DENIED: adding 3 MiB of storage resource, which when updated to current usage of 9 MiB will exceed the configured upper limit of 10 MiB.
error pushing image: failed to push to destination r.example.com/app/a:1: PUT https://r.example.com/v2/app/a/manifests/1: DENIED: the tag is immutable
error pushing image: failed to push to destination r.example.com/app/a:1: PATCH https://r.example.com/v2/app/a/blobs/uploads/1: BLOB_UPLOAD_UNKNOWN: blob upload unknown to registry
error pushing image: failed to push to destination r.example.com/app/a:1: PUT https://r.example.com/v2/app/a/manifests/1: unexpected status code 404 Not Found
error building image: GET https://r.example.com/v2/busybox/blobs/sha256:14c53b: unexpected status code 404 Not Found
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
error building image: error building stage: failed to execute command: downloading remote source file: Get "https://nowhere.imb.test/x": dial tcp: lookup nowhere.imb.test on 10.244.0.1:53: no such host
error building image: error building stage: failed to execute command: downloading remote source file: Get "https://registry.imb.test:17007/x": tls: failed to verify certificate: x509: certificate signed by unknown authority (possibly because of "crypto/rsa: verification error" while trying to verify candidate authority certificate "test ca")
error building image: error building stage: failed to execute command: GET https://files.example.com/v2/: unexpected status code 404 Not Found
error building image: error building stage: failed to execute command: GET https://files.example.com/v2/a/manifests/1: MANIFEST_UNKNOWN: manifest unknown
connection refused
EOF
"""  # noqa: E501


OTHER_REASONS = (
    Reason.IMAGE_UNUSABLE,
    Reason.REGISTRY_FULL,
    Reason.TAG_IMMUTABLE,
    Reason.REGISTRY_UNAVAILABLE,
    Reason.PUSH_REJECTED,
    Reason.IMAGE_UNUSABLE,
)
STEP_REASONS = (
    Reason.STEP_FAILED,
    *[Reason.BUILD_FAILED] * 8,
    Reason.SOURCE_UNREACHABLE,
    Reason.CERTIFICATE_UNKNOWN,
    *[Reason.BUILD_FAILED] * 4,
)


def lines(block: str) -> list[str]:
    return block.strip().splitlines()


CAUSES = (
    behind_proxy,
    rate_limited,
    unavailable,
    refused,
    untrusted,
    without_tls,
    no_such_host,
    no_registry,
    no_repository,
    no_image,
)


def found(line: str) -> set[str]:
    return {cause.__name__ for cause in CAUSES if cause(line)}


@pytest.mark.parametrize("line", lines(RATE_LIMITED))
def test_a_registry_that_allows_no_more_requests(line: str) -> None:
    assert found(line) == {"rate_limited"}


@pytest.mark.parametrize("line", [*lines(UNAVAILABLE), *lines(BROKEN)])
def test_a_registry_that_fails_or_does_not_answer(line: str) -> None:
    assert found(line) == {"unavailable"}


@pytest.mark.parametrize("line", lines(PROXY))
def test_a_proxy_that_is_not_there_or_in_the_way(line: str) -> None:
    # Mostly in the words of any fault of the network.
    assert found(line) - {"unavailable"} == {"behind_proxy"}
    _, explanation = explain(Evidence(pod(build=terminated(1)), line))
    assert explanation.message.startswith("The proxy on the way to the registry cannot be reached")
    assert "build.proxy" in explanation.hint


@pytest.mark.parametrize("line", lines(REFUSED))
def test_a_registry_that_wants_another_login(line: str) -> None:
    assert found(line) == {"refused"}


@pytest.mark.parametrize("line", lines(UNTRUSTED))
def test_a_registry_whose_certificate_does_not_do(line: str) -> None:
    # What came of plain http, where that was tried as well, may look like a fault of the network.
    assert found(line) - {"unavailable"} == {"untrusted"}
    assert unavailable(line) == line.endswith(": EOF")


@pytest.mark.parametrize("line", lines(WITHOUT_TLS))
def test_a_registry_that_speaks_plain_http(line: str) -> None:
    assert found(line) == {"without_tls"}


@pytest.mark.parametrize("line", lines(NO_REGISTRY))
def test_a_registry_that_is_not_there(line: str) -> None:
    [cause] = found(line)
    assert cause == (
        "no_such_host" if "no such host" in line else "no_registry" if "/v2/: " in line else "no_repository"
    )


def test_a_repository_is_missing_as_well_where_a_layer_was_to_be_mounted() -> None:
    """With the check of the push left out, this is the first request to it (go-containerregistry, remote/write.go)."""
    line = lines(NO_REGISTRY)[-1]
    assert found(line.replace("/uploads/:", "/uploads/?from=base%2Fdebian&mount=sha256%3A14c53b:")) == {"no_repository"}
    assert found(line.replace("/uploads/:", "/uploads/1?_state=REDACTED:")) == set()


@pytest.mark.parametrize("line", lines(NO_IMAGE))
def test_an_image_that_is_not_there(line: str) -> None:
    assert found(line) == {"no_image"}


@pytest.mark.parametrize("line", [*lines(OTHER), *lines(STEPS), ""])
def test_every_other_failure_is_not_the_registrys(line: str) -> None:
    assert found(line) == set()


def reason_of(log: str, exit_code: int = 1) -> Reason:
    return find(Evidence(pod(build=terminated(exit_code)), log)).reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        *((line, Reason.RATE_LIMITED) for line in lines(RATE_LIMITED)),
        *((line, Reason.REGISTRY_UNAVAILABLE) for line in [*lines(UNAVAILABLE), *lines(PROXY)]),
        *((line, Reason.REGISTRY_AUTH_FAILED) for line in lines(REFUSED)),
        *((line, Reason.CERTIFICATE_UNKNOWN) for line in [*lines(UNTRUSTED), *lines(WITHOUT_TLS)]),
        *((line, Reason.REGISTRY_NOT_FOUND) for line in lines(NO_REGISTRY)),
        *((line, Reason.IMAGE_NOT_FOUND) for line in lines(NO_IMAGE)),
        *zip([*lines(OTHER), *lines(STEPS)], [*OTHER_REASONS, *STEP_REASONS], strict=True),
    ],
)
def test_the_failure_of_a_pod_is_told_by_the_last_words_of_its_log(line: str, reason: Reason) -> None:
    assert reason_of(f'time="2026-11-21T16:42:11Z" level=info msg="Retrieving image manifest a"\n{line}\n') is reason


@pytest.mark.parametrize(
    "quoted", [lines(block)[0] for block in (RATE_LIMITED, UNAVAILABLE, UNTRUSTED, WITHOUT_TLS, NO_REGISTRY, NO_IMAGE)]
)
def test_what_a_step_printed_before_the_executor_gave_up_does_not_count(quoted: str) -> None:
    assert reason_of(f"{quoted}\n{lines(STEPS)[0]}\n") is Reason.STEP_FAILED


def test_the_page_that_a_gateway_answered_with_does_not_hide_what_failed() -> None:
    html = next(line for line in lines(UNAVAILABLE) if line.endswith("<html>"))
    page = "<head><title>502 Bad Gateway</title></head>\n<body>\n<center><h1>502 Bad Gateway</h1></center>\n</body>"
    assert reason_of(f"{html}\n{page}\n</html>\n") is Reason.REGISTRY_UNAVAILABLE


@pytest.mark.parametrize("exit_code", [2, 7, 138])
def test_the_executors_own_errors_end_with_exit_code_one(exit_code: int) -> None:
    assert reason_of(lines(UNAVAILABLE)[0], exit_code) is Reason.BUILD_FAILED


def test_the_message_quotes_the_line_and_the_hint_says_what_to_look_at() -> None:
    _, explanation = explain(Evidence(pod(build=terminated(1)), lines(UNAVAILABLE)[0]))
    assert explanation.message.startswith("The registry failed or cannot be reached: error checking push permissions")
    assert "health" in explanation.hint
