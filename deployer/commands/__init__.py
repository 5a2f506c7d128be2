"""One file per verb: parse, call, render. What costs time to import is imported inside the command."""

from deployer.commands.ami import ami
from deployer.commands.cancel import cancel
from deployer.commands.check import check
from deployer.commands.compare import compare
from deployer.commands.data import data
from deployer.commands.down import down
from deployer.commands.fetch import fetch
from deployer.commands.init import init
from deployer.commands.local import local
from deployer.commands.logs import logs
from deployer.commands.predict import predict
from deployer.commands.quota import quota
from deployer.commands.report import report
from deployer.commands.ssh import ssh
from deployer.commands.ssh_config import ssh_config
from deployer.commands.status import status
from deployer.commands.train import train
from deployer.commands.tune import tune
from deployer.commands.up import up

__all__ = [
    "ami",
    "cancel",
    "check",
    "compare",
    "data",
    "down",
    "fetch",
    "init",
    "local",
    "logs",
    "predict",
    "quota",
    "report",
    "ssh",
    "ssh_config",
    "status",
    "train",
    "tune",
    "up",
]
