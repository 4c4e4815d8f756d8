"""
The routes of deploy/dev.toml, and what producers leave out or write otherwise.

What each route makes of a whole event is in `test_development`.
"""

from typing import Any

import pytest

from tests.unit.test_development import AT, CLASS_SHOWN, STOCK, published

BARE: list[tuple[str, dict[str, Any], tuple[str, str], Any]] = [
    (
        "resource.created",
        {"id": 3, "company_id": 1},
        ("private-company.1", "resource.created"),
        {"id": 3, "name": None, "type": None, "company_id": 1, "updated_at": None},
    ),
    (
        "product.updated",
        {"tenant_id": "acme", "id": 9},
        ("products.acme", "product.updated"),
        {"productId": 9, "userId": None, "userName": None, "timestamp": AT},
    ),
    (
        "product.bulk_updated",
        {"tenant_id": "acme", "ids": [9], "user_name": "Ann"},
        ("products.acme", "product.bulk_updated"),
        {"productIds": [9], "userId": None, "userName": "Ann", "timestamp": AT},
    ),
    (
        "product.deleted",
        {"tenantId": "acme", "productId": 9},
        ("products.acme", "product.deleted"),
        CLASS_SHOWN | {"userId": None, "userName": None},
    ),
    ("user.typing", {"user_id": 7}, ("chat", "UserTyping"), {"user_id": 7, "name": None}),
    (
        "stock.low",
        {"tenant_id": "acme"},
        ("private-tenant.acme.stock-alerts", "stock.low"),
        {"sku": None, "left": None, "threshold": None},
    ),
    (
        "stock.low",
        {"tenant_id": "acme", "sku": "bolt", "quantity": 5},
        ("private-tenant.acme.stock-alerts", "stock.low"),
        {"sku": "bolt", "left": 5, "threshold": None},
    ),
    (
        "admin.notification",
        {"message": "disk"},
        ("private-admin.notifications", "admin.notification"),
        {"message": "disk"},
    ),
]


class TestPayloads:
    """An event arrives with what it has."""

    @pytest.mark.parametrize("kind,data,place,shown", BARE)
    def test_without_what_is_optional(
        self, kind: str, data: dict[str, Any], place: tuple[str, str], shown: Any
    ) -> None:
        """A field that may be absent keeps no event from arriving."""
        assert published(kind, data)[place] == shown

    @pytest.mark.parametrize("user_id,part", [(7, "7"), ("7", "7"), ("auth0|5f", "auth0=7C5f")])
    def test_users(self, user_id: int | str, part: str) -> None:
        """An id of an identity provider has a channel as any other has."""
        assert published("balance.updated", {"user_id": user_id}).keys() == {
            (f"private-financial.{part}", "BalanceUpdated")
        }
        assert published("message.read", {"author_id": user_id}).keys() == {
            (f"private-user.{part}", "MessageRead")
        }

    def test_enough_stock(self) -> None:
        """An adjustment that leaves enough alarms nobody."""
        assert published("stock.adjusted", STOCK).keys() == {
            ("private-tenant.acme.stock-alerts", "stock.adjusted")
        }
