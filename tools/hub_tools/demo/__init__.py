"""The demo: hundreds of orders of two simulated marketplaces through the whole hub, watched live and then checked."""
