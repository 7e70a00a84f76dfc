"""An archive on a web server, fetched by the init container."""

from imagebuild_operator.api.source_http import HttpSource
from imagebuild_operator.pod import paths
from imagebuild_operator.pod.parts import SourceParts, empty_context, joined, source_secret
from imagebuild_operator.pod.source_plans import HttpPlan


def http_source(http: HttpSource) -> SourceParts:
    """The archive's files go into an empty volume; the login is seen by the init container alone.

    Which keys the Secret has says what kind of login it is.
    """
    parts, login = source_secret(http.secret_ref, "http-login", paths.HTTP_CREDENTIALS)
    plan = HttpPlan(url=http.url, sha256=http.sha256, login=login)
    return SourceParts(joined((empty_context(), parts)), plan)
