"""A connector that reads without faults passes the cases of reading, paged documents included."""

from __future__ import annotations

import pytest

from connector_kit.conformance import Subject
from connector_kit.conformance.documents import DocumentCases
from connector_kit.conformance.exports import ExportCases
from connector_kit.conformance.invoices import InvoiceCases
from connector_kit.conformance.notices import NoticeCases
from connector_kit.conformance.reading import ReadingCases

from .toy_readings_outside import reading_subject


class ReadingSuite(ReadingCases, ExportCases, DocumentCases, NoticeCases, InvoiceCases):
    """All cases of reading what is no order."""


class TestReadingToy(ReadingSuite):
    """Every one of them on the toy."""

    @pytest.fixture
    def subject(self) -> Subject:
        return reading_subject()
