"""How a service that moto does not have is made known to it."""

from __future__ import annotations

import re
import sys
from types import ModuleType
from typing import Any

from moto.backend_index import backend_url_patterns
from moto.core.base_backend import BackendDict


def register(name: str, backends: BackendDict[Any], url_base: str) -> None:
    """Register a service: moto imports `moto.<name>` and wants `<name>_backends` in it."""
    module = ModuleType(f"moto.{name}")
    module.__dict__[f"{name}_backends"] = backends
    sys.modules[module.__name__] = module
    backend_url_patterns.append((name, re.compile(url_base)))
