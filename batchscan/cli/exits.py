"""The exit codes that the contract gives."""

EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_SOME_MISSING = 3
EXIT_INTERRUPTED = 130
