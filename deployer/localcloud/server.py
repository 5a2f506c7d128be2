"""The local cloud's process: moto behind faults, latency and a request log, on loopback only.

Run by `daemon.start` as `python -m deployer.localcloud.server DIRECTORY PORT`; it announces itself in
`DIRECTORY/process.json` and ends when that file is no longer its own.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from deployer.localcloud import (
    capacity_calls,
    cloud9,
    guard,
    images,
    instances,
    offerings,
    own_images,
    pricing,
    regions,
    repairs,
    service_quotas,
    spot,
)
from deployer.localcloud.admin import PREFIX, Admin
from deployer.localcloud.fault_words import words
from deployer.localcloud.faults import Call, Faults
from deployer.localcloud.hosts import LOOPBACK, Hosts
from deployer.localcloud.processes import start_time
from deployer.localcloud.quota_requests import QuotaRequests
from deployer.localcloud.quotas import Quotas
from deployer.localcloud.request_log import RequestLog
from deployer.localcloud.resent import Answers, Given
from deployer.localcloud.targets import locate
from deployer.localcloud.wire import Answer, Request, error, read_request, send

# Built before the first call: made on demand, each costs that call up to four seconds.
SERVICES = ("ec2", "sts", "iam", "s3", "ssm", "servicequotas", "cloud9", "pricing")

# EC2 actions whose dry run moto carries out itself, after checking the request; it creates what the others ask for.
CHECKED_DRY_RUNS = frozenset({"RunInstances"})


class LocalCloud:
    """The WSGI application: one request in, AWS's answer out."""

    def __init__(self, admin: Admin, log: RequestLog) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self._admin = admin
        self._log = log
        self._answers = Answers()
        self._aws = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        began = time.time()
        path = environ.get("PATH_INFO", "")
        refusal = guard.refuse_browser(environ)
        if refusal is not None:
            return send(refusal, environ, start_response)
        if path.startswith(PREFIX):
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            return send(self._admin.answer(environ["REQUEST_METHOD"], path, body), environ, start_response)
        request = read_request(environ)
        body_reader = guard.CountedBody(environ)
        sent: list[tuple[str, list[tuple[str, str]]]] = []

        def note(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            sent.append((status, headers))
            return start_response(status, headers, *rest)

        again = self._answers.find(environ)
        try:
            if again is not None:
                note(again.status, again.headers)
                return [again.body]
            body = b"".join(self._answer_aws(request, environ, note))
            self._answers.keep(environ, Given(*sent[-1], body))
            return [body]
        finally:
            body_reader.drain()
            self._log.write(began, request, sent[-1][0] if sent else "-", is_again=again is not None)

    def warm_up(self) -> None:
        """Build the services that every run needs, in the order it needs them."""
        from moto.moto_server.werkzeug_app import create_backend_app

        for name in SERVICES:
            with self._aws.lock:
                if name not in self._aws.app_instances:
                    self._aws.app_instances[name] = create_backend_app(name)  # type: ignore[arg-type]
            if name == "ec2":
                self._ask_ec2()

    def _ask_ec2(self) -> None:
        """Ask EC2 once: its model, and the account behind it, are made at the first call, in most of a second."""
        from werkzeug.test import Client

        scope = "AWS4-HMAC-SHA256 Credential=AKIALOCALCLOUD000000/20261120/us-east-1/ec2/aws4_request, Signature=0"
        question = {"Action": "DescribeVpcs", "Version": "2016-11-15"}
        Client(self._aws).post("/", headers={"Authorization": scope}, data=question).close()

    def _answer_aws(self, request: Request, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if self._admin.faults.latency_ms:
            time.sleep(self._admin.faults.latency_ms / 1000)
        refusal = regions.refuse_disabled(request)
        if refusal is not None:
            return send(refusal, environ, start_response)
        call = locate(request)
        fault = self._admin.faults.take(call)
        if fault is not None:
            answer = error(
                request, status=fault.http_status(), code=fault.code, message=words(fault, call, self._admin.faults)
            )
            return send(answer, environ, start_response)
        if _is_unchecked_dry_run(request, call):
            message = "Request would have succeeded, but DryRun flag is set."
            return send(error(request, status=412, code="DryRunOperation", message=message), environ, start_response)
        try:
            return list(self._aws(environ, start_response))
        except Exception as failure:  # moto's NotImplementedError, and whatever else it stumbles over
            traceback.print_exc()
            return send(_not_implemented(request, failure), environ, start_response)


def serve(directory: Path, port: int) -> None:
    """Run the local cloud until SIGTERM, or until its announcement is gone."""
    from werkzeug.serving import make_server

    from deployer.localcloud.http import Handler

    began = time.time()
    guard.stay_on_this_machine()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # a shell's `&` leaves them ignored, and every host would inherit that
    server = make_server(LOOPBACK, port, _starting, threaded=True, request_handler=Handler)
    endpoint = f"http://{LOOPBACK}:{server.server_port}"
    faults, quotas, hosts = Faults(), Quotas(), Hosts(directory, endpoint)
    requests = QuotaRequests(quotas)
    machines = instances.Machines(hosts)
    _extend_moto(machines, hosts, quotas, requests)
    log = RequestLog(directory / "requests.log")
    admin = Admin(faults=faults, quotas=quotas, quota_requests=requests, hosts=hosts, machines=machines, started=began)
    cloud = LocalCloud(admin, log)
    server.app = cloud
    threading.Thread(target=server.serve_forever, args=[0.1], name="http", daemon=True).start()
    threading.Thread(target=cloud.warm_up, name="warm-up", daemon=True).start()
    announcement = _announce(directory, endpoint)
    while not ended.wait(1) and _is_announced(directory, announcement):
        continue
    machines.close()
    hosts.close()
    server.shutdown()


def _extend_moto(machines: instances.Machines, hosts: Hosts, quotas: Quotas, requests: QuotaRequests) -> None:
    regions.install()
    images.install()
    offerings.install()
    own_images.install(machines, hosts)
    repairs.install()
    instances.install(machines, hosts, quotas)
    capacity_calls.install(quotas)
    spot.install()
    service_quotas.install(quotas, requests)
    cloud9.install()
    pricing.install()


def _starting(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    return send(Answer(503, "text/plain", b"starting"), environ, start_response)


def _is_unchecked_dry_run(request: Request, call: Call) -> bool:
    return request.protocol == "ec2" and call.is_dry_run and request.action not in CHECKED_DRY_RUNS


def _not_implemented(request: Request, failure: Exception) -> Answer:
    """Return a final answer: a dropped connection would be retried for minutes."""
    message = f"The local cloud cannot answer {request.service} {request.action}: {type(failure).__name__}: {failure}"
    return error(request, status=400, code="NotImplemented", message=message)


def _announce(directory: Path, endpoint: str) -> str:
    text = json.dumps({"pid": os.getpid(), "started": start_time(os.getpid()), "endpoint": endpoint})
    draft = directory / "process.json.new"
    draft.write_text(text, encoding="utf-8")
    draft.replace(directory / "process.json")
    return text


def _is_announced(directory: Path, announcement: str) -> bool:
    try:
        return (directory / "process.json").read_text(encoding="utf-8") == announcement
    except OSError:
        return False


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
