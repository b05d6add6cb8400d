"""ManoMano Partner API: the wire, the mapping to the hub's words, the probes and a simulator with fault switches."""
