"""How likely a zone is to have spare capacity, in AWS's own opinion."""

from __future__ import annotations

from collections.abc import Iterable

from deployer.aws.session import Session, aws_errors


def placement_scores(session: Session, names: Iterable[str], nodes: int) -> dict[str, int]:
    """Return the spot placement score of each zone of the region, 1 to 10, by zone id; raises AwsError.

    The score is for `nodes` machines of any of the types together, in one zone: AWS scores fewer than three types low.
    How many different questions an account may ask in a day is limited, so that all types are one question.
    """
    with aws_errors("ec2:GetSpotPlacementScores", region=session.region):
        scores = session.pages(
            "ec2",
            "get_spot_placement_scores",
            "SpotPlacementScores",
            InstanceTypes=sorted(set(names)),
            TargetCapacity=nodes,
            TargetCapacityUnitType="units",
            SingleAvailabilityZone=True,
            RegionNames=[session.region],
        )
        return {item["AvailabilityZoneId"]: item["Score"] for item in scores if "AvailabilityZoneId" in item}
