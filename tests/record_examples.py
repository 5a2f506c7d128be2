"""A deployment's record, as tests need one that nothing else depends on."""

from __future__ import annotations

from deployer.deployment.record import Record

RECORD = Record(
    name="demo",
    cloud="local",
    region="us-east-1",
    account="123456789012",
    bucket="demo",
    nodes=(),
    user="ubuntu",
    pythons=(),
    spot=False,
    usd_per_hour=None,
    created=0.0,
    max_hours=1.0,
)
