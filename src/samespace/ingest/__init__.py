"""The way of the data into a store."""

from samespace.ingest.pipeline import ingest
from samespace.ingest.prepare import Known
from samespace.ingest.report import Progress, Report

__all__ = ["Known", "Progress", "Report", "ingest"]
