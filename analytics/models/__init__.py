from __future__ import annotations

from analytics.models.usage import Period, UsageAnalytics, UserAnalytics

__all__ = ["Period", "UsageAnalytics", "UserAnalytics"]
