"""AWS on the wire: which call a request is, and an error in the form that its protocol has for it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

_SCOPE = re.compile(r"Credential=[^/,\s]+/\d{8}/([^/]+)/([^/]+)/aws4_request")
_PRESIGNED_SCOPE = re.compile(r"[^/]+/\d{8}/([^/]+)/([^/]+)/aws4_request")

# Sub-resources of S3 whose operations are <Verb>Bucket<Name>; the others are named in _s3_action.
_BUCKET_PARTS = {
    "accelerate": "AccelerateConfiguration",
    "acl": "Acl",
    "cors": "Cors",
    "encryption": "Encryption",
    "lifecycle": "LifecycleConfiguration",
    "location": "Location",
    "logging": "Logging",
    "notification": "NotificationConfiguration",
    "ownershipControls": "OwnershipControls",
    "policy": "Policy",
    "policyStatus": "PolicyStatus",
    "replication": "Replication",
    "requestPayment": "RequestPayment",
    "tagging": "Tagging",
    "versioning": "Versioning",
    "website": "Website",
}


@dataclass(frozen=True)
class Request:
    """One HTTP request as AWS would read it. `parameters` are those of a form (EC2, IAM, STS), first values only."""

    service: str
    region: str
    action: str
    protocol: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_dry_run(self) -> bool:
        """Whether EC2 shall only check the request."""
        return self.parameters.get("DryRun", "").lower() == "true"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, complete."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def read_request(environ: dict[str, Any]) -> Request:
    """Return what the request asks for; a form's body is read and put back for the next reader."""
    query = {
        key: values[0] for key, values in parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True).items()
    }
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    if scope is None:
        scope = _PRESIGNED_SCOPE.match(query.get("X-Amz-Credential", ""))
    region, service = scope.groups() if scope else ("us-east-1", "s3")
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return Request(service, region, target.rpartition(".")[2], "json")
    form = _read_form(environ)
    if "Action" in form:
        return Request(service, region, form["Action"], "ec2" if service == "ec2" else "query", form)
    if service == "s3":
        return Request(service, region, _s3_action(environ, query), "s3")
    return Request(service, region, f"{environ['REQUEST_METHOD']} {environ.get('PATH_INFO', '/')}", "json")


def error(request: Request, *, status: int, code: str, message: str) -> Answer:
    """Return AWS's error in the protocol of the request."""
    if request.protocol == "json":
        body = json.dumps({"__type": code, "message": message, "Message": message})
        return Answer(status, "application/x-amz-json-1.1", body.encode(), (("x-amzn-ErrorType", code),))
    facts = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if request.protocol == "s3":
        body = f"<Error>{facts}<RequestId>LOCAL</RequestId></Error>"
    elif request.protocol == "ec2":
        body = f"<Response><Errors><Error>{facts}</Error></Errors><RequestID>LOCAL</RequestID></Response>"
    else:
        kind = "Receiver" if status >= 500 else "Sender"
        body = f"<ErrorResponse><Error><Type>{kind}</Type>{facts}</Error><RequestId>LOCAL</RequestId></ErrorResponse>"
    return Answer(status, "text/xml", f'<?xml version="1.0" encoding="UTF-8"?>{body}'.encode())


def send(answer: Answer, environ: Mapping[str, Any], start_response: Any) -> Iterable[bytes]:
    """Send an answer through WSGI."""
    headers = [
        ("Content-Type", answer.content_type),
        ("Content-Length", str(len(answer.body))),
        ("x-amzn-RequestId", "LOCAL"),
        *answer.headers,
    ]
    start_response(f"{answer.status} Local", headers)
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else answer.body]


def _read_form(environ: dict[str, Any]) -> dict[str, str]:
    if "form-urlencoded" not in environ.get("CONTENT_TYPE", ""):
        return {}
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return {key: values[0] for key, values in parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True).items()}


def _s3_action(environ: Mapping[str, Any], query: Mapping[str, str]) -> str:
    method: str = environ["REQUEST_METHOD"]
    bucket, _, key = environ.get("PATH_INFO", "/").lstrip("/").partition("/")
    if not bucket:
        return "ListBuckets"
    if key:
        return _s3_object_action(method, query, is_copy="HTTP_X_AMZ_COPY_SOURCE" in environ)
    verb = {"GET": "Get", "PUT": "Put", "DELETE": "Delete", "HEAD": "Head", "POST": "Post"}.get(method, method)
    for part, name in _BUCKET_PARTS.items():
        if part in query:
            return f"{verb}Bucket{name}"
    if "publicAccessBlock" in query:
        return f"{verb}PublicAccessBlock"
    if "object-lock" in query:
        return f"{verb}ObjectLockConfiguration"
    if method == "GET" and "uploads" in query:
        return "ListMultipartUploads"
    if method == "GET" and "versions" in query:
        return "ListObjectVersions"
    if method == "GET":
        return "ListObjectsV2" if query.get("list-type") == "2" else "ListObjects"
    return {"PUT": "CreateBucket", "DELETE": "DeleteBucket", "HEAD": "HeadBucket", "POST": "DeleteObjects"}.get(
        method, method
    )


def _s3_object_action(method: str, query: Mapping[str, str], *, is_copy: bool) -> str:
    if method == "POST":
        return "CreateMultipartUpload" if "uploads" in query else "CompleteMultipartUpload"
    if "uploadId" in query:
        part = "UploadPartCopy" if is_copy else "UploadPart"
        return {"PUT": part, "DELETE": "AbortMultipartUpload", "GET": "ListParts"}.get(method, method)
    for suffix in ("tagging", "acl", "retention", "legal-hold", "attributes"):
        if suffix in query:
            return f"{method.capitalize()}Object{suffix.title().replace('-', '')}"
    if method == "PUT":
        return "CopyObject" if is_copy else "PutObject"
    return {"GET": "GetObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}.get(method, method)
