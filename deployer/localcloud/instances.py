"""EC2's instances and the hosts behind them live and end together."""

from __future__ import annotations

import threading
from typing import Any

from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString
from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends, elastic_network_interfaces
from moto.ec2.models.instances import Instance, InstanceBackend, StateReason
from moto.ec2.responses import EC2Response

from deployer.localcloud import capacity, launching, spot
from deployer.localcloud.cloud_init import shutdown_minutes
from deployer.localcloud.hosts import Hosts
from deployer.localcloud.images import ancestor_name
from deployer.localcloud.patching import adds, replaces
from deployer.localcloud.quotas import Quotas


class Machines:
    """What happens between EC2's API and the hosts: booting, powering off, the timers of both."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._lock = threading.Lock()
        self._timers: dict[str, threading.Timer] = {}

    def boot(self, instance: Any, *, is_first: bool) -> None:
        """Start the host of a running instance; the first boot arms the shutdown that its user data asks for."""
        image = instance.ec2_backend.amis.get(instance.image_id)
        key_pair = instance.ec2_backend.key_pairs.get(instance.key_name)
        self._hosts.start(
            instance.id,
            public_address=instance.public_ip or "",
            private_address=instance.private_ip or "",
            region=instance.region_name,
            public_key=key_pair.public_key if key_pair else "",
            users=_login_names(ancestor_name(image) if image else ""),
            image_id=instance.image_id or "",
        )
        if is_first and instance.user_data is not None:
            minutes = shutdown_minutes(str(instance.user_data))
            if minutes is not None:
                self.shut_down_in(minutes, instance.id)

    def end(self, instance_id: str, *, is_for_good: bool) -> None:
        """End the host of an instance that stops, or (for good) is terminated."""
        self.cancel_shutdown(instance_id)
        if is_for_good:
            self._hosts.delete(instance_id)
        else:
            self._hosts.stop(instance_id)

    def shut_down_in(self, minutes: float, instance_id: str, *, is_reboot: bool = False) -> None:
        """Let the instance power itself off (or boot anew) after `minutes`, in the place of an earlier order."""
        self.cancel_shutdown(instance_id)
        timer = threading.Timer(minutes * 60, self.reboot if is_reboot else self.power_off, [instance_id])
        timer.daemon = True
        with self._lock:
            self._timers[instance_id] = timer
        timer.start()

    def cancel_shutdown(self, instance_id: str) -> None:
        """Forget a shutdown that was ordered."""
        with self._lock:
            timer = self._timers.pop(instance_id, None)
        if timer is not None:
            timer.cancel()

    def power_off(self, instance_id: str) -> None:
        """Do what EC2 does when a machine powers itself off: terminate or stop it, as the instance says."""
        instance = find_instance(instance_id)
        if instance is None or not instance.is_running():
            return
        if instance.instance_initiated_shutdown_behavior == "terminate":
            instance.terminate()
        else:
            instance.stop()
        reason = "Instance initiated shutdown"
        instance.state_reason = StateReason(
            f"Client.InstanceInitiatedShutdown: {reason}", "Client.InstanceInitiatedShutdown"
        )

    def reboot(self, instance_id: str) -> None:
        """End all that runs on the host and boot it again, at the same address."""
        instance = find_instance(instance_id)
        if instance is not None and instance.is_running():
            self.end(instance_id, is_for_good=False)
            self.boot(instance, is_first=False)

    def close(self) -> None:
        """Forget every timer."""
        with self._lock:
            timers = list(self._timers)
        for instance_id in timers:
            self.cancel_shutdown(instance_id)


def all_instances() -> list[Any]:
    """Return moto's instances of every account and region, the terminated ones too."""
    return [
        instance
        for account in list(ec2_backends.values())
        for backend in list(account.values())
        for instance in backend.all_instances()
    ]


def find_instance(instance_id: str) -> Any | None:
    """Return moto's instance with this id, wherever it is."""
    return next((instance for instance in all_instances() if instance.id == instance_id), None)


