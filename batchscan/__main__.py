"""`python -m batchscan` is the `batchscan` command."""

from batchscan.cli import main

if __name__ == "__main__":
    main()
