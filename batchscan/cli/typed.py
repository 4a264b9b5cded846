"""A command as it was typed, for people who want to repeat it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click
from click.core import ParameterSource


def typed_command(context: click.Context) -> str:
    """The command as it was typed, with paths cut down to their last part: they may name people."""
    words = [context.command_path.split(" ")[-1]]
    for parameter in context.command.params:
        if parameter.name and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE:
            option, value = max(parameter.opts, key=len), context.params[parameter.name]
            if isinstance(parameter, click.Argument):
                words += map(_without_folders, value if parameter.nargs != 1 else (value,))
            elif isinstance(parameter, click.Option) and parameter.is_flag:
                words.append(option)
            else:
                for one in value if parameter.multiple else (value,):
                    words += [option, _without_folders(one)]
    return shlex.join(["batchscan", *words])


def _without_folders(value: object) -> str:
    is_path = isinstance(value, Path) or (isinstance(value, str) and os.sep in value)
    return Path(str(value)).absolute().name if is_path else str(value)
