"""Tests of what operators get: rules, dashboard, runbook."""
