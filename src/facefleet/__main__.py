"""`python -m facefleet`: the same as `facefleet`."""

from facefleet.cli import main

main()
