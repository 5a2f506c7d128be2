"""AWS's opinion of where there is spare capacity."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.stub import Stubber

from deployer.aws import spot
from deployer.aws.session import Session
from deployer.errors import AccessDenied


def test_placement_scores_go_by_zone_id_and_are_asked_for_all_types_at_once(session: Session) -> None:
    wanted = {
        "InstanceTypes": ["g4dn.xlarge", "g5.xlarge"],
        "TargetCapacity": 2,
        "TargetCapacityUnitType": "units",
        "SingleAvailabilityZone": True,
        "RegionNames": ["us-east-1"],
    }
    scores = [
        {"Region": "us-east-1", "AvailabilityZoneId": "use1-az4", "Score": 9},
        {"Region": "us-east-1", "AvailabilityZoneId": "use1-az6", "Score": 1},
    ]
    with Stubber(session.client("ec2")) as stub:
        stub.add_response("get_spot_placement_scores", {"SpotPlacementScores": scores}, wanted)

        assert spot.placement_scores(session, ["g5.xlarge", "g4dn.xlarge"], 2) == {"use1-az4": 9, "use1-az6": 1}


def test_placement_scores_that_may_not_be_asked_name_the_permission(
    session: Session, refuse: Callable[..., None]
) -> None:
    refuse("GetSpotPlacementScores")

    with pytest.raises(AccessDenied) as raised:
        spot.placement_scores(session, ["g4dn.xlarge"], 1)

    assert raised.value.operation == "ec2:GetSpotPlacementScores"
