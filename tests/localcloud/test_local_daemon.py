"""The process: one per project folder, found again, ended whole, and closed to everything but this machine."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from cloud_machines import Machine, wait_for

from deployer.errors import LocalCloudError, MissingDependency
from deployer.localcloud import daemon
from deployer.localcloud.control import ControlClient
from deployer.localcloud.faults import Fault
from deployer.localcloud.processes import start_time

Launch = Callable[..., Machine]


@pytest.fixture
def own_project(tmp_path: Path) -> Iterator[Path]:
    """A folder for a local cloud of the test's own."""
    yield tmp_path
    daemon.stop(tmp_path)


def test_two_starts_at_once_give_one_cloud(own_project: Path) -> None:
    found: list[daemon.RunningCloud] = []
    starts = [threading.Thread(target=lambda: found.append(daemon.start(own_project))) for _ in range(3)]

    for thread in starts:
        thread.start()
    for thread in starts:
        thread.join()

    assert len(found) == 3
    assert len({(cloud.pid, cloud.endpoint) for cloud in found}) == 1


def test_stop_forgets_everything_and_a_new_start_is_empty(own_project: Path) -> None:
    first = daemon.start(own_project)
    control = ControlClient(first.endpoint)
    control.add_fault(Fault(action="RunInstances", code="InternalError", times=5))
    control.set_quota("L-DB2E81BA", 1)
    port = int(first.endpoint.rpartition(":")[2])

    assert daemon.stop(own_project)
    assert not daemon.stop(own_project)
    assert not start_time(first.pid)
    second = daemon.start(own_project, port=port)
    again = ControlClient(second.endpoint)

    assert second.endpoint == first.endpoint
    assert again.faults()["faults"] == []
    assert next(item["value"] for item in again.quotas()["quotas"] if item["code"] == "L-DB2E81BA") == 64


def test_killed_cloud_is_swept_by_the_next_start(own_project: Path) -> None:
    killed = daemon.start(own_project)
    host = killed.directory / "hosts" / "i-0123456789abcdef0"
    (host / "home").mkdir(parents=True)
    orphan = subprocess.Popen(["sleep", "600"], env={"DEPLOYER_HOST": host.name, "PATH": os.environ["PATH"]})
    os.kill(killed.pid, signal.SIGKILL)
    wait_for(lambda: daemon.find(own_project) is None)

    again = daemon.start(own_project)

    assert again.pid != killed.pid
    assert orphan.wait(5) == -signal.SIGTERM
    assert not host.exists()


def test_pid_of_another_program_counts_as_not_running(tmp_path: Path) -> None:
    directory = daemon.state_directory(tmp_path)
    directory.mkdir(parents=True)
    record = {"pid": os.getpid(), "started": "some other time", "endpoint": "http://127.0.0.1:1"}
    (directory / "process.json").write_text(json.dumps(record))

    found = daemon.find(tmp_path)
    was_running = daemon.stop(tmp_path)

    assert found is None
    assert not was_running


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": "x", "started": "", "endpoint": ""}'])
def test_broken_record_counts_as_not_running(tmp_path: Path, text: str) -> None:
    directory = daemon.state_directory(tmp_path)
    directory.mkdir(parents=True)
    (directory / "process.json").write_text(text)

    assert daemon.find(tmp_path) is None


def test_cloud_ends_when_its_folder_is_removed(own_project: Path) -> None:
    cloud = daemon.start(own_project)

    (cloud.directory / "process.json").unlink()

    wait_for(lambda: not start_time(cloud.pid))


def test_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(LocalCloudError, match=f"Port {port}") as caught:
            daemon.start(tmp_path, port=port)

    assert "--port" in caught.value.hint


def test_other_port_than_the_running_one_is_refused(local_cloud: daemon.RunningCloud) -> None:
    with pytest.raises(LocalCloudError, match="runs already") as caught:
        daemon.start(local_cloud.project, port=1)

    assert "local stop" in caught.value.hint


def test_process_that_ends_at_once_shows_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken" / "moto"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('this moto is broken')")
    monkeypatch.setenv("PYTHONPATH", str(broken.parent))

    with pytest.raises(LocalCloudError, match="this moto is broken") as caught:
        daemon.start(tmp_path)

    assert "server.log" in caught.value.hint


def test_missing_extra_is_named_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Uninstalling a package for one test is not possible; asking for one more that nobody has is.
    monkeypatch.setattr(daemon, "PACKAGES", ("no_such_package",))

    with pytest.raises(MissingDependency, match="no_such_package") as caught:
        daemon.start(tmp_path)

    assert caught.value.exit_code == 2
    assert "deployer[local]" in caught.value.hint


def test_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    # A full disk cannot be made without privileges.
    monkeypatch.setattr(Path, "mkdir", fail)

    with pytest.raises(LocalCloudError, match="the disk is full"):
        daemon.start(tmp_path)


