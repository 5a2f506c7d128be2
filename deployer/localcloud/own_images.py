"""Images made from an instance: CreateImage keeps what lies on its host, and a machine launched from it has that.

moto's own images are 15 GB large, know nothing of the instance's disk, and refuse tags for the snapshot.
"""

from __future__ import annotations

from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.amis import AmiBackend
from moto.ec2.models.elastic_block_store import EBSBackend
from moto.ec2.responses import EC2Response
from moto.ec2.utils import random_ami_id

from deployer.localcloud.hosts import Hosts
from deployer.localcloud.images import OwnAmi, SizedAmi, ancestor_name
from deployer.localcloud.instances import Machines
from deployer.localcloud.patching import replaces


def install(machines: Machines, hosts: Hosts) -> None:
    """Let images be made, found, and removed with what they hold."""

    @replaces(AmiBackend, "create_image")
    def create_image(
        _: Any, self: Any, instance_id: str, name: str, description: str, tag_specifications: list[dict[str, Any]]
    ) -> OwnAmi:
        instance = self.get_instance(instance_id)
        taken = next((ami for ami in self.amis.values() if ami.name == name and isinstance(ami, OwnAmi)), None)
        if taken is not None:
            raise EC2ClientError(
                "InvalidAMIName.Duplicate",
                f"AMI name {name} is already in use by AMI {taken.id}",
            )
        parent = self.amis.get(instance.image_id)
        made = OwnAmi(
            self,
            random_ami_id(),
            instance=instance,
            name=name,
            description=description,
            image_location=f"{self.account_id}/{name}",
            hypervisor="xen",
            root_device_type="ebs",
            root_device_name=parent.root_device_name if parent else "/dev/sda1",
            snapshot_description=f"Created by CreateImage({instance_id})",
        )
        made.architecture = parent.architecture if parent else "x86_64"
        made.virtualization_type = "hvm"
        made.ancestor = ancestor_name(parent) if parent else ""
        made.take_size(_root_size(self, instance))
        for kind, resource in (("image", made), ("snapshot", made.ebs_snapshot)):
            tags = (item["Tags"] for item in tag_specifications if item["ResourceType"] == kind)
            resource.add_tags({tag["Key"]: tag["Value"] for listed in tags for tag in listed})
        hosts.capture(instance_id, made.id)
        self.amis[made.id] = made
        return made

    @replaces(EC2Response, "create_image")
    def answer_create_image(original: Any, self: Any) -> Any:
        answer = original(self)
        if not self._get_bool_param("NoReboot", False):  # as on AWS, where a running instance boots anew
            machines.reboot(self._get_param("InstanceId"))
        return answer

    @replaces(EBSBackend, "delete_snapshot")
    def delete_snapshot(original: Any, self: Any, snapshot_id: str) -> Any:
        deleted = original(self, snapshot_id)
        hosts.forget(deleted.from_ami or "")
        return deleted

    @replaces(EC2Response, "describe_snapshots")
    def describe_snapshots(original: Any, self: Any) -> Any:
        # moto shows everybody's, whomever is asked for.
        answer = original(self)
        owners = {self.current_account if owner == "self" else owner for owner in self._get_param("OwnerIds", [])}
        if owners:
            answer.result["Snapshots"] = [one for one in answer.result["Snapshots"] if one.owner_id in owners]
        return answer


def _root_size(backend: Any, instance: Any) -> int:
    disks = [attached for name, attached in instance.get_block_device_mapping if name == instance.root_device_name]
    attached = disks or [attached for _, attached in instance.get_block_device_mapping]
    return int(backend.get_volume(attached[0].volume_id).size) if attached else SizedAmi.snapshot_gb
