"""Floor 4: the `batchscan` command. Only click and rich here; each command imports its work when it runs."""

from batchscan.cli.main import main

__all__ = ["main"]
