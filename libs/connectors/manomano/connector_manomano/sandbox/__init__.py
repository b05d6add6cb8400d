"""Simulator of the ManoMano Partner API. Never part of a production image."""
