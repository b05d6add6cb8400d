"""Reads orders from marketplaces: every order that a marketplace shows becomes a stored fact and an event, once."""
