"""Accounts, how they log in, and every kind of token that acts for them."""

from seafleet.accounts.access_tokens import AccessGrant, AccessTokens
from seafleet.accounts.model import Account, Role, Roles
from seafleet.accounts.service import Accounts
from seafleet.accounts.sync_tokens import SyncGrant, SyncTokens
from seafleet.accounts.throttle import Throttle
from seafleet.accounts.tickets import LoginTickets
from seafleet.accounts.tokens import Session, Tokens

__all__ = [
    "AccessGrant",
    "AccessTokens",
    "Account",
    "Accounts",
    "LoginTickets",
    "Role",
    "Roles",
    "Session",
    "SyncGrant",
    "SyncTokens",
    "Throttle",
    "Tokens",
]
