"""The source of a module -> the names that it imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator


def imported_names(source: str, package: str) -> Iterator[tuple[str, int]]:
    """Every dotted name that a module of `package` imports, wherever in it, and its line; "?" where it is computed."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {
            "importlib.import_module",
            "import_module",
            "__import__",
        }:
            match node.args:
                case [ast.Constant(value=str(name)), *_]:
                    yield name, node.lineno
                case _:
                    yield "?", node.lineno
