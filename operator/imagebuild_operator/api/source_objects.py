"""Sources that are objects in a store: one archive in S3, Google Cloud Storage or Azure Blob Storage."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from imagebuild_operator.api.fields import LocalObjectReference, Model
from imagebuild_operator.api.schema import ORIGIN, Schema, rule, rules

# The strictest of the stores' own rules would refuse names that others, or older buckets, have: only what cannot be
# part of an address is refused here.
_BUCKET: Final[Schema] = rules(
    rule(
        "self.matches('^[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]$')",
        "must be the name of a bucket, without s3:// or gs://: letters, digits, '.', '_' and '-', with a letter or "
        "digit at both ends; what is inside the bucket goes to key",
    )
)
_KEY: Final[Schema] = rules(
    rule(
        "self.split('/').all(p, p != '' && p != '.' && p != '..') && !self.matches('[[:cntrl:]]')",
        "must be the object's name inside the bucket, e.g. contexts/web.tar.gz: no '/' at its start or end or doubled, "
        "no '.' or '..' parts",
    )
)

Bucket = Annotated[str, StringConstraints(min_length=2, max_length=222), Field(json_schema_extra=_BUCKET)]
ObjectKey = Annotated[str, StringConstraints(min_length=1, max_length=1024), Field(json_schema_extra=_KEY)]

_KEY_TOLD: Final = (
    "Name of the object in the bucket, a tar file, compressed with gzip or not, e.g. contexts/web.tar.gz."
)


class S3Source(Model):
    """An archive in Amazon S3, or in a store that speaks its protocol."""

    bucket: Bucket = Field(description="Name of the bucket.")
    key: ObjectKey = Field(description=_KEY_TOLD)
    endpoint: Annotated[str, StringConstraints(min_length=8, max_length=270)] | None = Field(
        default=None,
        description="Address of the store, e.g. https://minio.example.com:9000; the bucket is named in the path. With "
        "http:// the archive travels unencrypted. Default: Amazon's own for the region.",
        json_schema_extra=ORIGIN,
    )
    region: Annotated[str, StringConstraints(min_length=1, max_length=63)] | None = Field(
        default=None,
        description="Region of the bucket, e.g. eu-central-1. Default: the one in an endpoint of Amazon's, or that of "
        "the Pod's service account, or us-east-1.",
        json_schema_extra=rules(
            rule("self.matches('^[A-Za-z0-9-]+$')", "must be the name of a region, e.g. eu-central-1")
        ),
    )
    secret_ref: LocalObjectReference | None = Field(
        default=None,
        description="Secret with the keys accessKeyId and secretAccessKey, and sessionToken where they are temporary. "
        "Build steps never see it. Default: the identity of podTemplate.serviceAccountName, or of the node.",
    )


class GcsSource(Model):
    """An archive in Google Cloud Storage."""

    bucket: Bucket = Field(description="Name of the bucket.")
    key: ObjectKey = Field(description=_KEY_TOLD)
    secret_ref: LocalObjectReference | None = Field(
        default=None,
        description="Secret whose key key.json holds a service account's key, as Google hands it out. Build steps "
        "never see it. Default: the identity of podTemplate.serviceAccountName, or of the node.",
    )


class AzureBlobSource(Model):
    """An archive in Azure Blob Storage."""

    url: Annotated[str, StringConstraints(min_length=12, max_length=2048)] = Field(
        description="Address of the blob, a tar file, compressed with gzip or not: "
        "https://ACCOUNT.blob.core.windows.net/CONTAINER/BLOB, or https://HOST/ACCOUNT/CONTAINER/BLOB for other hosts.",
        json_schema_extra=rules(
            rule("self.startsWith('https://')", "must start with https://"),
            rule(
                "!self.matches('^https://[^/]*@|[?]')",
                "must not hold a login or a signature: put a SAS token into the key sasToken of a Secret and name that "
                "in source.azureBlob.secretRef",
                reason="FieldValueForbidden",
            ),
            rule(
                "isURL(self) && !self.matches('[[:cntrl:] #]|/[.][.]?(/|$)') && "
                "(self.matches('^https://[^/.]+[.]([^/]+[.])?blob[.][^/]+(/[^/]+){2,}$') || "
                "self.matches('^https://[^/]+(/[^/]+){3,}$'))",
                "must name a blob: https://ACCOUNT.blob.core.windows.net/CONTAINER/BLOB, or "
                "https://HOST/ACCOUNT/CONTAINER/BLOB for other hosts, white space and '#' written as %20 and %23",
            ),
        ),
    )
    secret_ref: LocalObjectReference | None = Field(
        default=None,
        description="Secret with one of the keys accountKey and sasToken. Build steps never see it. Default: the "
        "identity of podTemplate.serviceAccountName, or of the node.",
    )
