"""An archive on a web server, fetched by the init container."""

from pathlib import Path

from imagebuild_operator.api.source_http import HttpSource
from imagebuild_operator.pod import paths
from imagebuild_operator.pod.parts import Parts, SourceParts, empty_context, joined, mount, secret_volume
from imagebuild_operator.pod.source_plans import HttpLogin, HttpPlan


def http_source(http: HttpSource) -> SourceParts:
    """The archive's files go into an empty volume; the login is seen by the init container alone."""
    if http.secret_ref is None:
        return SourceParts(empty_context(), HttpPlan(url=http.url, sha256=http.sha256))
    # All keys: which of them there are says what kind of login it is.
    login = Parts(
        volumes=(secret_volume("http-login", http.secret_ref.name),),
        prepare_mounts=(mount("http-login", paths.HTTP_CREDENTIALS),),
    )
    plan = HttpPlan(
        url=http.url,
        sha256=http.sha256,
        login=HttpLogin(secret=http.secret_ref.name, folder=Path(paths.HTTP_CREDENTIALS)),
    )
    return SourceParts(joined((empty_context(), login)), plan)
