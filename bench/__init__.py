"""Measures the runtime against floors in the same run, so that a slow or busy machine cannot make us look good or bad.

A figure without a floor says something about the machine; a ratio says something about the code. Subject and floors
take turns (A B C, C B A, …) on the same real Kafka and PostgreSQL, and medians over the rounds are compared.
"""
