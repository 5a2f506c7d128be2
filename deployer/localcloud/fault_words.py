"""AWS's own words for its error codes: what a fault says when it was given no message."""

from __future__ import annotations

from collections.abc import Sequence

from deployer.localcloud.faults import CAPACITY_CODES, Call, Fault, Faults
from deployer.localcloud.launching import price_too_low_words, unsupported_words, vcpu_limit_words
from deployer.localcloud.offerings import zones_offering
from deployer.localcloud.spot import price

CALLER = "arn:aws:iam::123456789012:user/local"

# Sentences without facts of the call (EC2 API reference, "Error codes", and public reports; read 2026-11-20).
_SENTENCES = {
    "AddressLimitExceeded": "The maximum number of addresses has been reached.",
    "AuthFailure": "AWS was not able to validate the provided access credentials",
    "Blocked": (
        "This account is currently blocked and not recognized as a valid account. Please contact aws-verification@"
        "amazon.com if you have questions."
    ),
    "ExpiredToken": "The security token included in the request is expired",
    "ExpiredTokenException": "The security token included in the request is expired",
    "InstanceLimitExceeded": (
        "You have requested more instances (1) than your current instance limit of 0 allows for the specified "
        "instance type. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this "
        "limit."
    ),
    "InsufficientFreeAddressesInSubnet": (
        "There are not enough free addresses in the subnet to satisfy the requested number of instances."
    ),
    "InsufficientVolumeCapacity": (
        "There is not enough capacity to fulfill your EBS volume provision request. Try to provision a different "
        "volume type, EBS volume in a different availability zone, or you can contact AWS Support for additional "
        "information."
    ),
    "InternalError": "An internal error has occurred",
    "InternetGatewayLimitExceeded": "The maximum number of internet gateways has been reached.",
    "InvalidClientTokenId": "The security token included in the request is invalid.",
    "MaxSpotInstanceCountExceeded": "Max spot instance count exceeded",
    "OptInRequired": "You are not subscribed to this service. Please go to http://aws.amazon.com to subscribe.",
    "PendingVerification": (
        "Your request for accessing resources in this region is being validated, and you will not be able to launch "
        "additional resources in this region until the validation is complete. We will notify you by email once your "
        "request has been validated. While normally resolved within minutes, please allow up to 4 hours for this "
        "process to complete. If the issue still persists, please let us know by writing to aws-verification@amazon"
        ".com for further assistance."
    ),
    "RequestExpired": "Request has expired.",
    "RequestLimitExceeded": "Request limit exceeded.",
    "ReservationCapacityExceeded": (
        "The requested reservation does not have sufficient compatible and available capacity for this request."
    ),
    "ServiceUnavailable": "Service is unable to handle request.",
    "SlowDown": "Please reduce your request rate.",
    "Throttling": "Rate exceeded",
    "ThrottlingException": "Rate exceeded",
    "TooManyRequestsException": "Rate exceeded",
    "UnfulfillableCapacity": (
        "Unable to fulfill capacity due to your request configuration. Please adjust your request and try again."
    ),
    "UnrecognizedClientException": "The security token included in the request is invalid.",
    "VcpuLimitExceeded": vcpu_limit_words(0),
    "VpcLimitExceeded": "The maximum number of VPCs has been reached.",
}


def words(fault: Fault, call: Call, faults: Faults) -> str:
    """Return the message: the fault's own, or what AWS says with its code to this call."""
    if fault.message:
        return fault.message
    permission = f"{call.service}:{call.action}"
    denied = f"User: {CALLER} is not authorized to perform: {permission} because no identity-based policy allows it"
    if fault.code in {"AccessDenied", "AccessDeniedException"}:
        return denied
    if fault.code == "UnauthorizedOperation":
        return f"You are not authorized to perform this operation. {denied}"
    if fault.code == "InsufficientInstanceCapacity":
        return _capacity_words(call, _zones_left(call, faults))
    if fault.code == "Unsupported":
        return unsupported_words(call.instance_type, call.zone, _zones_left(call, faults))
    if fault.code == "SpotMaxPriceTooLow":
        market = price(call.instance_type, call.zone or f"{call.region}a")
        return price_too_low_words(market / 2, market)
    return _SENTENCES.get(fault.code, f"The local cloud was told to answer {call.action} with {fault.code}.")


def _capacity_words(call: Call, zones_left: Sequence[str]) -> str:
    if call.is_spot:
        return "There is no Spot capacity available that matches your request."
    sentences = [
        f"We currently do not have sufficient {call.instance_type} capacity in the Availability Zone you requested "
        f"({call.zone or call.region}).",
        "Our system will be working on provisioning additional capacity.",
    ]
    if zones_left:
        sentences.append(
            f"You can currently get {call.instance_type} capacity by not specifying an Availability Zone in your "
            f"request or choosing {', '.join(zones_left)}."
        )
    return " ".join(sentences)


def _zones_left(call: Call, faults: Faults) -> tuple[str, ...]:
    """Return the other zones of the region that offer the type, and would not be refused for want of capacity."""
    empty = CAPACITY_CODES | {"Unsupported"}
    offering = zones_offering(call.instance_type, call.region)
    return tuple(zone for zone in offering if zone != call.zone and faults.code_at(call, zone) not in empty)
