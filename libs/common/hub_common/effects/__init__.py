"""Effects: changes at outside systems, written down before they are tried and confirmed after."""
