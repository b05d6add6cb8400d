"""The package beside this file is somebody else's repository: its tests run with it installed, not from here."""

collect_ignore = ["package"]