def test_state_is_the_owner_s_alone(local_cloud: daemon.RunningCloud) -> None:
    for folder in (local_cloud.directory, local_cloud.directory.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_cloud_listens_on_loopback_only(local_cloud: daemon.RunningCloud, launch: Launch) -> None:
    launch()
    sockets = Path(f"/proc/{local_cloud.pid}/fd")
    if not sockets.exists():
        pytest.skip("needs /proc")
    links = [str(entry.readlink()) for entry in sockets.iterdir()]
    inodes = {link[len("socket:[") : -1] for link in links if link.startswith("socket:")}

    listening = [
        fields[1].split(":")[0]
        for table in ("tcp", "tcp6", "udp", "udp6")
        for fields in map(str.split, Path(f"/proc/{local_cloud.pid}/net/{table}").read_text().splitlines()[1:])
        if fields[9] in inodes and (fields[3] == "0A" or table.startswith("udp"))
    ]

    assert len(listening) >= 2  # the API and the host
    assert set(listening) == {"0100007F"}  # 127.0.0.1


@pytest.mark.parametrize(
    ("statement", "is_allowed"),
    [
        ("socket.create_connection(('192.0.2.1', 80), 1)", False),
        ("socket.getaddrinfo('sts.amazonaws.com', 443)", False),
        ("boto3.client('sts', region_name='us-east-1').get_caller_identity()", False),
        ("server = socket.create_server(('127.0.0.1', 0)); socket.create_connection(server.getsockname(), 1)", True),
    ],
)
def test_process_can_connect_to_this_machine_only(statement: str, is_allowed: bool) -> None:
    program = (
        "import socket, boto3\nfrom deployer.localcloud import guard\nguard.stay_on_this_machine()\n"
        f"try: {statement}\nexcept Exception as error: print(type(error).__name__, error)\nelse: print('connected')"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_MAX_ATTEMPTS": "1"}

    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=30, check=True
    )

    assert (result.stdout == "connected\n") == is_allowed, result.stdout


def test_user_s_credentials_reach_neither_process_nor_log(own_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "the-user-s-own-secret"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.setenv(name, secret)

    cloud = daemon.start(own_project)
    printed = cloud.to_json()
    keys = cloud.environment()
    monkeypatch.delenv("AWS_PROFILE")  # boto3 itself would look for that profile
    session = boto3.Session(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")
    session.client("sts", endpoint_url=cloud.endpoint).get_caller_identity()

    assert secret not in json.dumps(printed)
    assert printed["unset"] == ["AWS_PROFILE"]
    log = wait_for((cloud.directory / "requests.log").read_text)
    assert "sts us-east-1 GetCallerIdentity 200" in log
    assert secret not in log
    assert keys["AWS_SECRET_ACCESS_KEY"] not in log
    environment = Path(f"/proc/{cloud.pid}/environ")
    assert not environment.exists() or secret.encode() not in environment.read_bytes()


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/_local/status", {}, 200),
        ("/_local/status", {"Origin": "https://example.com"}, 403),
        ("/_local/status", {"Host": "rebound.example.com"}, 403),
        ("/moto-api/reset", {}, 404),
        ("/_local/nothing", {}, 404),
    ],
)
def test_web_pages_get_no_answer(
    local_cloud: daemon.RunningCloud, path: str, headers: dict[str, str], status: int
) -> None:
    request = urllib.request.Request(local_cloud.endpoint + path, headers=headers)

    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            found = response.status
    except urllib.error.HTTPError as error:
        with error:
            found = error.code

    assert found == status


def test_processes_of_hosts_end_with_the_cloud_and_get_default_signals(own_project: Path, ssh_key: Path) -> None:
    program = (
        "from pathlib import Path; from deployer.localcloud import daemon; import sys; daemon.start(Path(sys.argv[1]))"
    )
    # A shell's `&` leaves SIGINT ignored, and what it starts inherits that.
    shell = f"trap '' INT QUIT; exec {sys.executable} -c '{program}' {own_project}"
    subprocess.run(["sh", "-c", shell], check=True, timeout=60)
    cloud = daemon.require(own_project)
    session = boto3.Session("AKIA", "none", region_name="us-east-1")
    ec2 = session.client("ec2", endpoint_url=cloud.endpoint)
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]
    ec2.import_key_pair(KeyName="k", PublicKeyMaterial=ssh_key.with_suffix(".pub").read_bytes())
    kind = "g5g.xlarge" if image["Architecture"] == "arm64" else "g4dn.xlarge"
    started = ec2.run_instances(ImageId=image["ImageId"], InstanceType=kind, KeyName="k", MinCount=1, MaxCount=1)
    address = ec2.describe_instances()["Reservations"][0]["Instances"][0]["PublicIpAddress"]
    options = ["-F", str(cloud.directory / "ssh_config"), "-i", str(ssh_key), "-o", "LogLevel=ERROR"]
    options += ["-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={os.devnull}"]
    show = "python -c 'import signal; print(signal.getsignal(signal.SIGINT).__name__)'"
    command = f"{show}; setsid sleep 600 >/dev/null 2>&1 &"
    user = "ec2-user" if "Amazon Linux" in image["Name"] else "ubuntu"
    result = subprocess.run(
        ["ssh", *options, f"{user}@{address}", command], capture_output=True, text=True, timeout=30, check=True
    )

    daemon.stop(own_project)

    assert "default_int_handler" in result.stdout
    assert not (cloud.directory / "hosts").exists()
    marked = f"DEPLOYER_HOST={started['Instances'][0]['InstanceId']}".encode()
    assert not any(marked in _environment_of(entry) for entry in Path("/proc").glob("[0-9]*"))


def _environment_of(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""
