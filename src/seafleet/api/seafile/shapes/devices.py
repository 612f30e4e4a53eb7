"""Devices and sync errors as the Web API shows them. Source: Seafile devices §4, §6, §8."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seafleet.api.seafile.shapes.times import iso

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from seafleet.devices.clients_list import Client
    from seafleet.devices.sync_errors import SyncErrorEntry

Json = dict[str, Any]


def own_device(client: Client, key: str, zone: ZoneInfo) -> Json:
    """Return a row of "my devices". Only desktop clients tell what they synchronise."""
    shown: Json = {
        "key": key,
        "user": client.email,
        "platform": client.platform,
        "device_id": client.device_id,
        "device_name": client.device_name,
        "client_version": client.client_version,
        "platform_version": client.platform_version,
        "last_accessed": iso(client.last_accessed, zone),
        "last_login_ip": client.last_login_ip,
        "is_desktop_client": client.is_desktop,
        "wiped_at": None,
    }
    if client.is_desktop:
        shown["synced_repos"] = [
            {"repo_id": each.library_id, "repo_name": each.name, "sync_time": each.synced_at}
            for each in client.synced
        ]
    return shown


def any_device(client: Client, user_name: str, zone: ZoneInfo) -> Json:
    """Return a row of the administrators' list."""
    return {
        "client_version": client.client_version,
        "device_id": client.device_id,
        "device_name": client.device_name,
        "last_accessed": iso(client.last_accessed, zone),
        "last_login_ip": client.last_login_ip,
        "user": client.email,
        "user_name": user_name,
        "platform": client.platform,
        "is_desktop_client": client.is_desktop,
    }


def sync_error(error: SyncErrorEntry, name: str, zone: ZoneInfo) -> Json:
    """Return a row of the list of device errors; what is not known is empty."""
    return {
        "email": error.email,
        "name": name,
        "device_name": error.device_name,
        "device_ip": error.ip,
        "client_version": error.client_version,
        "repo_id": error.library_id,
        "repo_name": error.library_name,
        "error_msg": error.message,
        "error_time": iso(error.at, zone),
        "count": error.count,
    }
