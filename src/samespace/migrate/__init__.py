"""Migration: the one way from one Space to another."""

from samespace.migrate.gate import Gate
from samespace.migrate.migration import Migration
from samespace.migrate.plan import Plan, plan
from samespace.migrate.verify import Verification

__all__ = ["Gate", "Migration", "Plan", "Verification", "plan"]
