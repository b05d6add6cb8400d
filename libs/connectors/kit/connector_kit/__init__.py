"""What a connector is: protocols per capability, the manifest as data, outcomes of calls, the simulator base."""
