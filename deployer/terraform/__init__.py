"""Terraform, behind one adapter."""

from deployer.terraform.adapter import Change, OnProgress, Progress, Terraform
from deployer.terraform.binary import find_binary

__all__ = ["Change", "OnProgress", "Progress", "Terraform", "find_binary"]