def install(machines: Machines, hosts: Hosts, quotas: Quotas) -> None:
    """Tie moto's instances to the hosts, and let only those start that EC2 would start."""
    launch_lock = threading.Lock()
    addresses = _Addresses()
    vars(elastic_network_interfaces)["random_public_ip"] = addresses.take

    @replaces(InstanceBackend, "run_instances")
    def run_instances(
        original: Any,
        self: Any,
        image_id: str,
        count: int,
        user_data: Any,
        security_group_names: list[str],
        **options: Any,
    ) -> Any:
        launch = launching.read_launch(self, count, options)
        launching.require_offered(launch)
        launching.require_price(launch)
        asked = options.get("block_device_mappings") or []
        if asked or not options.get("launch_template"):  # whose disks moto reads itself
            options["block_device_mappings"] = launching.complete_disks(self.amis.get(image_id), asked)
        with launch_lock:  # two launches at once must not both fit into the same quota
            reserved = capacity.serving(self, launch)
            if reserved is None:
                launching.require_quota(launch, self, quotas)
            reservation = original(self, image_id, count, user_data, security_group_names, **options)
            for instance in reservation.instances:
                instance.cpu_options = launching.chosen_cpu_options(instance.instance_type)
                instance.capacity_reservation_id = reserved.id if reserved else None
        for instance in reservation.instances:
            if launch.is_spot:
                spot.record_request(self, instance)
            _boot_or_give_up(machines, instance)
        return reservation

    @replaces(EC2Response, "run_instances")
    def answer_run_instances(original: Any, self: Any) -> Any:
        token = launching.asked_now.set(_read_asked(self))
        try:
            return original(self)
        finally:
            launching.asked_now.reset(token)

    @replaces(Instance, "start")
    def start(original: Any, self: Any) -> Any:
        was_running = self.is_running()
        with launch_lock:
            if not was_running:
                launching.require_quota(launching.read_start(self), self.ec2_backend, quotas)
            previous = original(self)
        if not was_running:
            machines.boot(self, is_first=False)
        return previous

    @replaces(Instance, "stop")
    def stop(original: Any, self: Any) -> Any:
        machines.end(self.id, is_for_good=False)
        return original(self)

    @replaces(Instance, "terminate")
    def terminate(original: Any, self: Any) -> Any:
        machines.end(self.id, is_for_good=True)
        spot.close_request(self)
        return original(self)

    @replaces(Instance, "reboot")
    def reboot(original: Any, self: Any) -> None:
        original(self)
        machines.reboot(self.id)

    @adds(EC2Response)
    def get_console_output(self: Any) -> ActionResult:
        instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
        output = Base64EncodedString.from_raw_string(hosts.console(instance.id))
        return ActionResult({"InstanceId": instance.id, "Timestamp": utcnow(), "Output": output})


class _Addresses:
    """Public addresses from 127.77.0.0/16: nothing outside this machine can be meant by one of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = 0

    def take(self) -> str:
        with self._lock:
            self._taken += 1
            return f"127.77.{self._taken // 250 % 256}.{self._taken % 250 + 1}"


def _read_asked(response: Any) -> launching.Asked:
    price = response._get_param("InstanceMarketOptions.SpotOptions.MaxPrice")
    target = "CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId"
    return launching.Asked(
        max_price=float(price) if price else None,
        cores=int(response._get_param("CpuOptions.CoreCount") or 0),
        threads_per_core=int(response._get_param("CpuOptions.ThreadsPerCore") or 0),
        reservation_id=response._get_param(target) or "",
    )


def _boot_or_give_up(machines: Machines, instance: Any) -> None:
    try:
        machines.boot(instance, is_first=True)
    except OSError as error:
        instance.terminate()
        raise EC2ClientError("InternalError", f"The host of {instance.id} cannot start: {error}.") from error


def _login_names(image_name: str) -> tuple[str, ...]:
    if "Ubuntu" in image_name:
        return ("ubuntu",)
    return ("ec2-user",) if "Amazon Linux" in image_name else ("ubuntu", "ec2-user", "admin")
