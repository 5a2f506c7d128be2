"""How moto is changed: a function takes the place of one of moto's methods, and gets that method first."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any


def replaces(owner: type[Any], name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Put the decorated function in the place of `owner.name`; its first argument is the original.

    moto calls many methods with keyword arguments, so the names of the parameters must stay moto's. Raises
    AttributeError when moto has no such method (any more).
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        original = getattr(owner, name)

        @functools.wraps(original)
        def replacement(*arguments: Any, **keywords: Any) -> Any:
            return function(original, *arguments, **keywords)

        is_static = isinstance(inspect.getattr_static(owner, name), staticmethod)
        setattr(owner, name, staticmethod(replacement) if is_static else replacement)
        return function

    return decorate


def adds(owner: type[Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give `owner` the decorated function as a method of the same name; moto finds AWS's actions by method name."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        setattr(owner, function.__name__, function)
        return function

    return decorate
