"""Every call to AWS that stands in the package's source, found without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import botocore.session
from botocore import xform_name

# What boto3's clients have beside the operations.
NOT_OPERATIONS = frozenset(
    {"can_paginate", "close", "get_paginator", "get_waiter", "upload_fileobj", "download_fileobj"}
)


@dataclass(frozen=True, order=True)
class Call:
    """An operation (snake case), and who names or makes it: the outermost function, or "" for a table of the module."""

    file: str
    function: str
    operation: str
    line: int = field(default=0, compare=False)


class Sources:
    """The files of a package that speak to AWS: those in its `aws` folder, and any other that makes a client."""

    def __init__(self, package: Path) -> None:
        trees = {path: ast.parse(path.read_text()) for path in sorted(package.rglob("*.py"))}
        self._trees = {
            path.relative_to(package).as_posix(): tree
            for path, tree in trees.items()
            if "localcloud" not in path.parts and (path.parent.name == "aws" or any(_clients(tree)))
        }
        self.services = {name for tree in self._trees.values() for _, name in (*_clients(tree), *_paged(tree))}
        self._operations = {name: _operations(name) for name in self.services}
        self._names = {name: name for known in self._operations.values() for name in known}
        # Some tables hold AWS's own spelling: "DeleteVolume".
        self._names |= {camel: snake for known in self._operations.values() for snake, camel in known.items()}

    def calls(self) -> set[Call]:
        """Return each operation called as a method, or named in a text where `getattr` and paginators find it."""
        return {
            Call(file, function, self._names[name], line)
            for file, tree in self._trees.items()
            for function, name, line in _names_in(tree)
            if name in self._names
        }

    def unknown(self) -> list[str]:
        """Return what is called on a client, or asked for by pages, and its service does not have."""
        return [
            f"{file}:{node.lineno}: {service} has no operation {node.attr}"
            for file, tree in self._trees.items()
            for node, service in _methods(tree)
            if node.attr not in self._operations[service] and node.attr not in NOT_OPERATIONS
        ] + [
            f"{file}:{node.lineno}: {service} has no operation {node.value}"
            for file, tree in self._trees.items()
            for node, service in _paged(tree)
            if node.value not in self._operations[service]
        ]

    def public_functions(self) -> set[str]:
        """Return "module.function" for what is given a Session, and so asks AWS, or asks as a method."""
        return {
            f"{Path(file).stem}.{function.rpartition('.')[2]}"
            for file, tree in self._trees.items()
            if file.startswith("aws/")
            for function, node in _functions(tree)
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and _asks(node)
        }


def _operations(service: str) -> dict[str, str]:
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name): name for name in model.operation_names}


def _clients(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    """Yield each `….client("service")` with the service."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="client"), args=[ast.Constant(value=str(service)), *_]):
                yield node, service


def _paged(tree: ast.AST) -> Iterator[tuple[ast.Constant, str]]:
    """Yield the operation of each `….pages("service", "operation", …)` with the service."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="pages"),
                args=[ast.Constant(value=str(service)), ast.Constant(value=str()) as operation, *_],
            ):
                yield operation, service


def _methods(tree: ast.Module) -> Iterator[tuple[ast.Attribute, str]]:
    """Yield what is called on a client: on the expression that makes it, or on a variable that holds it."""
    for scope in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        made = {id(node): service for node, service in _clients(scope)}
        held = dict(_variables(scope, made))
        for node in ast.walk(scope):
            match node:
                case ast.Attribute(value=ast.Call() as call) if id(call) in made:
                    yield node, made[id(call)]
                case ast.Attribute(value=ast.Name(id=name)) if name in held:
                    yield node, held[name]


def _variables(scope: ast.FunctionDef, made: dict[int, str]) -> Iterator[tuple[str, str]]:
    for node in ast.walk(scope):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call) if id(call) in made:
                yield name, made[id(call)]
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                for name_node, value in zip(names, values, strict=True):
                    if isinstance(name_node, ast.Name) and id(value) in made:
                        yield name_node.id, made[id(value)]


def _names_in(tree: ast.Module) -> Iterator[tuple[str, str, int]]:
    """Yield (outermost function, name, line) for each method that is called or passed on, and each text."""
    modules = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    for function, body in _functions(tree):
        for node in ast.walk(body):
            match node:
                case ast.Attribute(value=ast.Name(id=name)) if name in modules:
                    continue  # a function of another module that is called like one of AWS's operations
                case ast.Attribute(attr=name) | ast.Constant(value=str(name)):
                    yield function, name, node.lineno


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{item.name}", item) for item in node.body if isinstance(item, ast.FunctionDef))
        else:
            yield (node.name if isinstance(node, ast.FunctionDef) else "", node)


def _asks(function: ast.FunctionDef) -> bool:
    arguments = [*function.args.args, *function.args.kwonlyargs]
    is_method = arguments[:1] != [] and arguments[0].arg == "self"
    given = any(item.annotation is not None and "Session" in ast.unparse(item.annotation) for item in arguments)
    return any(_clients(function)) if is_method else given
