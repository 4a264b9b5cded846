"""What stands in a file that no report may show."""

SECRET = "a-secret-of-this-machine"
