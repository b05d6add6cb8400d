"""Domain events of the hub: the only thing services share with each other."""
