"""Are the images on S3 within reach, and does the way from there cost anything?"""

from __future__ import annotations

import shlex

from deployer.aws import transfer
from deployer.aws.s3 import DataLocation
from deployer.facts import Facts, Unknown
from deployer.preflight.findings import Finding, Level, unknown

MB = 1e6
GB = 1e9


def check_data(facts: Facts) -> list[Finding]:
    """Are the images where the configuration says, and in the region of the machine? Nothing for a folder here."""
    if facts.config.data_bucket is None:
        return []
    if isinstance(facts.data, Unknown):
        return [_not_located(facts.config.data.path, facts.data)]
    if facts.data.objects == 0 and facts.data.is_complete:
        return [_empty(facts.data)]
    return [check_distance(facts.data, facts.config.region) or _describe(facts.data)]


def check_distance(location: DataLocation, region: str) -> Finding | None:
    """Return the error for images in another region, with what their way to a machine in `region` costs."""
    if location.region in {"", region}:
        return None
    message = (
        f"The images are in {location.region} ({location.url}), the machine would be in {region}: AWS bills what "
        f"travels between regions. {_price(location, region)} Each new machine fetches them again."
    )
    source, target = shlex.quote(location.url), shlex.quote(f"s3://BUCKET/{location.prefix}")
    hint = (
        f"Deploy where they are: --region {location.region}. Or copy them once for the same sum, to a bucket in "
        f"{region}: `aws s3 sync {source} {target} --source-region {location.region} "
        f"--region {region}`, and name that in path under [data]. Or set path to a folder on this machine."
    )
    return Finding("data", Level.ERROR, message, hint)


def _not_located(path: str, fact: Unknown) -> Finding:
    if fact.error is not None and fact.error.code == "NoSuchBucket":
        return Finding("data", Level.ERROR, f"The images cannot be in {path}. {fact.reason}", fact.error.hint)
    return unknown("data", f"Where the images in {path} are", fact)


def _price(location: DataLocation, region: str) -> str:
    """Return the sum for what was counted; the price of a GB where nothing was."""
    per_gb = transfer.transfer_usd(1, from_region=location.region, to_region=region)
    if per_gb is None:
        return f"The price from {location.region} is unknown here; between other regions it is $0.02 to $0.15 per GB."
    rate = f"${per_gb:g} per GB ({transfer.TRANSFER_SOURCE})"
    if location.denied:
        return f"It would cost {rate}; how much they are is unknown without {location.denied}."
    usd = location.size / GB * per_gb
    total = f"${usd:.2f}" if usd >= 0.01 else "less than $0.01"
    return f"It would cost {'' if location.is_complete else 'at least '}{total}: {_amount(location)} at {rate}."


def _empty(location: DataLocation) -> Finding:
    message = f"There are no images in {location.url}, nor a table of labels."
    hint = f"Look with `aws s3 ls s3://{location.bucket}/ --recursive`, and correct path under [data]."
    return Finding("data", Level.ERROR, message, hint)


def _describe(location: DataLocation) -> Finding:
    where = f"in {location.region}, like the machine" if location.region else "in a region that AWS does not tell"
    if location.denied:
        message = (
            f"These credentials may not look into {location.url}: the bucket belongs to another account, or "
            f"{location.denied} is missing. It is {where}. The machine reads it with a role of its own."
        )
        return Finding("data", Level.WARNING, message, f"Allow {location.denied} on {location.bucket}.")
    if not location.region:
        message = f"{_amount(location)} in {location.url}, {where}: their way to the machine may cost."
        return Finding("data", Level.WARNING, message, f"Allow s3:ListBucket on {location.bucket}.")
    return Finding("data", Level.OK, f"{_amount(location)} in {location.url}, {where}: their way to it costs nothing")


def _amount(location: DataLocation) -> str:
    size = f"{location.size / GB:,.1f} GB" if location.size >= GB else f"{location.size / MB:.1f} MB"
    return f"{'' if location.is_complete else 'at least '}{location.objects:,} files, {size}"
