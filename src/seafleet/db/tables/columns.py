"""What several tables share: the collection of all tables, and columns that appear again and again."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, String

metadata: Final = MetaData()

# SQLite only numbers rows by itself in a column that is exactly INTEGER.
Id: Final = BigInteger().with_variant(Integer, "sqlite")


def serial() -> Column[int]:
    """Return a primary key that the database counts up; a number is never used again."""
    return Column("id", Id, primary_key=True, autoincrement=True)


def account_key(
    name: str = "account_id", *, primary_key: bool = False, nullable: bool = False
) -> Column[int]:
    """Return a reference to an account; the row goes when the account goes."""
    target = ForeignKey("account.id", ondelete="CASCADE")
    return Column(name, Id, target, primary_key=primary_key, nullable=nullable)


def library_key(name: str = "library_id", *, primary_key: bool = False) -> Column[str]:
    """Return a reference to a library; the row goes when the library goes."""
    target = ForeignKey("library.id", ondelete="CASCADE")
    return Column(name, String(36), target, primary_key=primary_key, nullable=False)


def ordered_text(length: int) -> String:
    """Return a type of text that sorts by code points on both engines, whatever the database's locale."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")
