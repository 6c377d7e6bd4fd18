from __future__ import annotations

from analytics.admin.usage import UsageAnalyticsAdmin, UserAnalyticsAdmin

__all__ = ["UsageAnalyticsAdmin", "UserAnalyticsAdmin"]
