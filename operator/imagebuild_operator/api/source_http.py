"""Sources that are archives on a web server."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from imagebuild_operator.api.fields import LocalObjectReference, Model
from imagebuild_operator.api.schema import Schema, rule, rules


class HttpSource(Model):
    """An archive, downloaded and unpacked by the init container."""

    url: Annotated[str, StringConstraints(min_length=8, max_length=2048)] = Field(
        description="Address of a tar file, compressed with gzip or not, without credentials, e.g. "
        "https://files.example.com/web-1.4.2.tar.gz. A single folder at its top is kept: name it in source.subPath. "
        "A private certificate authority goes to spec.registries.caBundle.",
        json_schema_extra=rules(
            rule("self.matches('^https?://')", "must start with https://, or with http:// if sha256 is set"),
            rule(
                "!self.matches('^https?://[^/?#]*@')",
                "must not hold credentials: put them in a Secret of type kubernetes.io/basic-auth and name it in "
                "source.http.secretRef",
                reason="FieldValueForbidden",
            ),
            rule(
                "!self.matches('^https?://') || isURL(self) && url(self).getHostname() != '' && "
                "!self.matches('[[:cntrl:] #]')",
                "must be a URL with a host, without white space and without '#'",
            ),
        ),
    )
    sha256: Annotated[str, StringConstraints(min_length=64, max_length=64)] | None = Field(
        default=None,
        description="Checksum of the archive as it is downloaded, 64 hexadecimal digits, as sha256sum prints it; one "
        "with another fails. Required with http://. Default: none is expected; status.source.digest tells it.",
        json_schema_extra=rules(rule("self.matches('^[0-9A-Fa-f]{64}$')", "must be 64 hexadecimal digits")),
    )
    secret_ref: LocalObjectReference | None = Field(
        default=None,
        description="Secret to log in with: of type kubernetes.io/basic-auth (keys username and password), or Opaque "
        "with the key token, which is sent as a bearer token. It goes to the server of the url alone, never to "
        "one it redirects to, and build steps never see it.",
    )


HTTP_CHECKSUM: Final[Schema] = rules(
    rule(
        "!self.url.startsWith('http://') || has(self.sha256)",
        "is needed with http://, where anybody on the way can change the archive: the 64 digits that sha256sum prints",
        reason="FieldValueRequired",
    )
    | {"fieldPath": ".sha256"}
)
