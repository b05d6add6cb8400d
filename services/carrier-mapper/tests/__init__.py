"""Tests of carrier-mapper."""
