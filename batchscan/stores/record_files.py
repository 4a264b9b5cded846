"""A validated record <-> the JSON file that makes a folder one of ours."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from batchscan.domain.errors import DamagedResult, OutputError
from batchscan.stores.atomic import write_atomically

Record = TypeVar("Record", bound=BaseModel)


def check_replaceable(folder: Path, record: str, what: str) -> None:
    """See that a folder may be made, or replaced because it holds `record` or nothing: nothing else is lost.

    Parameters
    ----------
    folder
        That will be made.
    record
        Name of the file that marks such a folder.
    what
        What the folder is, for people.

    Raises
    ------
    OutputError
        If something else is there.
    """
    if not folder.exists():
        return
    if not folder.is_dir() or not ((folder / record).is_file() or not any(folder.iterdir())):
        raise OutputError(f"{folder}: is there already and isn't the folder of {what}: give --out a new name")


def read_record(path: Path, kind: type[Record], remedy: str) -> Record:
    """The record in a JSON file.

    Raises
    ------
    DamagedResult
        If it is missing, damaged or of another schema; the text ends in the remedy.
    """
    if not path.is_file():
        raise DamagedResult(f"{path.parent}: has no {path.name}: give the folder that holds one; {remedy}")
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        said = "; ".join(str(error).split("\n")[:3])
        raise DamagedResult(f"{path}: isn't what this batchscan writes ({said}): {remedy}") from error


def write_record(path: Path, record: BaseModel) -> None:
    """Write a record, indented, atomically.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    with write_atomically(path) as stream:
        stream.write(record.model_dump_json(indent=2) + "\n")
